import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ContentDigest } from '#base/digest';
import type { ByteRange, RangeAbility } from '#base/flow';
import type { ChunkedFile, ChunkedLayer, TocChunk } from '#formats/chunked';
import { readChunkedGolden, readChunkedImage } from '../../../test/support/chunked-layers.ts';
import { readFixture } from '../../../test/support/chunked-read.ts';
import { PART_BYTES, RANGES_MAX, transferOf } from './fetch-ranges.ts';
import { type LocalIndex, type PlanTerms, planLayer, planMetadata } from './index.ts';

/** A distant server and a near one. */
const FAR = { requestMs: 100, bytesPerMs: 5_000, connections: 4 };
const NEAR = { requestMs: 1, bytesPerMs: 100_000, connections: 4 };
const NOTHING: LocalIndex<string> = { file: () => undefined, chunk: () => undefined };

function terms(changes: Partial<PlanTerms> = {}): PlanTerms {
  return { strategy: 'auto', blobBytes: 1_000_000, ability: 'multi', cost: NEAR, ...changes };
}

/** An index that has all files of a layer, as if they were objects. */
function indexOf({ files }: ChunkedLayer): LocalIndex<string> {
  const found = new Map<string, { source: string; offset: number }>();
  for (const { name, digest, chunks } of files) {
    found.set(`file ${digest}`, { source: name, offset: 0 });
    for (const chunk of chunks) {
      found.set(`chunk ${chunk.digest}`, { source: name, offset: chunk.fileOffset });
    }
  }
  return {
    file: (digest) => found.get(`file ${digest}`),
    chunk: (digest) => found.get(`chunk ${digest}`),
  };
}

async function golden(image: string) {
  const [fixture = assert.fail('no layer')] = readChunkedImage(image);
  return { blobBytes: fixture.blob.length, ...(await readFixture(fixture)) };
}

test('an update from v1 requests the ranges that podman requested', async () => {
  const [v1, v2] = [await golden('oci/zc-v1'), await golden('oci/zc-v2')];
  const plan = planLayer(
    v2.layer,
    indexOf(v1.layer),
    { requests: 1, bytes: 9729 },
    terms({ blobBytes: v2.blobBytes }),
  );
  assert.ok(plan.decision === 'partial');
  const lines = readChunkedGolden('golden/http-trace-podman-zc-v1-then-zc-v2.jsonl')
    .trim()
    .split('\n');
  const ranges = lines
    .map((line) => String(JSON.parse(line).range))
    .find((range) => range.split(',').length === 4);
  const found = plan.ranges.map(({ offset, length }) => `${offset}-${offset + length - 1}`);
  assert.equal(`bytes=${found.join(',')}`, ranges);
  const bytes = plan.ranges.reduce((sum, { length }) => sum + length, 0) + 4 * PART_BYTES;
  assert.deepEqual(plan.transfer, { requests: 2, bytes: 9729 + bytes });
  assert.equal(
    plan.reason,
    `5 of 56 files are not wholly here: 1 request of ${bytes} bytes instead of ${v2.blobBytes}`,
  );
});

test('a file whose chunks are all stored needs no request', async () => {
  const [v1, prefix] = [await golden('oci/zc-v1'), await golden('oci/prefix-of-big')];
  const plan = planLayer(prefix.layer, indexOf(v1.layer), { requests: 1, bytes: 904 }, terms());
  assert.ok(plan.decision === 'nothing');
  assert.deepEqual([plan.ranges, plan.transfer], [[], { requests: 1, bytes: 904 }]);
  const [segment, ...others] = plan.files[0]?.segments ?? [];
  assert.equal(others.length, 0, 'a contiguous run is one segment');
  assert.ok(segment?.kind === 'local' && segment.chunks.length === 8);
});

