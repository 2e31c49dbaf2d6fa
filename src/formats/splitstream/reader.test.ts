import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { concatBytes, equalBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError, hasCode } from '#base/errors';
import { inflateRange } from './body-decoder.ts';
import {
  CONTENT_TYPES,
  catSplitstream,
  openSplitstream,
  type Splitstream,
  SplitstreamRecords,
  SplitstreamWriter,
} from './index.ts';
import { HEADER, HEADER_BYTES, INFO, INFO_BYTES } from './layout.ts';

const SHA256 = { algorithm: 'sha256' } as const;

type Chunk = { inline: Uint8Array } | { external: number; sizeBytes: number };

function idOf(fill: number, algorithm: 'sha256' | 'sha512' = 'sha256'): ObjectId {
  return fill
    .toString(16)
    .padStart(2, '0')
    .repeat(algorithm === 'sha256' ? 32 : 64) as ObjectId;
}

/** A file with any tables and body, valid or not. */
function build(parts: {
  body?: Buffer;
  names?: string;
  streamRefs?: number;
  objectRefs?: number;
  sizeBytes?: number;
  rawBody?: Uint8Array;
}): Buffer {
  const sections: [field: number, bytes: Uint8Array][] = [
    [INFO.streamRefs, Buffer.alloc((parts.streamRefs ?? 0) * 32, 1)],
    [INFO.objectRefs, Buffer.alloc((parts.objectRefs ?? 0) * 32, 2)],
    [INFO.namedRefs, zstdCompressSync(Buffer.from(parts.names ?? '', 'latin1'))],
    [INFO.body, parts.rawBody ?? zstdCompressSync(parts.body ?? Buffer.alloc(0))],
  ];
  const head = Buffer.alloc(HEADER_BYTES + INFO_BYTES);
  head.write('SplitStream', 0);
  head.set([1, 12], HEADER.algorithm);
  head.writeBigUInt64LE(32n, HEADER.infoStart);
  head.writeBigUInt64LE(112n, HEADER.infoEnd);
  head.writeBigUInt64LE(BigInt(parts.sizeBytes ?? 1000), HEADER_BYTES + INFO.sizeBytes);
  let at = head.length;
  for (const [field, bytes] of sections) {
    head.writeBigUInt64LE(BigInt(at), HEADER_BYTES + field);
    at += bytes.length;
    head.writeBigUInt64LE(BigInt(at), HEADER_BYTES + field + 8);
  }
  return Buffer.concat([head, ...sections.map(([, bytes]) => bytes)]);
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function inlineChunk(text: string): Buffer {
  return Buffer.concat([int64(-text.length), Buffer.from(text, 'latin1')]);
}

function drain(bytes: Uint8Array): void {
  for (const part of openSplitstream(bytes, SHA256).parts()) void part;
}

function throwsCode(run: () => unknown, code: Parameters<typeof hasCode>[1]): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof FormatError, `${error}`);
    assert.equal(error.code, code, error.message);
    assert.equal(typeof error.details['offset'], 'number');
    assert.equal(typeof error.details['what'], 'string');
    return true;
  });
}

/** Chunks with adjacent inline chunks joined, as the writer must store them. */
function chunksOf(stream: Splitstream): Chunk[] {
  const chunks: Chunk[] = [];
  let open: Uint8Array[] = [];
  for (const part of stream.parts()) {
    if (part.kind === 'external') {
      chunks.push({ external: part.index, sizeBytes: 0 });
      continue;
    }
    open.push(Uint8Array.from(part.bytes));
    if (part.moreBytes > 0) continue;
    chunks.push({ inline: concatBytes(open) });
    open = [];
  }
  return chunks;
}

