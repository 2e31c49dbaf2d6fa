import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { replayTarSplit } from '#formats/tar-split';
import { walkZstdFrames } from '#formats/zstd';
import {
  type ChunkedFixture,
  readChunkedGolden,
  readChunkedImage,
  readChunkedImages,
} from '../../../test/support/chunked-layers.ts';
import {
  type ChunkedLayer,
  type ChunkedLocation,
  decodeChunk,
  encodeChunkedFooter,
  FOOTER_TAIL_BYTES,
  inflateChunk,
  inflateStargzChunk,
  locateToc,
  parseChunkedFooter,
  parseStargzFooter,
  readChunkedLayer,
  readStargzToc,
  readToc,
  tarSplitRecords,
} from './index.ts';
import { TocJsonParser } from './json/toc-json.ts';

const CHUNKED = ['oci', 'extra/oci']
  .flatMap(readChunkedImages)
  .filter((fixture) => locationOf(fixture) !== undefined);

function locationOf({ annotations, blob }: ChunkedFixture): ChunkedLocation | undefined {
  const location = locateToc(new Map(Object.entries(annotations)), blob.length);
  return location?.kind === 'zstd-chunked' ? location : undefined;
}

async function read(fixture: ChunkedFixture) {
  const location = locationOf(fixture) ?? assert.fail('no TOC');
  const at = (position: { offset: number; lengthBytes: number }) =>
    fixture.blob.subarray(position.offset, position.offset + position.lengthBytes);
  const toc = await readToc(at(location.toc), location);
  assert.ok(!('kind' in toc));
  const layer = await readChunkedLayer(toc, at(location.tarSplit), location);
  assert.ok(!('kind' in layer));
  return { location, toc, layer, tarSplit: at(location.tarSplit) };
}

function contentsOf({ blob }: ChunkedFixture, layer: ChunkedLayer): Buffer[] {
  return layer.files.map(({ digest, chunks }) => {
    const parts = chunks.map((chunk) => {
      const range = blob.subarray(chunk.offset, chunk.offset + chunk.lengthBytes);
      const content = decodeChunk(range, chunk.sizeBytes);
      assert.equal(computeContentDigest(content), chunk.digest);
      assert.equal(chunk.isZeros, chunk.isZeros && content.every((byte) => byte === 0));
      return content;
    });
    const content = Buffer.concat(parts);
    assert.equal(computeContentDigest(content), digest);
    return content;
  });
}

for (const fixture of CHUNKED) {
  test(`${fixture.name}: every range inflates to its chunk, and tar-split with all chunks rebuilds the tar of the diff id`, async () => {
    const { layer, location, tarSplit } = await read(fixture);
    const contents = contentsOf(fixture, layer);
    const hash = createHash('sha256');
    let length = 0;
    const open = () => [contents.shift() ?? assert.fail('a file too many')];
    for await (const records of tarSplitRecords(tarSplit, location)) {
      for await (const piece of replayTarSplit(records, open)) {
        hash.update(piece);
        length += piece.length;
      }
    }
    assert.equal(`sha256:${hash.digest('hex')}`, fixture.diffId);
    assert.equal(length, layer.tarBytes);
    assert.equal(contents.length, 0);
  });

  test(`${fixture.name}: footer and annotations state the same positions`, () => {
    const footer = parseChunkedFooter(fixture.blob.subarray(-FOOTER_TAIL_BYTES));
    const location = locationOf(fixture);
    assert.deepEqual(footer, { toc: location?.toc, tarSplit: location?.tarSplit });
    const { toc, tarSplit } = footer ?? assert.fail('no footer');
    const written = encodeChunkedFooter(toc, tarSplit ?? assert.fail('no tar-split'));
    assert.ok(fixture.blob.subarray(-FOOTER_TAIL_BYTES).equals(written));
  });
}

