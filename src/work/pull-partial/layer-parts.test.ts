import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import type { ContentDigest, DiffId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { Dir } from '#host';
import {
  type ChunkedFixture,
  readChunkedImage,
  readChunkedImages,
} from '../../../test/support/chunked-layers.ts';
import { FakeBlob } from '../../../test/support/fake-blob.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import {
  type LayerMetadata,
  type LocalIndex,
  type MetadataStore,
  openLayerParts,
  type PlanTerms,
  tarOf,
} from './index.ts';

const NOTHING: LocalIndex<string> = { file: () => undefined, chunk: () => undefined };

interface Outcome {
  /** `parts`, `whole: REASON`, or `refused: CODE`. */
  readonly verdict: string;
  /** The tar, or the blob of a download that had started. */
  readonly bytes: Buffer | undefined;
  readonly requests: number;
}

async function pull(
  fixture: ChunkedFixture,
  changes: Partial<PlanTerms> & { readonly store?: MetadataStore } = {},
  prepare: (blob: FakeBlob) => void = () => undefined,
): Promise<Outcome> {
  using temp = makeTempDir();
  using scratch = Dir.open(temp.path);
  const blob = new FakeBlob(fixture.blob);
  prepare(blob);
  const { store, ...terms } = changes;
  try {
    const parts = await openLayerParts({
      blob,
      annotations: new Map(Object.entries(fixture.annotations)),
      diffId: fixture.diffId as DiffId,
      terms: {
        strategy: 'partial',
        blobBytes: fixture.blob.length,
        ability: 'multi',
        cost: { requestMs: 1, bytesPerMs: 100_000, connections: 4 },
        ...terms,
      },
      find: () => NOTHING,
      open: () => undefined,
      scratch,
      store,
    });
    const source = parts.kind === 'parts' ? tarOf(parts.parts) : parts.blob;
    const bytes = source === undefined ? undefined : await collect(source);
    const verdict = parts.kind === 'parts' ? 'parts' : `whole: ${parts.plan.reason}`;
    return { verdict, bytes, requests: blob.requests.length };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    assert.ok([6, 7].includes(error.exitCode), `${error.code} exits with 6 or 7`);
    return { verdict: `refused: ${error.code}`, bytes: undefined, requests: blob.requests.length };
  }
}

/** Expected result for the layers of both tables when parts are requested, and the number of requests. */
const TABLE: Readonly<Record<string, readonly [verdict: RegExp, requests: number]>> = {
  'neg/neg-ok': [/^parts$/, 2],
  'neg/neg-baddigest': [/^refused: CHUNK_CONTENT_MISMATCH$/, 3],
  'neg/neg-bomb-toc': [/^refused: CHUNKED_METADATA_TOO_LARGE$/, 1],
  'neg/neg-dotdot': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-dupname': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-endlt': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-filedir': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-hlout': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-hugehole': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-missing': [/^refused: CHUNKED_TOC_MISMATCH$/, 1],
  'neg/neg-negoff': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'neg/neg-sizemismatch': [/^refused: CHUNKED_TOC_MISMATCH$/, 1],
  'neg/neg-symtrav': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'extra/neg/neg-both-toc-kinds': [/^refused: CHUNKED_ANNOTATION_CONFLICT$/, 0],
  'extra/neg/neg-chunk-name': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'extra/neg/neg-chunk-sum-short': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'extra/neg/neg-chunk-type-unknown': [/^whole: .* chunk of kind "sparse"$/, 1],
  'extra/neg/neg-claimed-length-too-small': [/^whole: .* longer where 5 bytes are claimed$/, 1],
  'extra/neg/neg-no-digest': [/^refused: CHUNKED_TOC_INVALID$/, 1],
  'extra/neg/neg-position-trailing-text': [
    /^whole: .* annotation .* is "6298:495:1039:1:extra"$/,
    0,
  ],
  'extra/neg/neg-tarsplit-length-2e63': [/^whole: .* is "6801:9223372036854775807:16913"$/, 0],
  'extra/neg/neg-tarsplit-name-differs': [/^refused: CHUNKED_TOC_MISMATCH$/, 1],
  'extra/neg/neg-tarsplit-size-wrong': [/^refused: CHUNKED_TOC_MISMATCH$/, 1],
  'extra/neg/neg-toc-keys-uppercase': [/^parts$/, 2],
  'extra/neg/neg-toc-order-differs': [/^parts$/, 2],
  'extra/neg/neg-toc-size-float': [/^whole: .* a number is not an integer$/, 1],
  'extra/neg/neg-toc-time-offset': [/^parts$/, 2],
  'extra/neg/neg-toc-trailing-object': [/^whole: .* something follows the document$/, 1],
  'extra/neg/neg-toc-version-2': [/^whole: .* its version is 2, not 1$/, 1],
  'extra/neg/neg-trailer-odd-segments': [/^parts$/, 2],
  'extra/neg/neg-zeros-lie': [/^refused: BLOB_DIGEST_MISMATCH$/, 2],
};