test('reading a written splitstream gives its chunks, tables, names, size and type', async () => {
  const chunk: fc.Arbitrary<Chunk> = fc.oneof(
    fc.record({ inline: fc.uint8Array({ maxLength: 300 }) }),
    fc.record({ external: fc.nat({ max: 5 }), sizeBytes: fc.nat({ max: 2 ** 40 }) }),
    fc.nat({ max: 400_000 }).map((length) => ({ inline: new Uint8Array(length).fill(length) })),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('sha256', 'sha512'),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.array(chunk, { maxLength: 12 }),
      fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 8 }), fc.nat({ max: 9 }))),
      async (algorithm, contentType, chunks, rawNames) => {
        const names = rawNames.filter(([name]) => !name.includes('\0') && name.isWellFormed());
        const writer = new SplitstreamWriter({ algorithm, contentType });
        let sizeBytes = 0;
        for (const one of chunks) {
          if ('inline' in one) writer.writeInline(one.inline);
          else writer.writeExternal(idOf(one.external, algorithm), one.sizeBytes);
          sizeBytes += 'inline' in one ? one.inline.length : one.sizeBytes;
        }
        for (const [name, fill] of names) writer.addNamedRef(name, idOf(fill, algorithm));
        const bytes = await writer.finish();
        const stream = openSplitstream(bytes, { algorithm, contentType });
        assert.equal(stream.sizeBytes, sizeBytes);
        assert.equal(stream.contentType, contentType);
        assert.deepEqual(
          new Map(stream.namedRefs),
          new Map(names.map(([name, fill]) => [name, idOf(fill, algorithm)])),
        );
        assert.deepEqual(stream.streamRefs, [
          ...new Set(names.map(([, fill]) => idOf(fill, algorithm))),
        ]);
        const ids = [
          ...new Set(
            chunks.flatMap((one) => ('inline' in one ? [] : [idOf(one.external, algorithm)])),
          ),
        ];
        assert.deepEqual(stream.objectRefs, ids);
        const expected: Chunk[] = [];
        for (const one of chunks) {
          const last = expected.at(-1);
          if (!('inline' in one)) {
            expected.push({ external: ids.indexOf(idOf(one.external, algorithm)), sizeBytes: 0 });
          } else if (last !== undefined && 'inline' in last) {
            last.inline = concatBytes([last.inline, one.inline]);
          } else if (one.inline.length > 0) expected.push({ inline: one.inline });
        }
        assert.deepEqual(chunksOf(stream), expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('names are stored in byte order and the table of streams in order of first use', async () => {
  const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 0n });
  for (const [name, fill] of [
    ['b', 9],
    ['\u{ffff}', 8],
    ['\u{10000}', 7],
    ['a:x', 9],
  ] as const) {
    writer.addNamedRef(name, idOf(fill));
  }
  const stream = openSplitstream(await writer.finish(), SHA256);
  assert.deepEqual([...stream.namedRefs.keys()], ['a:x', 'b', '\u{ffff}', '\u{10000}']);
  assert.deepEqual(stream.streamRefs, [idOf(9), idOf(8), idOf(7)]);
});

test('the old header layout gives identical content', async () => {
  const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 5n });
  writer.writeInline(Buffer.from('hello'));
  writer.writeExternal(idOf(3), 131072);
  const bytes = Buffer.from(await writer.finish());
  const old = Buffer.from(bytes);
  bytes.copy(old, 0, HEADER.infoStart, HEADER.infoStart + 16);
  bytes.copy(old, 16, HEADER.flags, HEADER.flags + 2);
  bytes.copy(old, 18, 0, 12);
  bytes.copy(old, 30, HEADER.algorithm, HEADER.algorithm + 2);
  assert.deepEqual(
    chunksOf(openSplitstream(old, SHA256)),
    chunksOf(openSplitstream(bytes, SHA256)),
  );
  old[29] = 1;
  throwsCode(() => openSplitstream(old, SHA256), 'SPLITSTREAM_VERSION');
});

test('flags and info bytes past the known ones are ignored', () => {
  const bytes = build({ body: inlineChunk('x') });
  bytes.set([255, 255], HEADER.flags);
  bytes.writeBigUInt64LE(120n, HEADER.infoEnd);
  assert.equal(chunksOf(openSplitstream(bytes, SHA256)).length, 1);
});

