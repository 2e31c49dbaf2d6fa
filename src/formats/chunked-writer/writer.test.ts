import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { FOOTER_TAIL_BYTES, parseChunkedFooter } from '#formats/chunked';
import { walkZstdFrames } from '#formats/zstd';
import {
  type ChunkedFixture,
  inflateAt,
  readChunkedImages,
} from '../../../test/support/chunked-layers.ts';
import { judge } from '../../../test/support/chunked-metadata.ts';
import { testPaxRecord, testTar, withTestChecksum } from '../../../test/support/tar-archive.ts';
import {
  type ChunkedTail,
  ChunkedWriter,
  compressFrame,
  type PlainLayer,
  writeChunkedLayer,
} from './index.ts';

const LEVEL = 3;

interface Written {
  readonly blob: Buffer;
  readonly end: ChunkedTail | PlainLayer;
}

async function write(tar: Uint8Array, pieceBytes = 2 ** 20): Promise<Written> {
  const pieces: Uint8Array[] = [];
  const source = function* () {
    for (let at = 0; at < tar.length; at += pieceBytes) {
      const piece = Uint8Array.from(tar.subarray(at, at + pieceBytes));
      yield piece;
      piece.fill(0xee);
    }
  };
  const writing = writeChunkedLayer(source(), { level: LEVEL });
  for (;;) {
    const { done, value } = await writing.next();
    if (done) return { blob: Buffer.concat(pieces), end: value };
    pieces.push(value);
  }
}

function fixtureOf({ blob, end }: Written): ChunkedFixture {
  assert.ok(end.kind === 'chunked', end.kind === 'plain' ? end.message : '');
  const annotations = Object.fromEntries(end.annotations);
  return { name: 'ours', image: 'ours', blob, mediaType: '', annotations, diffId: '' };
}

/** The text of a TOC without the parts that differ between two compressors. */
function comparable(toc: Buffer | undefined): string {
  return (toc ?? assert.fail('no TOC'))
    .toString('utf8')
    .replace(/"(offset|endOffset)":\d+/g, '"$1":0')
    .replace(/"tarSplitDigest":"[^"]*"/, '');
}

const GOLDEN = ['oci', 'extra/oci'].flatMap(readChunkedImages).filter(({ name, annotations }) => {
  const isChunked = 'io.github.containers.zstd-chunked.manifest-position' in annotations;
  return isChunked && !/nonutf8|prefix-of-big/.test(name);
});

for (const golden of GOLDEN) {
  test(`${golden.name} is written with the TOC of podman except for offsets, and our reader and plain zstd decode it`, async () => {
    const tar = zstdDecompressSync(golden.blob);
    const written = await write(tar);
    const ours = fixtureOf(written);
    assert.equal(
      comparable(inflateAt(ours, 'manifest-position')),
      comparable(inflateAt(golden, 'manifest-position')),
    );
    assert.equal(await judge(ours), 'usable');
    assert.ok(zstdDecompressSync(written.blob).equals(tar));
    const position = ours.annotations['io.github.containers.zstd-chunked.manifest-position'] ?? '';
    const footer = parseChunkedFooter(written.blob.subarray(-FOOTER_TAIL_BYTES));
    assert.equal(footer?.toc.offset, Number(position.split(':')[0]));
    const frames = [...walkZstdFrames(written.blob)];
    assert.equal(frames.at(-1)?.offset, written.blob.length - FOOTER_TAIL_BYTES);
  });
}

test('an empty tar is written as a layer', async () => {
  const written = await write(new Uint8Array(0));
  const ours = fixtureOf(written);
  assert.equal(await judge(ours), 'usable');
  assert.equal(zstdDecompressSync(written.blob).length, 0);
  assert.match(inflateAt(ours, 'manifest-position')?.toString() ?? '', /"entries":null/);
});

const PADDED = Buffer.concat([
  testTar([
    { name: 'd/', flag: '5' },
    { name: 'd/short', content: 'content' },
    {
      name: 'd/holes',
      content: Buffer.concat([Buffer.alloc(3000, 'ab'), Buffer.alloc(2048), Buffer.from('x')]),
    },
    { name: 'd/text', content: Buffer.alloc(31_232, 'some text of a file\n') },
  ]),
  Buffer.alloc(9216 - 512),
]);

for (const pieceBytes of [1, 7, 511, 513, 32_776]) {
  test(`a padded tar that arrives in pieces of ${pieceBytes} bytes gives the same layer`, async () => {
    const whole = await write(PADDED);
    const pieces = await write(PADDED, pieceBytes);
    assert.ok(pieces.blob.equals(whole.blob));
    assert.deepEqual(pieces.end, whole.end);
    assert.equal(await judge(fixtureOf(pieces)), 'usable');
  });
}

test('frames can be compressed in any order if their lengths are placed in order', async () => {
  const writer = new ChunkedWriter({ level: LEVEL });
  const contents = [...writer.push(PADDED), ...writer.end()];
  const frames = contents
    .toReversed()
    .map((content) => compressFrame(content, LEVEL))
    .toReversed();
  for (const frame of frames) writer.placed(frame.length);
  const end = writer.finish();
  assert.ok(end.kind === 'chunked');
  assert.ok(Buffer.concat([...frames, end.tail]).equals((await write(PADDED)).blob));
});