for (const fixture of ['neg', 'extra/neg'].flatMap(readChunkedImages)) {
  test(`${fixture.image} is pulled in parts with the verdict and request count of the table`, async () => {
    const [verdict, requests] = TABLE[fixture.image] ?? assert.fail('not in the table');
    const outcome = await pull(fixture);
    assert.match(outcome.verdict, verdict);
    assert.equal(outcome.requests, requests);
    if (outcome.verdict === 'parts') {
      assert.ok(outcome.bytes?.equals(zstdDecompressSync(fixture.blob)));
    }
  });
}

const [V1 = assert.fail('no layer')] = readChunkedImage('oci/zc-v1');

test('a layer without TOC, an eStargz layer and the strategy "whole" are taken whole, without a request', async () => {
  const [plain = assert.fail('no layer')] = readChunkedImage('oci/gz-v1');
  const [stargz = assert.fail('no layer')] = readChunkedImage('oci/es-v1');
  const expected = (reason: string) => ({
    verdict: `whole: ${reason}`,
    bytes: undefined,
    requests: 0,
  });
  assert.deepEqual(await pull(plain), expected('the layer has no TOC'));
  const useless = 'its TOC cannot be used: an eStargz layer has no tar-split';
  assert.deepEqual(await pull(stargz), expected(useless));
  assert.deepEqual(await pull(V1, { strategy: 'whole' }), expected('the whole blob was asked for'));
  const none = expected('the server does not serve ranges');
  assert.deepEqual(await pull(V1, { ability: 'none' }), none);
});

test('a whole blob in response to the first or second request is passed on, and sent once', async () => {
  for (const ignoredFrom of [1, 2]) {
    const outcome = await pull(V1, {}, (blob) => {
      const { readRanges } = blob;
      blob.readRanges = async function (ranges) {
        this.ignoresRanges = this.requests.length + 1 >= ignoredFrom;
        return await readRanges.call(this, ranges);
      };
    });
    assert.equal(outcome.verdict, 'whole: the server sends the whole blob');
    assert.equal(outcome.requests, ignoredFrom);
    assert.ok(outcome.bytes?.equals(V1.blob));
  }
});

class Store implements MetadataStore {
  readonly kept = new Map<ContentDigest, LayerMetadata>();

  find(tocDigest: ContentDigest): LayerMetadata | undefined {
    return this.kept.get(tocDigest);
  }

  keep(tocDigest: ContentDigest, metadata: LayerMetadata): void {
    this.kept.set(tocDigest, metadata);
  }
}

test('a kept TOC and tar-split are not requested again, unless they are damaged', async () => {
  const store = new Store();
  const tar = zstdDecompressSync(V1.blob);
  for (const requests of [2, 1]) {
    const outcome = await pull(V1, { store });
    assert.ok(outcome.bytes?.equals(tar));
    assert.equal(outcome.requests, requests);
  }
  for (const name of ['tarSplit', 'toc'] as const) {
    const [kept = assert.fail('nothing kept')] = store.kept.values();
    kept[name][20] = (kept[name][20] ?? 0) ^ 1;
    const outcome = await pull(V1, { store });
    assert.ok(outcome.bytes?.equals(tar));
    assert.equal(outcome.requests, 2);
  }
});

test('a refused TOC is not kept', async () => {
  const store = new Store();
  const [missing = assert.fail('no layer')] = readChunkedImage('neg/neg-missing');
  await pull(missing, { store });
  assert.equal(store.kept.size, 0);
});

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}