const field = (offset: number, value: bigint) => (bytes: Buffer) =>
  void bytes.writeBigUInt64LE(value, offset);

for (const [what, code, change] of [
  ['another magic', 'SPLITSTREAM_MAGIC', (b: Buffer) => b.write('X', 0)],
  ['another version', 'SPLITSTREAM_VERSION', (b: Buffer) => b.set([1], HEADER.version)],
  ['another algorithm', 'SPLITSTREAM_ALGORITHM', (b: Buffer) => b.set([2], HEADER.algorithm)],
  ['another block size', 'SPLITSTREAM_BLOCK_SIZE', (b: Buffer) => b.set([13], HEADER.blockBits)],
  ['a short info section', 'SPLITSTREAM_INFO_TOO_SHORT', field(HEADER.infoEnd, 111n)],
  ['an info section that ends first', 'SPLITSTREAM_RANGE', field(HEADER.infoEnd, 31n)],
  ['an info section past the end', 'SPLITSTREAM_TRUNCATED', field(HEADER.infoStart, 100n)],
  ['an unsafe offset', 'NUMBER_UNSAFE', field(HEADER_BYTES + INFO.streamRefs + 8, 2n ** 53n)],
  ['a table that ends first', 'SPLITSTREAM_RANGE', field(HEADER_BYTES + INFO.objectRefs + 8, 1n)],
  [
    'a table of broken digests',
    'SPLITSTREAM_TABLE_SIZE',
    field(HEADER_BYTES + INFO.streamRefs, 111n),
  ],
  [
    'a table past the end',
    'SPLITSTREAM_TRUNCATED',
    field(HEADER_BYTES + INFO.streamRefs + 8, 112n + 3200n),
  ],
  [
    'a table over the limit',
    'SPLITSTREAM_TABLE_TOO_LARGE',
    field(HEADER_BYTES + INFO.objectRefs + 8, 112n + 32n * (2n ** 22n + 1n)),
  ],
  ['an unsafe size', 'NUMBER_UNSAFE', field(HEADER_BYTES + INFO.sizeBytes, 2n ** 63n)],
] as const) {
  test(`openSplitstream refuses ${what}`, () => {
    const bytes = build({});
    if (what === 'an info section past the end') bytes.writeBigUInt64LE(1000n, HEADER.infoEnd);
    change(bytes);
    throwsCode(() => openSplitstream(bytes, SHA256), code);
  });
}

test('openSplitstream refuses another content type, and the error names both', () => {
  const bytes = build({});
  bytes.write('ocilayer', HEADER_BYTES + INFO.contentType);
  assert.throws(
    () => openSplitstream(bytes, { ...SHA256, contentType: CONTENT_TYPES.ociConfig }),
    (error) =>
      hasCode(error, 'SPLITSTREAM_CONTENT_TYPE') &&
      /expected "ociconfg", found "ocilayer"/.test(error.message),
  );
  openSplitstream(bytes, { ...SHA256, contentType: CONTENT_TYPES.ociLayer });
});

for (const [what, names] of [
  ['a record without NUL', '0:a'],
  ['a record without colon', 'a\0'],
  ['an index that is no number', 'x:a\0'],
  ['an empty index', ':a\0'],
  ['a negative index', '-1:a\0'],
  ['an index past the table', '1:a\0'],
  ['a name that is not UTF-8', '0:\xff\0'],
] as const) {
  test(`the named-ref table refuses ${what}`, () => {
    const run = () => openSplitstream(build({ names, streamRefs: 1 }), SHA256);
    throwsCode(run, 'SPLITSTREAM_NAMED_REF_INVALID');
  });
}

test('the last of two named refs with one name applies, and names may contain colons', () => {
  const bytes = build({ names: '0:a:b\x000:a\x001:a\0', streamRefs: 2 });
  bytes.fill(9, 112 + 32, 112 + 64);
  const { namedRefs } = openSplitstream(bytes, SHA256);
  assert.deepEqual(
    [...namedRefs],
    [
      ['a:b', idOf(1)],
      ['a', idOf(9)],
    ],
  );
});

