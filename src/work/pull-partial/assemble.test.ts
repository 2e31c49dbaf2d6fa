import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { computeContentDigest, type DiffId } from '#base/digest';
import { HostError, hasCode } from '#base/errors';
import { readerOf } from '#base/flow';
import type { ChunkedLayer } from '#formats/chunked';
import { Dir } from '#host';
import { type ChunkedFixture, readChunkedImage } from '../../../test/support/chunked-layers.ts';
import { metadataOf, withMetadata } from '../../../test/support/chunked-metadata.ts';
import { type ReadFixture, readFixture } from '../../../test/support/chunked-read.ts';
import { FakeBlob } from '../../../test/support/fake-blob.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import {
  assembleLayer,
  type LocalIndex,
  type LocalMiss,
  type LocalReader,
  planLayer,
  tarOf,
} from './index.ts';

interface Golden extends ReadFixture {
  readonly fixture: ChunkedFixture;
  readonly tar: Buffer;
}

async function golden(
  image: string,
  change = (fixture: ChunkedFixture) => fixture,
): Promise<Golden> {
  const [first = assert.fail('no layer')] = readChunkedImage(image);
  const fixture = change(first);
  return { fixture, tar: zstdDecompressSync(fixture.blob), ...(await readFixture(fixture)) };
}

/** The files of a layer by name, as a store would have them. */
function filesOf({ layer, fixture }: Golden): Map<string, Buffer> {
  return new Map(
    layer.files.map(({ name, chunks }) => [
      name,
      Buffer.concat(
        chunks.map(({ offset, lengthBytes }) =>
          zstdDecompressSync(fixture.blob.subarray(offset, offset + lengthBytes)),
        ),
      ),
    ]),
  );
}

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

const NOTHING: LocalIndex<string> = { file: () => undefined, chunk: () => undefined };

interface Case {
  readonly target: Golden;
  readonly index?: LocalIndex<string>;
  readonly open?: (source: string) => LocalReader | undefined;
  readonly prepare?: (blob: FakeBlob) => void;
  readonly diffId?: string;
}

async function assemble({
  target,
  index = NOTHING,
  open = () => undefined,
  prepare,
  diffId,
}: Case) {
  using temp = makeTempDir();
  using scratch = Dir.open(temp.path);
  const blob = new FakeBlob(target.fixture.blob);
  prepare?.(blob);
  const cost = { requestMs: 1, bytesPerMs: 100_000, connections: 4 };
  const terms = { strategy: 'partial', blobBytes: blob.sizeBytes, ability: 'multi', cost } as const;
  const plan = planLayer(target.layer, index, { requests: 0, bytes: 0 }, terms);
  assert.ok(plan.decision !== 'whole');
  const misses: (readonly [string, LocalMiss])[] = [];
  const { location, tarSplit } = target;
  const assembled = await assembleLayer({
    blob,
    plan,
    location,
    tarSplit,
    diffId: (diffId ?? target.fixture.diffId) as DiffId,
    open,
    onMiss: (source, miss) => void misses.push([source, miss]),
    scratch,
  });
  if (assembled.kind === 'whole') {
    return { ...assembled, bytes: await collect(assembled.blob), blob, plan, misses };
  }
  return {
    kind: 'tar',
    bytes: await collect(tarOf(assembled.parts)),
    counts: assembled.bytes,
    blob,
    plan,
    misses,
  } as const;
}

const opened = (bytes: Uint8Array): LocalReader => ({ ...readerOf(bytes), [Symbol.dispose]() {} });

for (const image of [
  'oci/zc-v1',
  'extra/oci/holes',
  'extra/oci/meta',
  'extra/oci/nonutf8',
  'extra/oci/trailer-8-bytes',
  'extra/oci/empty-tar',
  'extra/oci/late-dir',
  'extra/neg/neg-toc-order-differs',
  'extra/neg/neg-trailer-odd-segments',
]) {
  test(`${image} is assembled from ranges, byte for byte`, async () => {
    const target = await golden(image);
    const { kind, bytes, blob, plan } = await assemble({ target });
    assert.equal(kind, 'tar');
    assert.ok(bytes.equals(target.tar));
    assert.equal(blob.requests.length, plan.ranges.length > 0 ? 1 : 0);
  });
}