for (const image of ['zc-v1', 'zc-v2']) {
  test(`${image}: frames and chunks equal those of the golden tables`, async () => {
    const golden = JSON.parse(readChunkedGolden(`golden/structure-${image}.json`));
    for (const [at, fixture] of readChunkedImage(`oci/${image}`).entries()) {
      const frames = [...walkZstdFrames(fixture.blob)];
      const data = frames.filter(({ kind }) => kind === 'zstd');
      const sizes = (frame: { offset: number; lengthBytes: number }) => [
        frame.offset,
        frame.lengthBytes,
      ];
      assert.deepEqual(
        data.map(sizes),
        golden[at].frames.map((row: number[]) => row.slice(0, 2)),
      );
      assert.deepEqual(
        frames.filter(({ kind }) => kind === 'skip').map(sizes),
        golden[at].skippable,
      );
      for (const [index, { inflatedMax }] of data.entries()) {
        assert.ok(inflatedMax >= golden[at].frames[index][2]);
      }
      const { layer } = await read(fixture);
      for (const { name, chunks } of layer.files) {
        assert.deepEqual(
          chunks.map((chunk) => [chunk.fileOffset, chunk.sizeBytes, chunk.isZeros ? 1 : 0]),
          chunks.length === 1 ? [[0, chunks[0]?.sizeBytes, 0]] : golden[at].chunks_raw_model[name],
          name,
        );
      }
    }
  });
}

for (const image of ['holes', 'meta', 'nonutf8', 'late-dir', 'trailer-8-bytes', 'empty-tar']) {
  test(`${image}: frames, entries and contents equal those of the golden file`, async () => {
    const golden = JSON.parse(readChunkedGolden(`extra/golden/${image}.json`));
    const [fixture = assert.fail('no layer')] = readChunkedImage(`extra/oci/${image}`);
    const frames = [...walkZstdFrames(fixture.blob)].map(({ kind, offset, lengthBytes }) => ({
      kind,
      offset,
      length: lengthBytes,
    }));
    assert.deepEqual(
      frames,
      golden.frames.map(({ kind, offset, length }: Record<string, unknown>) => ({
        kind,
        offset,
        length,
      })),
    );
    const { layer, toc } = await read(fixture);
    assert.equal(layer.memberCount, golden.entries.length);
    assert.equal(toc.entries.length, golden.entries.length);
    assert.equal(layer.tarBytes, golden.tarSize);
    const withContent = golden.entries.filter(
      (entry: { sha256?: string; size: number; type: string }) =>
        entry.size > 0 && entry.type === '0',
    );
    assert.deepEqual(
      layer.files.map(({ name, digest }) => [name, digest.slice(7)]),
      withContent.map((entry: { name_b64: string; sha256: string }) => [
        Buffer.from(entry.name_b64, 'base64').toString('latin1'),
        entry.sha256,
      ]),
    );
  });
}

test('a chunk that is truncated, too long, damaged or not zstd data is refused', async () => {
  const content = Buffer.from('some content of a chunk');
  const frame = zstdCompressSync(content);
  const refused = (range: Uint8Array, sizeBytes: number) => {
    const isMismatch = (error: unknown) => hasCode(error, 'CHUNK_CONTENT_MISMATCH');
    assert.throws(() => decodeChunk(range, sizeBytes), isMismatch);
    return assert.rejects(collect(inflateChunk([range], sizeBytes)), isMismatch);
  };
  for (let length = 0; length < frame.length; length += 1) {
    await refused(frame.subarray(0, length), content.length);
  }
  await refused(frame, content.length - 1);
  await refused(frame, content.length + 1);
  await refused(Buffer.concat([frame, frame]), content.length);
  await refused(Buffer.from('no zstd data'), 12);
});

test('a chunk of several frames, some of them empty, is read to the end of its range', async () => {
  const parts = ['', 'one ', '', 'two', ''].map((text) => zstdCompressSync(Buffer.from(text)));
  const range = Buffer.concat(parts);
  assert.equal(Buffer.from(decodeChunk(range, 7)).toString(), 'one two');
  const bytewise = [...range].map((byte) => Buffer.of(byte));
  assert.equal((await collect(inflateChunk(bytewise, 7))).toString(), 'one two');
});

test('inflateChunk allows its source to overwrite a piece after the next one is requested', async () => {
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at) % 251));
  const frame = zstdCompressSync(content);
  const reusing = (async function* () {
    const piece = Buffer.alloc(1000);
    for (let at = 0; at < frame.length; at += piece.length) {
      const length = frame.copy(piece, 0, at);
      yield piece.subarray(0, length);
    }
  })();
  assert.ok((await collect(inflateChunk(reusing, content.length))).equals(content));
});