test('inflating an oversized named-ref table stops at the limit', () => {
  const bomb = build({ names: '0'.repeat(65 * 2 ** 20) });
  assert.ok(bomb.length < 100_000);
  throwsCode(() => openSplitstream(bomb, SHA256), 'SPLITSTREAM_TABLE_TOO_LARGE');
});

for (const [what, code, body] of [
  ['a cut chunk header', 'SPLITSTREAM_TRUNCATED', Buffer.alloc(7)],
  ['a cut inline chunk', 'SPLITSTREAM_TRUNCATED', inlineChunk('hello').subarray(0, 12)],
  ['a reference past the table', 'SPLITSTREAM_REF_INDEX', int64(1)],
  ['a huge reference', 'SPLITSTREAM_REF_INDEX', int64(2 ** 52)],
  ['more inline bytes than declared', 'SPLITSTREAM_BODY_TOO_LARGE', int64(-1001)],
  [
    'the largest inline chunk there is',
    'SPLITSTREAM_BODY_TOO_LARGE',
    Buffer.from('0000000000000080', 'hex'),
  ],
] as const) {
  test(`the body refuses ${what}`, () => {
    throwsCode(() => drain(build({ body, objectRefs: 1 })), code);
  });
}

test('a body that is not a frame, is truncated, or has bytes after it is refused', () => {
  const frame = zstdCompressSync(inlineChunk('hello '.repeat(100)));
  throwsCode(() => drain(build({ rawBody: Buffer.from('garbage!') })), 'SPLITSTREAM_COMPRESSION');
  const extended = Buffer.concat([frame, Buffer.from('more')]);
  throwsCode(() => drain(build({ rawBody: extended })), 'SPLITSTREAM_COMPRESSION');
  throwsCode(() => drain(build({ rawBody: Buffer.alloc(0) })), 'SPLITSTREAM_TRUNCATED');
  for (let length = 1; length < frame.length; length += 1) {
    const rawBody = frame.subarray(0, length);
    throwsCode(() => drain(build({ rawBody })), 'SPLITSTREAM_COMPRESSION');
  }
});

test('a body of several frames is read as one', () => {
  const chunk = zstdCompressSync(inlineChunk('ab'));
  const stream = openSplitstream(build({ rawBody: Buffer.concat([chunk, chunk]) }), SHA256);
  assert.equal(chunksOf(stream).length, 2);
});

test('if the body extends past the end of the file, the tables stay readable', () => {
  const bytes = build({ objectRefs: 2, body: inlineChunk('hello') });
  const stream = openSplitstream(bytes.subarray(0, -1), SHA256);
  assert.equal(stream.objectRefs.length, 2);
  throwsCode(() => [...stream.parts()], 'SPLITSTREAM_TRUNCATED');
});

test('a truncated file, or one with any byte changed, gives a value or a format error', async () => {
  const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 0n });
  writer.addNamedRef('config', idOf(4));
  writer.writeInline(Buffer.from('hello'));
  writer.writeExternal(idOf(3), 100);
  const good = await writer.finish();
  for (let at = 0; at < good.length; at += 1) {
    assert.throws(() => drain(good.subarray(0, at)), FormatError);
    for (const flip of [1, 128, 255]) {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] ?? 0) ^ flip;
      try {
        drain(bad);
      } catch (error) {
        assert.ok(error instanceof FormatError, `byte ${at}: ${error}`);
      }
    }
  }
});