test('with no stored content the whole blob is cheaper, unless parts are requested', async () => {
  const { layer, blobBytes } = await golden('oci/zc-v1');
  const plan = planLayer(
    layer,
    NOTHING,
    { requests: 1, bytes: 9100 },
    terms({ blobBytes: blobBytes * 1.2, cost: FAR, ability: 'single' }),
  );
  assert.equal(plan.decision, 'partial', 'one range of all content is less than the blob');
  const files = layer.files.length;
  const costly = planLayer(
    layer,
    NOTHING,
    { requests: 1, bytes: 9100 },
    terms({ blobBytes: 900_000, cost: FAR }),
  );
  assert.ok(costly.decision === 'whole');
  assert.match(
    costly.reason,
    /^1 request of \d+ bytes for its parts cost as much as the blob of 900000$/,
  );
  assert.deepEqual(costly.transfer, { requests: 2, bytes: 909_100 });
  const forced = planLayer(
    layer,
    NOTHING,
    { requests: 1, bytes: 9100 },
    terms({ blobBytes: 900_000, strategy: 'partial' }),
  );
  assert.equal(forced.decision, 'partial');
  assert.equal('files' in forced && forced.files.length, files);
});

test('a server without ranges sends the whole blob, in every strategy', async () => {
  const { layer, location } = await golden('oci/zc-v1');
  for (const strategy of ['auto', 'partial'] as const) {
    const plan = planLayer(
      layer,
      NOTHING,
      { requests: 0, bytes: 0 },
      terms({ ability: 'none', strategy }),
    );
    assert.deepEqual(plan, {
      decision: 'whole',
      reason: 'the server does not serve ranges',
      transfer: { requests: 1, bytes: 1_000_000 },
    });
    const before = planMetadata(location, terms({ ability: 'none', strategy }));
    assert.equal(before.decision, 'whole');
  }
});

test('TOC and tar-split are requested as one range', async () => {
  const { location, blobBytes } = await golden('oci/zc-v1');
  const plan = planMetadata(location, terms({ blobBytes }));
  const range = { offset: 1142817, length: 5726 + 8 + 3366 };
  const transfer = { requests: 1, bytes: 9100 };
  assert.deepEqual(plan, { decision: 'metadata', ranges: [range], transfer });
});

test('a layer hardly larger than its TOC is taken whole before any request', async () => {
  const { location, blobBytes } = await golden('extra/oci/late-dir');
  const plan = planMetadata(location, terms({ blobBytes }));
  assert.deepEqual(plan, {
    decision: 'whole',
    reason: `its TOC and tar-split of 587 bytes cost as much as the blob of ${blobBytes}`,
    transfer: { requests: 1, bytes: blobBytes },
  });
  assert.equal(
    planMetadata(location, terms({ blobBytes, strategy: 'partial' })).decision,
    'metadata',
  );
});

/** A layer of random files whose chunk digests come from a small set, so that equal chunks occur. */
const arbitraryLayer = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 400 }),
      chunks: fc.array(
        fc.record({
          kind: fc.nat(30),
          lengthBytes: fc.integer({ min: 1, max: 300 }),
          isZeros: fc.boolean(),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    }),
    { maxLength: 30 },
  )
  .map(layerOf);

function digest(kind: number): ContentDigest {
  return `sha256:${String(kind).padStart(64, '0')}` as ContentDigest;
}

function layerOf(
  drafts: readonly {
    gap: number;
    chunks: readonly { kind: number; lengthBytes: number; isZeros: boolean }[];
  }[],
): ChunkedLayer {
  let offset = 0;
  const files = drafts.map(({ gap, chunks: parts }, at): ChunkedFile => {
    offset += gap;
    let fileOffset = 0;
    const chunks = parts.map(({ kind, lengthBytes, isZeros }): TocChunk => {
      // The digest determines the size, as with real digests.
      const sizeBytes = 100 + kind;
      const chunk = {
        fileOffset,
        sizeBytes,
        offset,
        lengthBytes,
        digest: digest(kind),
        isZeros: isZeros && kind > 25,
      };
      fileOffset += sizeBytes;
      offset += lengthBytes;
      return chunk;
    });
    const name = `f${at}` as ChunkedFile['name'];
    const kinds = parts.map(({ kind }) => kind).join('');
    return { name, sizeBytes: fileOffset, digest: `file ${kinds}` as ContentDigest, chunks };
  });
  return { files, memberCount: files.length, tarBytes: 0 };
}

