import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { crc32, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { isOnecopyError } from '#base/errors';
import type { Compression } from '#formats/oci';
import { type Inflater, tryOpenInflater } from '#host';
import { needs } from '../../../../test/support/capability.ts';
import { codeOf as errorCodeOf } from '../../../../test/support/error-code.ts';
import { cases } from '../../../../test/support/long-form.ts';
import { type UnpackLimits, unpack } from './unpack.ts';

/** The gzip engines: every gzip test runs with both. */
interface Engine {
  readonly name: string;
  readonly open: () => Inflater | undefined;
  readonly isHere: (t: TestContext) => boolean;
}
const ZLIB: Engine = { name: 'zlib', open: () => undefined, isHere: () => true };
const HOST: Engine = {
  name: "the host's inflater",
  open: tryOpenInflater,
  isHere: (t) => needs(t, 'fast-inflate'),
};
const ENGINES = { gzip: [ZLIB, HOST], zstd: [ZLIB], none: [ZLIB] } as const;

const TEXT = Buffer.from('a small layer, '.repeat(40));
const MORE = Buffer.from('and what follows it '.repeat(30));
const SKIPPED = Buffer.from('502a4d180500000068656c6c6f', 'hex');

function* inPieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  // One buffer for all pieces, as readers use it.
  const buffer = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}

async function unpacked(
  bytes: Uint8Array,
  compression: Compression,
  options: Partial<UnpackLimits> & { readonly size?: number } = {},
  engine: Engine = ZLIB,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const source = inPieces(bytes, options.size ?? 7);
  const limits = { what: 'layer', ...options };
  for await (const piece of unpack(source, compression, limits, engine)) {
    parts.push(new Uint8Array(piece));
  }
  return Buffer.concat(parts);
}

function codeOf(
  bytes: Uint8Array,
  compression: Compression,
  engine: Engine = ZLIB,
): Promise<string> {
  return errorCodeOf(unpacked(bytes, compression, {}, engine));
}

const ACCEPTED: readonly [what: string, compression: Compression, bytes: Buffer, tar: Buffer][] = [
  ['plain bytes', 'none', TEXT, TEXT],
  ['no bytes at all', 'none', Buffer.alloc(0), Buffer.alloc(0)],
  ['one gzip member', 'gzip', gzipSync(TEXT), TEXT],
  ['an empty gzip member', 'gzip', gzipSync(Buffer.alloc(0)), Buffer.alloc(0)],
  [
    'two gzip members',
    'gzip',
    Buffer.concat([gzipSync(TEXT), gzipSync(MORE)]),
    Buffer.concat([TEXT, MORE]),
  ],
  ['one zstd frame', 'zstd', zstdCompressSync(TEXT), TEXT],
  [
    'two zstd frames',
    'zstd',
    Buffer.concat([zstdCompressSync(TEXT), zstdCompressSync(MORE)]),
    Buffer.concat([TEXT, MORE]),
  ],
  [
    'skippable frames before, between and after',
    'zstd',
    Buffer.concat([SKIPPED, zstdCompressSync(TEXT), SKIPPED, zstdCompressSync(MORE), SKIPPED]),
    Buffer.concat([TEXT, MORE]),
  ],
];

for (const [what, compression, bytes, tar] of ACCEPTED) {
  for (const engine of ENGINES[compression]) {
    test(`unpack reads ${what}, at any split of the blob, with ${engine.name}`, async (t) => {
      if (!engine.isHere(t)) return;
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: bytes.length + 1 }), async (size) => {
          assert.deepEqual(await unpacked(bytes, compression, { size }, engine), tar);
        }),
        { numRuns: 25 },
      );
    });
  }
}

const GZIP = Buffer.concat([gzipSync(TEXT), gzipSync(MORE)]);
const ZSTD = Buffer.concat([zstdCompressSync(TEXT), SKIPPED, zstdCompressSync(MORE)]);

for (const [compression, whole, engine] of [
  ['gzip', GZIP, ZLIB],
  ['gzip', GZIP, HOST],
  ['zstd', ZSTD, ZLIB],
] as const) {
  test(`unpack refuses ${compression} that is truncated inside a member or frame, with ${engine.name}`, async (t) => {
    if (!engine.isHere(t)) return;
    const first = compression === 'gzip' ? gzipSync(TEXT) : zstdCompressSync(TEXT);
    const ends = [
      first.length,
      whole.length,
      ...(compression === 'zstd' ? [first.length + SKIPPED.length] : []),
    ];
    for (let length = 0; length <= whole.length; length += 1) {
      const expected = ends.includes(length) ? 'accepted' : 'LAYER_COMPRESSION_INVALID';
      assert.equal(await codeOf(whole.subarray(0, length), compression, engine), expected);
    }
  });

  test(`unpack refuses trailing bytes after ${compression}, with ${engine.name}`, async (t) => {
    if (!engine.isHere(t)) return;
    for (const tail of ['00', '0000000000', '1f', '1f8b', '28b5', '7573746172']) {
      const bytes = Buffer.concat([whole, Buffer.from(tail, 'hex')]);
      assert.equal(await codeOf(bytes, compression, engine), 'LAYER_COMPRESSION_INVALID', tail);
    }
  });

  test(`unpack of damaged ${compression} always ends, with an error or with bytes, with ${engine.name}`, async (t) => {
    if (!engine.isHere(t)) return;
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      const code = await codeOf(bytes, compression, engine);
      assert.match(code, /^(accepted|LAYER_COMPRESSION_INVALID)$/);
    }
  });
}