test('the public zstd decoder gives the same bytes as the internal one and refuses the same frames', () => {
  const body = Buffer.alloc(500_000, 'pattern ');
  const frame = zstdCompressSync(body);
  const decode = (bytes: Uint8Array, streaming: boolean) => {
    const range = { start: 0, end: bytes.length, what: 'body' };
    const reader = { sizeBytes: bytes.length, read: readOf(bytes) };
    const pieces = [];
    for (const piece of inflateRange(reader, range, 600_000, streaming)) {
      pieces.push(new Uint8Array(piece));
    }
    return concatBytes(pieces);
  };
  for (const streaming of [true, false]) {
    assert.ok(body.equals(decode(frame, streaming)));
    for (const bad of [
      frame.subarray(0, -1),
      ...[1, 2, 3, 4].map((extra) => Buffer.concat([frame, frame.subarray(0, extra)])),
    ]) {
      throwsCode(() => decode(bad, streaming), 'SPLITSTREAM_COMPRESSION');
    }
  }
});

/** A file that returns at most 1000 bytes a read (a short read). */
function readOf(bytes: Uint8Array) {
  return (offset: number, into: Uint8Array) => {
    const piece = bytes.subarray(offset, offset + Math.min(into.length, 1000));
    into.set(piece);
    return piece.length;
  };
}

test('readExact and readInlineExact read records across inline bytes, objects and padding', async () => {
  const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 0n });
  writer.writeInline(Buffer.from('header..'));
  writer.writeExternal(idOf(3), 5);
  writer.writeInline(Buffer.from('paddata1234'));
  const records = new SplitstreamRecords(openSplitstream(await writer.finish(), SHA256).parts());
  assert.deepEqual(records.readInlineExact(8), new Uint8Array(Buffer.from('header..')));
  assert.deepEqual(records.readExact(5, 8), { kind: 'external', id: idOf(3) });
  assert.deepEqual(records.readExact(4, 6), {
    kind: 'inline',
    bytes: new Uint8Array(Buffer.from('data')),
  });
  throwsCode(() => records.readInlineExact(3), 'SPLITSTREAM_RECORD_SPLIT');
  assert.equal(records.readInlineExact(2)?.length, 2);
  assert.equal(records.readInlineExact(1), undefined);
  throwsCode(() => records.readExact(1, 1), 'SPLITSTREAM_TRUNCATED');
});

test('exact reads refuse an object in place of inline bytes, and padding above the limit', async () => {
  const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 0n });
  writer.writeExternal(idOf(3), 5);
  const open = async () => openSplitstream(await writer.finish(), SHA256);
  const stream = await open();
  const fresh = () => new SplitstreamRecords(stream.parts());
  throwsCode(() => fresh().readInlineExact(1), 'SPLITSTREAM_EXTERNAL_UNEXPECTED');
  throwsCode(() => fresh().readExact(1, 1000), 'SPLITSTREAM_RECORD_SPLIT');
  throwsCode(() => fresh().readExact(5, 8), 'SPLITSTREAM_TRUNCATED');
});

test('a record larger than one inflated piece is assembled', async () => {
  const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 0n });
  const bytes = new Uint8Array(1_000_001).map((_, index) => index % 251);
  writer.writeInline(bytes);
  const records = new SplitstreamRecords(openSplitstream(await writer.finish(), SHA256).parts());
  assert.equal(records.readInlineExact(1)?.length, 1);
  assert.ok(equalBytes(records.readInlineExact(1_000_000) ?? bytes, bytes.subarray(1)));
});

test('catSplitstream rebuilds the stream and refuses a wrong size', async () => {
  const object = Buffer.from('object!');
  const cat = async (sizeBytes: number) => {
    const writer = new SplitstreamWriter({ algorithm: 'sha256', contentType: 0n });
    writer.writeInline(Buffer.from('a'));
    writer.writeExternal(idOf(3), sizeBytes);
    writer.writeInline(Buffer.from('b'));
    const stream = openSplitstream(await writer.finish(), SHA256);
    const pieces = [];
    for await (const piece of catSplitstream(stream, { readObject: () => [object] })) {
      pieces.push(new Uint8Array(piece));
    }
    return Buffer.concat(pieces).toString();
  };
  assert.equal(await cat(7), 'aobject!b');
  await assert.rejects(cat(8), (error) => hasCode(error, 'SPLITSTREAM_SIZE_MISMATCH'));
});