const arbitraryTerms = fc.record({
  ability: fc.constantFrom<RangeAbility>('multi', 'single'),
  cost: fc.constantFrom(FAR, NEAR, { requestMs: 0.01, bytesPerMs: 100, connections: 1 }),
});

test('every byte of every file is covered once by ascending, disjoint ranges, and stored content is left out', () => {
  fc.assert(
    fc.property(
      arbitraryLayer,
      fc.array(fc.nat(30)),
      arbitraryTerms,
      (layer, here, { ability, cost }) => {
        const index: LocalIndex<string> = {
          file: (found) => (found === 'file 12' ? { source: 'whole', offset: 0 } : undefined),
          chunk: (found, sizeBytes) =>
            here.includes(sizeBytes - 100) ? { source: `object ${found}`, offset: 7 } : undefined,
        };
        const blobBytes = 1e9;
        const plan = planLayer(
          layer,
          index,
          { requests: 0, bytes: 0 },
          terms({ ability, cost, blobBytes, strategy: 'partial' }),
        );
        assert.ok(plan.decision !== 'whole');
        let sum = 0;
        for (const [at, { file, segments }] of plan.files.entries()) {
          let end = 0;
          assert.deepEqual(
            segments.flatMap(({ chunks }) => chunks),
            file.chunks,
          );
          for (const segment of segments) {
            assert.equal(segment.fileOffset, end);
            end += segment.sizeBytes;
            if (segment.kind === 'earlier') {
              const isBefore =
                segment.fileIndex < at ||
                segment.sourceOffset + segment.sizeBytes <= segment.fileOffset;
              assert.ok(isBefore, 'what is earlier has been fetched');
            }
            if (segment.kind === 'remote') {
              for (const chunk of segment.chunks) {
                assert.ok(!here.includes(chunk.sizeBytes - 100));
                assert.ok(
                  plan.ranges.some((range) => covers(range, chunk)),
                  'a chunk lies in one range',
                );
              }
            }
          }
          assert.equal(end, file.sizeBytes);
          sum += end;
        }
        const { local, zeros, remote, earlier } = plan.content;
        assert.equal(local + zeros + remote + earlier, sum);
        assert.equal(remote === 0, plan.decision === 'nothing');
        checkApart(plan.ranges);
        assert.deepEqual(plan.transfer, transferOf(plan.ranges, ability));
      },
    ),
    { numRuns: 300 },
  );
});

function covers(range: ByteRange, chunk: TocChunk): boolean {
  return (
    range.offset <= chunk.offset && chunk.offset + chunk.lengthBytes <= range.offset + range.length
  );
}

function checkApart(ranges: readonly ByteRange[]): void {
  let end = -1;
  for (const { offset, length } of ranges) {
    assert.ok(offset > end && length > 0);
    end = offset + length - 1;
  }
}

test('the cheaper plan never costs more than the whole blob, in time or in bytes', () => {
  fc.assert(
    fc.property(
      arbitraryLayer,
      arbitraryTerms,
      fc.nat(30_000),
      (layer, { ability, cost }, extra) => {
        const last = layer.files.at(-1)?.chunks.at(-1);
        const blobBytes = (last === undefined ? 0 : last.offset + last.lengthBytes) + extra;
        const plan = planLayer(
          layer,
          NOTHING,
          { requests: 0, bytes: 0 },
          terms({ ability, cost, blobBytes }),
        );
        assert.ok(plan.transfer.bytes <= blobBytes);
      },
    ),
    { numRuns: 300 },
  );
});

test('many ranges are split into several requests, and none spans stored content', () => {
  const ranges = Array.from({ length: RANGES_MAX * 2 + 1 }, (_, at) => ({
    offset: at * 10_000,
    length: 10,
  }));
  assert.deepEqual(transferOf(ranges, 'multi'), {
    requests: 3,
    bytes: ranges.length * 10 + RANGES_MAX * 2 * PART_BYTES,
  });
  assert.deepEqual(transferOf(ranges, 'single'), {
    requests: ranges.length,
    bytes: ranges.length * 10,
  });
});