for (const engine of ENGINES.gzip) {
  test(`unpack refuses zeros between gzip members, with ${engine.name}`, async (t) => {
    if (!engine.isHere(t)) return;
    const bytes = Buffer.concat([gzipSync(TEXT), Buffer.alloc(20), gzipSync(MORE)]);
    assert.equal(await codeOf(bytes, 'gzip', engine), 'LAYER_COMPRESSION_INVALID');
  });

  test(`unpack refuses output above the caller's limit and accepts output of exactly the limit, with ${engine.name}`, async (t) => {
    if (!engine.isHere(t)) return;
    const bytes = gzipSync(TEXT);
    const exact = await unpacked(bytes, 'gzip', { layerBytesMax: TEXT.length }, engine);
    assert.equal(exact.length, TEXT.length);
    const less = unpacked(bytes, 'gzip', { layerBytesMax: TEXT.length - 1 }, engine);
    await assert.rejects(less, { code: 'LAYER_TOO_LARGE' });
  });

  test(`unpack passes on an error of the source and closes the source, with ${engine.name}`, async (t) => {
    if (!engine.isHere(t)) return;
    const broken = new Error('the disk is gone');
    async function* failing() {
      yield gzipSync(TEXT).subarray(0, 20);
      throw broken;
    }
    const limits = { what: 'layer' };
    await assert.rejects(
      async () => {
        for await (const _ of unpack(failing(), 'gzip', limits, engine));
      },
      (error) => error === broken,
    );
    let isLetGo = false;
    async function* endless() {
      try {
        for (;;) yield gzipSync(TEXT);
      } finally {
        isLetGo = true;
      }
    }
    for await (const _ of unpack(endless(), 'gzip', limits, engine)) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert(isLetGo);
  });
}

/** A gzip member of TEXT with optional parts in its header. */
function memberWith(flags: number, ...parts: readonly Uint8Array[]): Buffer {
  const fixed = Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255]);
  return Buffer.concat([fixed, ...parts, gzipSync(TEXT).subarray(10)]);
}

/** A usual member of TEXT with another byte at a place, or at one from the end. */
function withByte(at: number, value: number): Buffer {
  const bytes = gzipSync(TEXT);
  const index = at < 0 ? bytes.length + at : at;
  assert.notEqual(bytes[index], value);
  bytes[index] = value;
  return bytes;
}

function crc16(...parts: readonly Uint8Array[]): Buffer {
  const crc = Buffer.alloc(2);
  crc.writeUInt16LE(crc32(Buffer.concat(parts)) % 0x10000);
  return crc;
}

const EXTRA = Buffer.concat([Buffer.from([0x10, 1]), Buffer.alloc(0x110, 0x11)]);
const NAME = Buffer.from(`${'a long name '.repeat(9)}\0`);
const COMMENT = Buffer.from('a comment\0');
const ALL = [EXTRA, NAME, COMMENT] as const;
const ALL_FIXED = Buffer.from([0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 0, 255]);

/** Headers that RFC 1952 allows, and similar ones that it does not. */
const HEADERS: readonly [what: string, member: Buffer, isRight: boolean][] = [
  ['extra bytes', memberWith(0x04, EXTRA), true],
  ['no extra bytes', memberWith(0x04, Buffer.from([0, 0])), true],
  ['a name', memberWith(0x08, NAME), true],
  ['an empty name and a comment', memberWith(0x18, Buffer.from([0]), COMMENT), true],
  ['the text flag', memberWith(0x01), true],
  ['all parts and their CRC', memberWith(0x1e, ...ALL, crc16(ALL_FIXED, ...ALL)), true],
  ['all parts and another CRC', memberWith(0x1e, ...ALL, crc16(ALL_FIXED, NAME)), false],
  [
    'a CRC over nothing else',
    memberWith(0x02, crc16(Buffer.from([31, 139, 8, 2, 1, 2, 3, 4, 0, 255]))),
    true,
  ],
  ['a reserved flag', memberWith(0x20), false],
  [
    'a name that does not end',
    Buffer.concat([memberWith(0x08).subarray(0, 10), Buffer.from('abc')]),
    false,
  ],
  ['another method', withByte(2, 7), false],
  ['another magic', withByte(1, 0x8c), false],
  ['another CRC of the content', withByte(-8, 1), false],
  ['another size', withByte(-1, 1), false],
];