test('an update takes stored content locally, and fetches the rest in one request', async () => {
  const [before, target] = [await golden('oci/zc-v1'), await golden('oci/zc-v2')];
  const files = filesOf(before);
  const result = await assemble({
    target,
    index: indexOf(before.layer),
    open: (source) => opened(files.get(source) ?? assert.fail('unknown')),
  });
  assert.ok(result.kind === 'tar' && result.bytes.equals(target.tar));
  assert.equal(result.blob.requests.length, 1);
  assert.deepEqual(result.misses, []);
  assert.ok(result.counts.fetchedBytes < 115_950);
  assert.equal(result.counts.extraRequests, 0);
  assert.equal(result.counts.localBytes, result.plan.content.local);
});

test('a layer whose content is all stored makes no request', async () => {
  const [before, target] = [await golden('oci/zc-v1'), await golden('oci/prefix-of-big')];
  const files = filesOf(before);
  const result = await assemble({
    target,
    index: indexOf(before.layer),
    open: (source) => opened(files.get(source) ?? assert.fail('unknown')),
  });
  assert.ok(result.bytes.equals(target.tar));
  assert.deepEqual(result.blob.requests, []);
});

/** Failures of a local source: missing, truncated, other bytes, or unreadable. */
const FAILURES: Readonly<Record<string, (bytes: Buffer) => LocalReader | undefined>> = {
  gone: () => undefined,
  cut: (bytes) => opened(bytes.subarray(0, bytes.length >> 1)),
  changed: (bytes) => opened(Buffer.from(bytes.map((byte) => byte ^ 1))),
  unreadable: (bytes) => ({
    ...opened(bytes),
    read: () => {
      throw new HostError('SYSCALL_FAILED', 'Cannot read', {
        errno: 5,
        syscall: 'pread',
        target: 'x',
      });
    },
  }),
};

for (const [failure, open] of Object.entries(FAILURES)) {
  test(`local sources that are ${failure} cause requests, and the layer stays correct`, async () => {
    const [before, target] = [await golden('oci/zc-v1'), await golden('oci/zc-v2')];
    const files = filesOf(before);
    const result = await assemble({
      target,
      index: indexOf(before.layer),
      open: (source) => open(files.get(source) ?? assert.fail('unknown')),
    });
    assert.ok(result.kind === 'tar' && result.bytes.equals(target.tar));
    assert.ok(result.misses.length > 50);
    assert.equal(result.counts.extraRequests, result.misses.length);
    assert.ok(
      result.misses.every(([, miss]) => miss === (failure === 'gone' ? 'gone' : 'changed')),
    );
  });
}

test('sources that fail at random still give the layer', async () => {
  const [before, target] = [await golden('oci/zc-v1'), await golden('oci/zc-v2')];
  const files = filesOf(before);
  const ways = [opened, ...Object.values(FAILURES)];
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat(ways.length - 1)), async (choices) => {
      const open = (source: string) =>
        ways[Number(choices.next().value)]?.(files.get(source) ?? assert.fail('unknown'));
      const { bytes } = await assemble({ target, index: indexOf(before.layer), open });
      assert.ok(bytes.equals(target.tar));
    }),
    { numRuns: 10 },
  );
});

test('a response with the whole blob passes the started download on', async () => {
  const target = await golden('oci/zc-v1');
  const result = await assemble({
    target,
    prepare: (blob) => Object.assign(blob, { ignoresRanges: true }),
  });
  assert.equal(result.kind, 'whole');
  assert.ok(result.bytes.equals(target.fixture.blob));
});

