import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { inflateAt, readChunkedImages } from '../../../test/support/chunked-layers.ts';
import { ContentChunker } from './index.ts';

type Chunk = readonly [sizeBytes: number, kind: 'data' | 'zeros'];

function chunksOf(content: Uint8Array, pieceBytes = content.length): Chunk[] {
  const chunks: Chunk[] = [];
  const parts: Uint8Array[] = [];
  let open = 0;
  const sink = {
    data: (bytes: Uint8Array) => {
      assert.ok(bytes.length > 0);
      parts.push(bytes);
      open += bytes.length;
    },
    cut: () => {
      assert.ok(open > 0, 'no empty chunk');
      chunks.push([open, 'data']);
      open = 0;
    },
    zeros: (lengthBytes: number) => {
      assert.equal(open, 0, 'the chunk before a hole is complete');
      parts.push(new Uint8Array(lengthBytes));
      chunks.push([lengthBytes, 'zeros']);
    },
  };
  const chunker = new ContentChunker();
  for (let at = 0; at < content.length; at += Math.max(pieceBytes, 1)) {
    const piece = Uint8Array.from(content.subarray(at, at + pieceBytes));
    chunker.push(piece, sink);
    piece.fill(0xee);
  }
  chunker.end(sink);
  assert.equal(open, 0);
  assert.ok(Buffer.concat(parts).equals(content), 'the chunks are the content');
  return chunks;
}

/** The checksum as its documentation defines it, byte by byte, with holes found first. */
function slowChunksOf(content: Uint8Array): Chunk[] {
  const chunks: Chunk[] = [];
  const window = new Uint8Array(64);
  let [s1, s2, open] = [64 * 31, 64 * 63 * 31, 0];
  const roll = (byte: number, position: number) => {
    const old = window[position % 64] ?? 0;
    window[position % 64] = byte;
    s1 = (s1 + byte - old) >>> 0;
    s2 = (s2 + s1 - 64 * (old + 31)) >>> 0;
    return (s2 & 0xffff) === 0xffff;
  };
  const cut = () => {
    if (open > 0) chunks.push([open, 'data']);
    open = 0;
  };
  for (let at = 0; at < content.length; ) {
    let end = at;
    while (content[end] === 0) end += 1;
    if (end - at >= 1024) {
      cut();
      chunks.push([end - at, 'zeros']);
      for (; at < end; at += 1) roll(0, at);
      continue;
    }
    for (end = Math.max(end, at + 1); at < end; at += 1) {
      open += 1;
      if (roll(content[at] ?? 0, at)) cut();
    }
  }
  cut();
  return chunks;
}

interface TocLine {
  readonly type: string;
  readonly name: string;
  readonly size?: number;
  readonly chunkSize?: number;
  readonly chunkType?: string;
}

test('every file of the golden layers is cut into the chunks of podman', () => {
  let files = 0;
  for (const layer of [...readChunkedImages('oci'), ...readChunkedImages('extra/oci')]) {
    const text = inflateAt(layer, 'manifest-position')?.toString('utf8');
    if (text === undefined) continue;
    const lines: TocLine[] = JSON.parse(text).entries ?? [];
    const tar = zstdDecompressSync(layer.blob);
    const records = (inflateAt(layer, 'tarsplit-position')?.toString('utf8') ?? '')
      .trim()
      .split('\n');
    let at = 0;
    for (const record of records.map((line) => JSON.parse(line))) {
      if (record.type === 2) {
        at += Buffer.from(record.payload, 'base64').length;
        continue;
      }
      const size = record.size ?? 0;
      if (size === 0) continue;
      const content = tar.subarray(at, at + size);
      at += size;
      const found = chunksOf(content, 1000);
      const golden = lines.filter(
        (line) => line.name === record.name && line.chunkSize !== undefined,
      );
      files += 1;
      if (golden.length === 0) assert.ok(found.length === 1, record.name);
      else {
        assert.deepEqual(
          found,
          golden.map((line) => [line.chunkSize, line.chunkType === 'zeros' ? 'zeros' : 'data']),
          record.name,
        );
      }
    }
  }
  assert.ok(files > 150, `${files} files`);
});

/** Content with runs of zeros around the limit, text, and random data. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 5000 }),
      fc.integer({ min: 1, max: 2100 }).map((length) => new Uint8Array(length)),
      fc.integer({ min: 1020, max: 1028 }).map((length) => new Uint8Array(length)),
      fc.constantFrom('some text ', 'x').map((text) => Buffer.from(text.repeat(300))),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));

test('any content in pieces of any size is cut at the same places by the fast and by the plain checksum', () => {
  fc.assert(
    fc.property(content, fc.integer({ min: 1, max: 6000 }), (bytes, pieceBytes) => {
      const expected = slowChunksOf(bytes);
      assert.deepEqual(chunksOf(bytes), expected);
      assert.deepEqual(chunksOf(bytes, pieceBytes), expected);
    }),
    { numRuns: 150 },
  );
});

/** Pseudo-random bytes, equal in every run. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

test('bytes inserted at the front change only the chunks near them', () => {
  const bytes = noise(2 ** 20);
  const before = chunksOf(bytes).map(([size]) => size);
  const after = chunksOf(Buffer.concat([Buffer.from('forty bytes or so in front'), bytes]));
  assert.ok(before.length > 5);
  assert.deepEqual(
    after.slice(-before.length + 1).map(([size]) => size),
    before.slice(1),
  );
});

test('an empty file has no chunk, and a file of zeros has one', () => {
  assert.deepEqual(chunksOf(new Uint8Array(0)), []);
  assert.deepEqual(chunksOf(new Uint8Array(1023), 100), [[1023, 'data']]);
  assert.deepEqual(chunksOf(new Uint8Array(1024), 100), [[1024, 'zeros']]);
  assert.deepEqual(chunksOf(new Uint8Array(300_000), 4096), [[300_000, 'zeros']]);
});