for (const engine of ENGINES.gzip) {
  for (const [what, member, isRight] of HEADERS) {
    test(`unpack ${isRight ? 'reads' : 'refuses'} a gzip member with ${what}, with ${engine.name}`, async (t) => {
      if (!engine.isHere(t)) return;
      for (const size of [1, 3, 50, member.length]) {
        for (const bytes of [member, Buffer.concat([gzipSync(MORE), member])]) {
          const found = await outcome(bytes, size, engine);
          if (isRight) assert(found.tar?.subarray(-TEXT.length).equals(TEXT), what);
          else assert.equal(found.code, 'LAYER_COMPRESSION_INVALID');
        }
      }
    });
  }
}

interface Outcome {
  readonly tar?: Buffer;
  readonly code?: string;
  readonly reason?: unknown;
}

async function outcome(bytes: Uint8Array, size: number, engine: Engine): Promise<Outcome> {
  try {
    return { tar: await unpacked(bytes, 'gzip', { size }, engine) };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { code: error.code, reason: error.details['reason'] };
  }
}

/** zlib refuses incomplete codes; the inflater of the host refuses only unused patterns that occur. */
const INCOMPLETE_CODES = /^invalid (distances|literal\/lengths|code lengths) set$/;

/** Both engines give the same bytes, or both refuse. */
async function requireAgreement(bytes: Uint8Array, sizes: readonly number[]): Promise<void> {
  const [size = 1] = sizes;
  const expected = await outcome(bytes, size, ZLIB);
  if (expected.reason !== undefined && INCOMPLETE_CODES.test(String(expected.reason))) return;
  for (const each of sizes) {
    const found = await outcome(bytes, each, HOST);
    assert.equal(found.code, expected.code, `${expected.reason} against ${found.reason}`);
    if (expected.tar !== undefined) assert(found.tar?.equals(expected.tar));
  }
}

const content = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 30_000 }))
    .map(([seed, count]) => new Uint8Array(Buffer.concat(Array(count).fill(seed)))),
);
const member = fc
  .record({
    content,
    level: fc.integer({ min: 0, max: 9 }),
    strategy: fc.integer({ min: 0, max: 4 }),
    memLevel: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ content: bytes, ...options }) => gzipSync(bytes, options));

test('both inflaters give the same bytes for any members at any split', async (t) => {
  if (!HOST.isHere(t)) return;
  const members = fc.array(member, { maxLength: 4 }).map((parts) => Buffer.concat(parts));
  const sizes = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 3 });
  await fc.assert(fc.asyncProperty(members, sizes, requireAgreement), { numRuns: cases(40, 400) });
});

test('both inflaters give the same result for a member truncated at any byte', async (t) => {
  if (!HOST.isHere(t)) return;
  const bytes = Buffer.concat([memberWith(0x1e, ...ALL, crc16(ALL_FIXED, ...ALL)), gzipSync(MORE)]);
  for (let length = 0; length <= bytes.length; length += 1) {
    await requireAgreement(bytes.subarray(0, length), [bytes.length, 5]);
  }
});

test('both inflaters give the same result for a member with any byte changed', async (t) => {
  if (!HOST.isHere(t)) return;
  const text = Buffer.from(Array.from({ length: 400 }, (_, index) => (index * index) % 97));
  const bytes = Buffer.concat([gzipSync(text), gzipSync(MORE, { strategy: 4 })]);
  for (let at = 0; at < bytes.length; at += 1) {
    for (const flipped of [0x01, 0x08, 0x80, 0xff]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ flipped;
      await requireAgreement(damaged, [bytes.length, 11]);
    }
  }
});

test('both inflaters give the same result for any damage', async (t) => {
  if (!HOST.isHere(t)) return;
  const bit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  await fc.assert(
    fc.asyncProperty(member, fc.array(bit, { minLength: 1, maxLength: 3 }), async (bytes, bits) => {
      const damaged = Buffer.from(bytes);
      for (const where of bits) {
        const at = Math.floor(where * bytes.length * 8);
        const index = Math.floor(at / 8);
        damaged[index] = (damaged[index] ?? 0) ^ (2 ** (at % 8));
      }
      await requireAgreement(damaged, [bytes.length, 100]);
    }),
    { numRuns: cases(100, 1000) },
  );
});

test('unpack refuses a decompression bomb by its ratio', async () => {
  const frames = Buffer.concat(Array(24).fill(zstdCompressSync(Buffer.alloc(48 << 20))));
  let outputBytes = 0;
  await assert.rejects(
    async () => {
      for await (const piece of unpack([frames], 'zstd', { what: 'bomb' }))
        outputBytes += piece.length;
    },
    { code: 'LAYER_TOO_LARGE' },
  );
  assert.ok(outputBytes <= 2 ** 30, `${outputBytes} bytes came out`);
});

test('unpack refuses a zstd window above the memory limit', async () => {
  // Magic, a header without content size, window 2^10 << 18 = 256 MiB, one raw block of one byte.
  const frame = Buffer.from('28b52ffd00900900006100', 'hex');
  const usual = Buffer.from('28b52ffd005009000061', 'hex');
  assert.equal(await codeOf(frame.subarray(0, -1), 'zstd'), 'LAYER_COMPRESSION_INVALID');
  assert.equal(await codeOf(usual, 'zstd'), 'accepted');
});