test('a chunk that arrives damaged is requested once more, alone', async () => {
  const target = await golden('extra/oci/holes');
  const damageFirst = (bytes: Buffer, _range: unknown, request: number) => {
    if (request === 1 && bytes.length > 2000) bytes.fill(0x55, 100, 2000);
    return bytes;
  };
  const result = await assemble({
    target,
    prepare: (blob) => Object.assign(blob, { damage: damageFirst }),
  });
  assert.ok(result.kind === 'tar' && result.bytes.equals(target.tar));
  assert.ok(result.blob.requests.length > 1);
  assert.equal(result.counts.extraRequests, result.blob.requests.length - 1);
});

test('a chunk that stays damaged and a missing range are errors that name chunk and range', async () => {
  const target = await golden('extra/oci/late-dir');
  const always = (bytes: Buffer) => bytes.fill(0x55);
  await assert.rejects(
    assemble({ target, prepare: (blob) => Object.assign(blob, { damage: always }) }),
    (error) => hasCode(error, 'CHUNK_CONTENT_MISMATCH'),
  );
  const nothing = () => Buffer.alloc(0);
  await assert.rejects(
    assemble({ target, prepare: (blob) => Object.assign(blob, { damage: nothing }) }),
    (error) => hasCode(error, 'RANGE_MISMATCH'),
  );
});

for (const [image, code] of [
  ['neg/neg-baddigest', 'CHUNK_CONTENT_MISMATCH'],
  ['extra/neg/neg-zeros-lie', 'BLOB_DIGEST_MISMATCH'],
] as const) {
  test(`${image} with a false TOC is refused: ${code}`, async () => {
    const target = await golden(image);
    await assert.rejects(assemble({ target }), (error) => hasCode(error, code));
  });
}

test('a wrong chunk digest is refused although the file digest matches', async () => {
  const target = await golden('neg/neg-ok', (fixture) => {
    const metadata = metadataOf(fixture);
    Object.assign(metadata.toc.entries[3] ?? {}, { chunkDigest: `sha256:${'0'.repeat(64)}` });
    return withMetadata(fixture, metadata);
  });
  await assert.rejects(assemble({ target }), (error) => hasCode(error, 'CHUNK_CONTENT_MISMATCH'));
});

test('a tar whose diff id is not the one of the config is refused', async () => {
  const target = await golden('neg/neg-ok');
  const diffId = computeContentDigest(Buffer.from('another'));
  await assert.rejects(assemble({ target, diffId }), (error) => hasCode(error, 'DIFF_ID_MISMATCH'));
});

test('a tar-split whose CRC does not match is refused', async () => {
  const target = await golden('neg/neg-ok', (fixture) => {
    const metadata = metadataOf(fixture);
    Object.assign(metadata.records[3] ?? {}, { payload: 'AAAAAAAAAAA=' });
    return withMetadata(fixture, metadata);
  });
  await assert.rejects(assemble({ target }), (error) =>
    hasCode(error, 'TAR_SPLIT_CONTENT_MISMATCH'),
  );
});

test('an abort ends the assembly of a layer', async () => {
  const target = await golden('oci/zc-v1');
  using temp = makeTempDir();
  using scratch = Dir.open(temp.path);
  const abort = new AbortController();
  const blob = new FakeBlob(target.fixture.blob);
  const cost = { requestMs: 1, bytesPerMs: 100_000, connections: 4 };
  const terms = { strategy: 'partial', blobBytes: blob.sizeBytes, ability: 'multi', cost } as const;
  const plan = planLayer(target.layer, NOTHING, { requests: 0, bytes: 0 }, terms);
  assert.ok(plan.decision === 'partial');
  const { location, tarSplit, fixture } = target;
  const diffId = fixture.diffId as DiffId;
  const assembled = await assembleLayer({
    blob,
    plan,
    location,
    tarSplit,
    diffId,
    open: () => undefined,
    scratch,
    signal: abort.signal,
  });
  assert.ok(assembled.kind === 'parts');
  await assert.rejects(async () => {
    for await (const _ of tarOf(assembled.parts)) abort.abort(new Error('given up'));
  }, /given up/);
});

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}
