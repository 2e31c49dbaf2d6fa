import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { type ByteString, byteStringOf } from '#base/bytes';
import { FormatError, hasCode } from '#base/errors';
import { encodeTarHeader, TAR_END } from '#formats/tar';
import {
  type ChunkedFixture,
  inflateAt,
  readChunkedImages,
} from '../../../test/support/chunked-layers.ts';
import { testPaxRecord, testTar, testTarHeader } from '../../../test/support/tar-archive.ts';
import {
  Crc64Iso,
  encodeTarSplitRecord,
  replayTarSplit,
  TarSplitReader,
  type TarSplitRecord,
  TarSplitWriter,
} from './index.ts';
import { LINE_BYTES_MAX } from './layout.ts';

const LAYERS = [...readChunkedImages('oci'), ...readChunkedImages('extra/oci')].filter(
  ({ annotations }) => annotations['io.github.containers.zstd-chunked.tarsplit-position'],
);

function recordsOf(tarSplit: Uint8Array): TarSplitRecord[] {
  const reader = new TarSplitReader();
  return [...reader.push(tarSplit), ...reader.end()];
}

function goldenSplit(layer: ChunkedFixture): Buffer {
  return inflateAt(layer, 'tarsplit-position') ?? assert.fail('no tar-split');
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** Replays with the contents read from the tar, at the positions of the records. */
function replayFrom(records: readonly TarSplitRecord[], tar: Uint8Array): Promise<Buffer> {
  let at = 0;
  const contents: Uint8Array[] = [];
  for (const record of records) {
    const length = record.kind === 'segment' ? record.bytes.length : record.sizeBytes;
    if (record.kind === 'file' && length > 0) contents.push(tar.subarray(at, at + length));
    at += length;
  }
  return collect(replayTarSplit(records, () => [contents.shift() ?? assert.fail('too many')]));
}

function splitOf(tar: Uint8Array, cuts: readonly number[] = []): Buffer {
  const writer = new TarSplitWriter();
  const lines: Uint8Array[] = [];
  let at = 0;
  for (const cut of [...cuts, tar.length]) {
    const piece = Uint8Array.from(tar.subarray(at, at + cut));
    lines.push(writer.push(piece));
    piece.fill(0xee);
    at += cut;
  }
  return Buffer.concat([...lines, writer.end()]);
}

for (const layer of LAYERS) {
  test(`${layer.name}: replaying its tar-split with its contents gives the tar, with matching CRCs`, async () => {
    const tar = zstdDecompressSync(layer.blob);
    const rebuilt = await replayFrom(recordsOf(goldenSplit(layer)), tar);
    assert.equal(`sha256:${createHash('sha256').update(rebuilt).digest('hex')}`, layer.diffId);
  });

  test(`${layer.name}: the writer gives the records of podman, except for how the trailer is cut`, async () => {
    const tar = zstdDecompressSync(layer.blob);
    const found = splitOf(tar);
    const golden = goldenSplit(layer);
    const trailerAt = golden.lastIndexOf('{"type":1') < 0 ? 0 : golden.lastIndexOf('{"type":1');
    const members = golden.subarray(0, golden.indexOf('\n', trailerAt) + 1);
    if (trailerAt > 0)
      assert.equal(found.toString().slice(0, members.toString().length), members.toString());
    assert.ok((await replayFrom(recordsOf(found), tar)).equals(tar));
  });
}

test('encoding a record gives the bytes that it was read from', () => {
  for (const layer of LAYERS) {
    const golden = goldenSplit(layer);
    const lines = recordsOf(golden).map((record, at) => encodeTarSplitRecord(record, at));
    assert.equal(lines.join(''), golden.toString('utf8'), layer.name);
  }
});

test('the CRC of "123456789" has the value of the ISO polynomial, however the bytes are split', () => {
  const bytes = Buffer.from('123456789');
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const crc = new Crc64Iso();
    crc.update(bytes.subarray(0, cut));
    crc.update(bytes.subarray(cut));
    assert.equal(Buffer.from(crc.finish()).toString('hex'), 'b90956c775a41001');
  }
});