test('an error of the source ends the content with that error', async () => {
  const failing = (async function* () {
    yield zstdCompressSync(Buffer.alloc(100)).subarray(0, 5);
    throw new Error('the source broke');
  })();
  await assert.rejects(collect(inflateChunk(failing, 100)), /the source broke/);
});

test('a frame with a window of 64 MiB is refused, one with 32 MiB is read', () => {
  const block = Buffer.from('090000ff', 'hex');
  block.writeUIntLE((1 << 3) | 1, 0, 3);
  const frame = (log: number) =>
    Buffer.concat([Buffer.from('28b52ffd00', 'hex'), Buffer.of((log - 10) << 3), block]);
  assert.deepEqual([...decodeChunk(frame(25), 1)], [0xff]);
  assert.throws(
    () => decodeChunk(frame(26), 1),
    (error) => hasCode(error, 'CHUNK_CONTENT_MISMATCH'),
  );
});

test('a blob that is cut inside a frame is refused', () => {
  const [fixture = assert.fail('no layer')] = readChunkedImage('extra/oci/late-dir');
  const ends = new Set([...walkZstdFrames(fixture.blob)].map((frame) => frame.offset));
  for (let length = 1; length < fixture.blob.length; length += 1) {
    if (ends.has(length)) continue;
    const walk = () => [...walkZstdFrames(fixture.blob.subarray(0, length))];
    assert.throws(walk, (error) => hasCode(error, 'BYTES_OUT_OF_RANGE'), `at ${length}`);
  }
  assert.throws(
    () => [...walkZstdFrames(Buffer.from('no frame'))],
    (error) => hasCode(error, 'ZSTD_FRAME_INVALID'),
  );
});

test('the footer of early writers gives a TOC and no tar-split', () => {
  const footer = Buffer.alloc(48);
  footer.writeUInt32LE(0x184d2a50, 0);
  footer.writeUInt32LE(40, 4);
  for (const [at, value] of [100n, 20n, 70n, 1n].entries())
    footer.writeBigUInt64LE(value, 8 + at * 8);
  footer.write('GNUlInUx', 40);
  assert.deepEqual(parseChunkedFooter(footer), {
    toc: { offset: 100, lengthBytes: 20, inflatedBytes: 70 },
    tarSplit: undefined,
  });
  footer.writeBigUInt64LE(2n, 32);
  assert.equal(parseChunkedFooter(footer), undefined);
  assert.equal(parseChunkedFooter(Buffer.alloc(72)), undefined);
  assert.equal(parseChunkedFooter(Buffer.alloc(3)), undefined);
});

test('the files of an eStargz layer are read by its TOC and by ranges', async () => {
  const seen = new Set<string>();
  for (const { blob, annotations } of readChunkedImage('oci/es-v1')) {
    const location = locateToc(new Map(Object.entries(annotations)), blob.length);
    assert.equal(location?.kind, 'estargz');
    const footer = parseStargzFooter(blob.subarray(-60)) ?? assert.fail('no footer');
    const bytes = blob.subarray(footer.tocOffset, blob.length - footer.footerBytes);
    const digest = location.tocDigest as ContentDigest;
    const toc = await readStargzToc(bytes, footer.tocOffset, digest);
    assert.ok(!('kind' in toc));
    for (const entry of toc.entries) {
      if (entry.chunks.length === 0) continue;
      seen.add(entry.name);
      const parts: Buffer[] = [];
      for (const chunk of entry.chunks) {
        const range = blob.subarray(chunk.offset, chunk.offset + chunk.lengthBytes);
        const content = await collect(inflateStargzChunk(range, chunk.sizeBytes));
        assert.equal(computeContentDigest(content), chunk.digest, entry.name);
        parts.push(content);
      }
      assert.equal(computeContentDigest(Buffer.concat(parts)), entry.digest, entry.name);
    }
    const wrong = `sha256:${'0'.repeat(64)}` as ContentDigest;
    await assert.rejects(readStargzToc(bytes, footer.tocOffset, wrong), (error) =>
      hasCode(error, 'BLOB_DIGEST_MISMATCH'),
    );
    const short = await readStargzToc(bytes.subarray(0, 40), footer.tocOffset, digest);
    assert.ok('kind' in short && short.reason === 'json');
    assert.ok(gunzipSync(blob).length > 0);
  }
  assert.ok(seen.has('data/big.bin'));
});