test('a chunk above the frame limit is written as several frames of one range', async () => {
  const tar = testTar([{ name: 'big', content: Buffer.alloc(9 * 2 ** 20, 1) }]);
  const written = await write(tar);
  const ours = fixtureOf(written);
  assert.equal(await judge(ours), 'usable');
  const { entries } = JSON.parse(inflateAt(ours, 'manifest-position')?.toString() ?? '');
  assert.equal(entries.length, 1);
  const { offset, endOffset } = entries[0];
  assert.equal([...walkZstdFrames(written.blob.subarray(offset, endOffset))].length, 3);
});

const HEADER_AT = 0;
const sized = (tar: Buffer, change: (header: Buffer) => void): Buffer => {
  const header = tar.subarray(HEADER_AT, 512);
  change(header);
  withTestChecksum(header);
  return tar;
};
const pax = (record: string, ...members: Parameters<typeof testTar>[0]): Buffer =>
  testTar([{ name: 'pax', flag: 'x', content: record }, ...members]);

const PLAIN: readonly (readonly [what: string, reason: string, tar: Uint8Array])[] = [
  ['a name that is not UTF-8', 'name', testTar([{ name: 'caf\xe9' }])],
  ['a link target that is not UTF-8', 'name', testTar([{ name: 'l', flag: '2', link: 'caf\xe9' }])],
  ['a path twice', 'path', testTar([{ name: 'f' }, { name: './f' }])],
  ['a path with ".."', 'path', testTar([{ name: '../f' }])],
  [
    'a file below a link',
    'path',
    testTar([{ name: 'l', flag: '2', link: '/etc' }, { name: 'l/f' }]),
  ],
  [
    'a hard link with a size',
    'link-size',
    testTar([{ name: 'f' }, { name: 'l', flag: '1', link: 'f', statedSize: 5 }]),
  ],
  ['a directory with a size', 'link-size', testTar([{ name: 'd/', flag: '5', statedSize: 5 }])],
  [
    'a global PAX header',
    'kind',
    testTar([{ name: 'g', flag: 'g', content: testPaxRecord('a', 'b') }, { name: 'f' }]),
  ],
  [
    'an old GNU sparse file',
    'kind',
    sized(testTar([{ name: 's', flag: 'S' }]), (header) =>
      header.write('ustar  \0', 257, 'latin1'),
    ),
  ],
  ['a contiguous file', 'kind', testTar([{ name: 'c', flag: '7', content: 'x' }])],
  [
    'a PAX sparse file',
    'sparse',
    pax(testPaxRecord('GNU.sparse.major', '1'), { name: 'f', content: '0\n' }),
  ],
  ['a year of five digits', 'time', pax(testPaxRecord('mtime', '300000000000'), { name: 'f' })],
  [
    'garbage after the archive',
    'trailer',
    Buffer.concat([testTar([{ name: 'f' }]), Buffer.alloc(512, 'x')]),
  ],
  [
    'a trailer of no whole block',
    'trailer',
    Buffer.concat([testTar([{ name: 'f' }]), Buffer.alloc(100)]),
  ],
  [
    'an archive that ends in padding',
    'trailer',
    testTar([{ name: 'f', content: 'content' }]).subarray(0, 700),
  ],
  [
    'an archive that ends in a file',
    'tar',
    testTar([{ name: 'f', content: 'content' }]).subarray(0, 515),
  ],
  ['no archive at all', 'tar', Buffer.from('no archive at all'.repeat(100))],
  ['a damaged header after sound members', 'tar', damagedLater()],
];

for (const [what, reason, tar] of PLAIN) {
  test(`a tar with ${what} is written as plain zstd, byte for byte, with the reason ${reason}`, async () => {
    const before = testTar([{ name: 'before', content: 'x'.repeat(5000) }]).subarray(0, 512 * 11);
    const whole = Buffer.concat([before, tar]);
    for (const pieceBytes of [whole.length, 100]) {
      const { blob, end } = await write(whole, pieceBytes);
      assert.ok(end.kind === 'plain');
      assert.equal(end.reason, reason);
      assert.ok(zstdDecompressSync(blob).equals(whole));
      assert.ok([...walkZstdFrames(blob)].every(({ kind }) => kind === 'zstd'));
    }
  });
}

function damagedLater(): Buffer {
  const tar = testTar([{ name: 'a', content: 'x'.repeat(3000) }, { name: 'b' }, { name: 'c' }]);
  tar[512 + 3072 + 10] = 0x7a;
  return tar;
}

test('for any tar of files, the reader finds every byte in the written layer', async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.integer({ min: 0, max: 5000 }).map((length) => new Uint8Array(length)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(content, { maxLength: 8 }), async (contents) => {
      const tar = testTar(contents.map((bytes, at) => ({ name: `f${at}`, content: bytes })));
      const written = await write(tar, 700);
      assert.equal(await judge(fixtureOf(written)), 'usable');
      assert.ok(zstdDecompressSync(written.blob).equals(tar));
    }),
    { numRuns: 40 },
  );
});