const SAMPLE = Buffer.concat([
  testTar([{ name: 'pax', flag: 'x', content: testPaxRecord('path', 'p'.repeat(300)) }]).subarray(
    0,
    1024,
  ),
  testTar([
    { name: 'short', content: 'content' },
    { name: 'dir/', flag: '5' },
    { name: 'link', flag: '2', link: 'short' },
    { name: 'hard', flag: '1', link: 'short', statedSize: 7 },
    { name: 'caf\xe9', content: Buffer.alloc(1500, 7) },
    { name: 'even', content: Buffer.alloc(1024, 8) },
  ]),
  Buffer.alloc(8192),
]);

test('the tar-split of a tar does not depend on how the tar is split into pieces', () => {
  const whole = splitOf(SAMPLE).toString();
  for (const size of [1, 7, 511, 513, 4096]) {
    const cuts = Array.from({ length: Math.ceil(SAMPLE.length / size) }, () => size);
    assert.equal(splitOf(SAMPLE, cuts).toString(), whole, `pieces of ${size}`);
  }
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { maxLength: 12 }), (cuts) => {
      assert.equal(splitOf(SAMPLE, cuts).toString(), whole);
    }),
    { numRuns: 50 },
  );
});

test('a link has no content, whatever size its header states', () => {
  const files = recordsOf(splitOf(SAMPLE)).filter((record) => record.kind === 'file');
  assert.deepEqual(
    files.map(({ name, sizeBytes, crc }) => [name.slice(0, 6), sizeBytes, crc !== undefined]),
    [
      ['pppppp', 7, true],
      ['dir/', 0, false],
      ['link', 0, false],
      ['hard', 0, false],
      ['caf\xe9', 1500, true],
      ['even', 1024, true],
    ],
  );
});

test('a trailer is one segment with the padding, then segments of 1 MiB', () => {
  const tar = Buffer.concat([testTar([{ name: 'f', content: 'x' }]), Buffer.alloc(2 ** 20 + 512)]);
  const lengths = recordsOf(splitOf(tar)).map((record) =>
    record.kind === 'segment' ? record.bytes.length : record.name,
  );
  assert.deepEqual(lengths, [512, 'f', 511 + 1024, 2 ** 20, 512]);
});

test('a tar truncated at any byte is refused, except between members and in padding', async () => {
  const tar = testTar([
    { name: 'a', content: 'x'.repeat(600) },
    { name: 'b', flag: '5' },
  ]);
  for (let length = 0; length < 512 + 1024 + 512; length += 1) {
    const part = tar.subarray(0, length);
    const cut = () => splitOf(part);
    const isWhole = length === 0 || (length >= 512 + 600 && length <= 512 + 1024);
    if (isWhole) assert.deepEqual(await replayFrom(recordsOf(cut()), part), part);
    else assert.throws(cut, (error) => hasCode(error, 'TAR_TRUNCATED'), `at ${length}`);
  }
});

test('an extension header that no member follows is refused', () => {
  const header = testTarHeader({ name: 'x', flag: 'x', content: testPaxRecord('path', 'p') });
  const payload = Buffer.alloc(512);
  payload.write(testPaxRecord('path', 'p'));
  const tar = Buffer.concat([header, payload, TAR_END]);
  assert.throws(
    () => splitOf(tar),
    (error) => hasCode(error, 'TAR_EXTENSION_ORPHANED'),
  );
});

test('an extension header above 1 MiB is refused before it is held in memory', () => {
  const header = testTarHeader({ name: 'x', flag: 'x', statedSize: 2 ** 20 + 1 });
  assert.throws(
    () => splitOf(header),
    (error) => hasCode(error, 'TAR_EXTENSION_TOO_LARGE'),
  );
});