test('eStargz and stargz footers give the offset of the TOC, and other bytes give undefined', () => {
  const digits = '00000000000004d2';
  const estargz = Buffer.concat([
    Buffer.from('1f8b08040000000000ff1a0053471600', 'hex'),
    Buffer.from(`${digits}STARGZ`),
    Buffer.from('010000ffff0000000000000000', 'hex'),
  ]);
  assert.deepEqual(parseStargzFooter(estargz), { tocOffset: 1234, footerBytes: 51 });
  const stargz = Buffer.concat([
    Buffer.from('1f8b08040000000000ff1600', 'hex'),
    Buffer.from(`${digits}STARGZ`),
    Buffer.from('010000ffff0000000000000000', 'hex'),
  ]);
  assert.deepEqual(parseStargzFooter(stargz), { tocOffset: 1234, footerBytes: 47 });
  for (let at = 0; at < 38; at += 1) {
    if (at >= 4 && at < 16) continue;
    const damaged = Buffer.from(estargz);
    damaged[at] = 0x7a;
    assert.equal(parseStargzFooter(damaged), undefined, `at ${at}`);
  }
  assert.equal(parseStargzFooter(Buffer.alloc(10)), undefined);
});

test('parsing a TOC document gives the same parts however it is cut into pieces', () => {
  const text = Buffer.from(
    '{"version":1,"a":[1,{"b":"x\\"]"}],"t":true,"n":null,"entries":[{"name":"ü\\u00e9}","size":12},{}],"tarSplitDigest":"x"}',
  );
  const parse = (size: number) => {
    const heard: unknown[] = [];
    const parser = new TocJsonParser({
      field: (key, value) => void heard.push([key, value]),
      entry: (entry) => void heard.push({ ...entry }),
    });
    for (let at = 0; at < text.length; at += size) {
      const piece = Uint8Array.from(text.subarray(at, at + size));
      parser.push(piece);
      piece.fill(0);
    }
    parser.end();
    return heard;
  };
  const whole = parse(text.length);
  assert.deepEqual(whole.slice(0, 4), [
    ['version', 1],
    ['a', [1, { b: 'x"]' }]],
    ['t', true],
    ['n', null],
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: text.length }), (size) => {
      assert.deepEqual(parse(size), whole);
    }),
  );
});

test('a plain zstd decoder gives the tar of every fixture in spite of skippable frames', () => {
  for (const fixture of CHUNKED) {
    const tar = zstdDecompressSync(fixture.blob);
    assert.equal(`sha256:${createHash('sha256').update(tar).digest('hex')}`, fixture.diffId);
  }
});

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}

test('a TOC entry gives the same values in the usual spelling of writers and in any other JSON spelling', () => {
  const entries = [
    { type: 'reg', name: 'a', size: 0, mode: 420 },
    {
      type: 'reg',
      name: 'b c',
      size: 10,
      uid: 1,
      gid: 2,
      offset: 5,
      endOffset: 999_999_999_999_999,
    },
    { type: 'symlink', name: 'd', linkName: 'e"\\', modtime: '2024-02-29T23:59:60Z' },
    { type: 'reg', name: 'ü', size: 1, xattrs: { 'user.a': 'YQ==' } },
    { type: 'char', name: 'f', devMajor: 1, devMinor: 3, chunkType: 'zeros', innerOffset: 0 },
    { size: 9_007_199_254_740_992, name: 'g' },
    { name: 'late', type: 'reg' },
    { name: '\u007f' },
  ];
  for (const indent of [undefined, 1]) {
    const text = JSON.stringify({ entries, version: 1 }, undefined, indent);
    const found: object[] = [];
    const parser = new TocJsonParser({
      field() {},
      entry: (entry) => void found.push({ ...entry }),
    });
    parser.push(Buffer.from(text));
    parser.end();
    const stated = found.map((entry) => JSON.parse(JSON.stringify(entry)));
    assert.deepEqual(stated, entries);
  }
});