test('reading lines gives the same records however the lines are cut', () => {
  const lines = splitOf(SAMPLE);
  const expected = recordsOf(lines);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), (size) => {
      const reader = new TarSplitReader();
      const found: TarSplitRecord[] = [];
      for (let at = 0; at < lines.length; at += size) {
        const piece = Uint8Array.from(lines.subarray(at, at + size));
        found.push(...reader.push(piece));
        piece.fill(0);
      }
      assert.deepEqual([...found, ...reader.end()], expected);
    }),
    { numRuns: 30 },
  );
});

for (const [what, line] of [
  ['no JSON', '{"type":1'],
  ['an array', '[]'],
  ['null', 'null'],
  ['an unknown type', '{"type":3,"payload":null}'],
  ['a negative size', '{"type":1,"name":"a","size":-1,"payload":null}'],
  ['a size with a fraction', '{"type":1,"name":"a","size":1.5,"payload":null}'],
  ['a size beyond 2^53 - 1', '{"type":1,"name":"a","size":9007199254740992,"payload":null}'],
  ['a name that is a number', '{"type":1,"name":7,"payload":null}'],
  ['a short checksum', '{"type":1,"name":"a","size":1,"payload":"AAAA"}'],
  ['base64 without padding', '{"type":2,"payload":"AA"}'],
  ['other characters in base64', '{"type":2,"payload":"A*AA"}'],
  ['a payload that is a number', '{"type":2,"payload":1}'],
] as const) {
  test(`a record with ${what} is refused`, () => {
    assert.throws(
      () => recordsOf(Buffer.from(`{"type":2,"payload":""}\n${line}\n`)),
      (error) => hasCode(error, 'TAR_SPLIT_INVALID') && error.details['offset'] === 24,
    );
  });
}

test('a line above the limit is refused before it is collected', () => {
  const reader = new TarSplitReader();
  const piece = Buffer.alloc(2 ** 20, 0x20);
  assert.throws(
    () => {
      for (let at = 0; at <= LINE_BYTES_MAX; at += piece.length) [...reader.push(piece)];
    },
    (error) => hasCode(error, 'TAR_SPLIT_INVALID'),
  );
});

test('replaying refuses content with another length or another CRC', async () => {
  const tar = testTar([{ name: 'f', content: 'content' }]);
  const records = recordsOf(splitOf(tar));
  for (const content of ['conten', 'content!', 'c0ntent', '']) {
    await assert.rejects(collect(replayTarSplit(records, () => [Buffer.from(content)])), (error) =>
      hasCode(error, 'TAR_SPLIT_CONTENT_MISMATCH'),
    );
  }
  assert.ok((await collect(replayTarSplit(records, () => [Buffer.from('content')]))).equals(tar));
});

test('a last line without a newline is read', () => {
  const lines = splitOf(SAMPLE);
  assert.deepEqual(recordsOf(lines.subarray(0, -1)), recordsOf(lines));
});

test('any written member is found by its exact name', () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map((bytes) => byteStringOf(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))));
  fc.assert(
    fc.property(name, fc.uint8Array({ maxLength: 600 }), (path, content) => {
      const header = encodeTarHeader({
        type: 'file',
        path: path as ByteString,
        mode: 0o644,
        sizeBytes: content.length,
      });
      const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
      const records = recordsOf(splitOf(Buffer.concat([header, content, padding, TAR_END])));
      const [file] = records.filter((record) => record.kind === 'file');
      assert.equal(file?.name, path);
      assert.equal(file?.sizeBytes, content.length);
    }),
    { numRuns: 60 },
  );
});

test('damaged lines give records or exactly one FormatError', () => {
  const lines = splitOf(SAMPLE);
  fc.assert(
    fc.property(fc.nat(lines.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(lines);
      damaged[at] = value;
      try {
        recordsOf(damaged);
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
    { numRuns: 300 },
  );
});
