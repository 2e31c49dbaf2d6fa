import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContentDigest, computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import type { Descriptor } from './descriptor.ts';
import { INDEX_DEPTH_MAX, MANIFEST_MAX_BYTES, MEDIA_TYPES } from './layout.ts';
import { parsePlatform } from './platform.ts';
import { type ResolvedImage, resolveImage } from './resolve.ts';

/** Documents by digest, and the descriptors that name them. */
class Documents {
  readonly bytes = new Map<ContentDigest, Uint8Array>();
  readonly loaded: ContentDigest[] = [];

  add(document: object, mediaType: string, platform?: string): Descriptor {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = computeContentDigest(bytes);
    this.bytes.set(digest, bytes);
    return {
      mediaType,
      digest,
      sizeBytes: bytes.length,
      annotations: new Map(),
      urls: [],
      ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    };
  }

  image(config: object, options: { platform?: string; layers?: number; type?: string } = {}) {
    const { platform, layers = 0, type = MEDIA_TYPES.ociConfig } = options;
    const made = this.add(config, type);
    const layer = { mediaType: MEDIA_TYPES.ociLayer, digest: made.digest, size: 1 };
    const manifest = {
      schemaVersion: 2,
      config: plain(made),
      layers: Array.from({ length: layers }, () => layer),
    };
    return this.add(manifest, MEDIA_TYPES.ociManifest, platform);
  }

  index(manifests: readonly Descriptor[]): Descriptor {
    const document = { schemaVersion: 2, manifests: manifests.map(plain) };
    return this.add(document, MEDIA_TYPES.ociIndex);
  }

  resolve(candidates: readonly Descriptor[], platform = 'linux/amd64'): ResolvedImage {
    const search = resolveImage(candidates, { platform: parsePlatform(platform) });
    let step = search.next();
    while (step.done !== true) {
      const { digest } = step.value.descriptor;
      this.loaded.push(digest);
      step = search.next(this.bytes.get(digest) ?? new Uint8Array(0));
    }
    return step.value;
  }
}

function plain(descriptor: Descriptor): object {
  const { mediaType, digest, sizeBytes, platform, annotations } = descriptor;
  return {
    mediaType,
    digest,
    size: sizeBytes,
    platform,
    annotations: Object.fromEntries(annotations),
  };
}

const config = (architecture: string, extra: object = {}) => ({
  os: 'linux',
  architecture,
  rootfs: { type: 'layers', diff_ids: [] },
  ...extra,
});

const isCode = (code: Parameters<typeof hasCode>[1]) => (error: unknown) => hasCode(error, code);

test('resolveImage selects the entry of the requested platform and loads no other', () => {
  const documents = new Documents();
  const arm = documents.image(config('arm64'), { platform: 'linux/arm64' });
  const pc = documents.image(config('amd64'), { platform: 'linux/amd64' });
  const found = documents.resolve([arm, pc]);
  assert.equal(found.manifest.digest, pc.digest);
  assert.ok(!documents.loaded.includes(arm.digest));
  assert.equal(documents.resolve([arm, pc], 'linux/arm64').manifest.digest, arm.digest);
});

test('resolveImage reads the config if the descriptor has no platform', () => {
  const documents = new Documents();
  const arm = documents.image(config('arm64'));
  const pc = documents.image(config('amd64'));
  assert.equal(documents.resolve([arm, pc]).manifest.digest, pc.digest);
});

test('resolveImage selects the first of several equal entries', () => {
  const documents = new Documents();
  const first = documents.image(config('amd64', { created: 'a' }));
  const second = documents.image(config('amd64', { created: 'b' }));
  assert.equal(documents.resolve([first, second]).manifest.digest, first.digest);
});

test('resolveImage prefers the exact variant over an older one', () => {
  const documents = new Documents();
  const v6 = documents.image(config('arm', { variant: 'v6' }), { platform: 'linux/arm/v6' });
  const v7 = documents.image(config('arm', { variant: 'v7' }), { platform: 'linux/arm/v7' });
  assert.equal(documents.resolve([v6, v7], 'linux/arm/v7').manifest.digest, v7.digest);
  assert.equal(documents.resolve([v6], 'linux/arm/v7').manifest.digest, v6.digest);
});

test('resolveImage descends nested indexes and reports the chain', () => {
  const documents = new Documents();
  const image = documents.image(config('amd64'), { platform: 'linux/amd64' });
  const inner = documents.index([image]);
  const outer = documents.index([inner]);
  const found = documents.resolve([outer]);
  assert.equal(found.manifest.digest, image.digest);
  assert.deepEqual(
    found.indexes.map((index) => index.digest),
    [outer.digest, inner.digest],
  );
});

test('resolveImage lists the available platforms if none matches', () => {
  const documents = new Documents();
  const arm = documents.image(config('arm64'));
  const attested = documents.image(config('unknown'), { platform: 'unknown/unknown' });
  assert.throws(
    () => documents.resolve([arm, attested]),
    (error) =>
      hasCode(error, 'PLATFORM_NOT_FOUND') &&
      JSON.stringify(error.details['available']) === '["linux/arm64"]' &&
      error.hint === 'Choose another platform, for example with --platform linux/arm64',
  );
});

test('resolveImage finds nothing in an empty index', () => {
  const documents = new Documents();
  assert.throws(() => documents.resolve([documents.index([])]), isCode('PLATFORM_NOT_FOUND'));
});

test('resolveImage skips attestations by platform and by annotation', () => {
  const documents = new Documents();
  const byAnnotation = {
    ...documents.image({ a: 1 }, { type: MEDIA_TYPES.ociEmpty }),
    annotations: new Map([['vnd.docker.reference.type', 'attestation-manifest']]),
  };
  const byPlatform = documents.image({ b: 1 }, { platform: 'unknown/unknown' });
  const image = documents.image(config('amd64'));
  assert.equal(documents.resolve([byAnnotation, byPlatform, image]).manifest.digest, image.digest);
  assert.ok(!documents.loaded.includes(byAnnotation.digest));
});

test('resolveImage selects an artifact without platform, but prefers an image of the platform', () => {
  const documents = new Documents();
  const artifact = documents.image({}, { type: MEDIA_TYPES.ociEmpty });
  const found = documents.resolve([artifact]);
  assert.equal(found.config, undefined);
  assert.equal(Buffer.from(found.configBytes).toString(), '{}');
  const image = documents.image(config('amd64'));
  assert.equal(documents.resolve([artifact, image]).manifest.digest, image.digest);
});

test('resolveImage accepts the maximum nesting depth and refuses one level more', () => {
  const documents = new Documents();
  let at = documents.image(config('amd64'));
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth += 1) at = documents.index([at]);
  assert.equal(documents.resolve([at]).indexes.length, INDEX_DEPTH_MAX);
  const deeper = documents.index([at]);
  assert.throws(() => documents.resolve([deeper]), isCode('INDEX_TOO_DEEP'));
});

test('resolveImage loads each document once, however often indexes refer to it', () => {
  const documents = new Documents();
  let at = documents.image(config('arm64'));
  for (let depth = 0; depth < INDEX_DEPTH_MAX; depth += 1) {
    at = documents.index(Array.from({ length: 50 }, () => at));
  }
  assert.throws(() => documents.resolve([at]), isCode('PLATFORM_NOT_FOUND'));
  assert.equal(documents.loaded.length, INDEX_DEPTH_MAX + 2);
});

test('resolveImage refuses documents whose size or digest differs from the descriptor', () => {
  const documents = new Documents();
  const image = documents.image(config('amd64'));
  const longer = { ...image, sizeBytes: image.sizeBytes + 1 };
  assert.throws(() => documents.resolve([longer]), isCode('BLOB_SIZE_MISMATCH'));
  const bytes = documents.bytes.get(image.digest) as Uint8Array;
  documents.bytes.set(image.digest, Buffer.from(bytes).fill(0x20, 0, 1));
  assert.throws(() => documents.resolve([image]), isCode('BLOB_DIGEST_MISMATCH'));
});

test('resolveImage does not request a document above the size limit', () => {
  const documents = new Documents();
  const image = { ...documents.image(config('amd64')), sizeBytes: MANIFEST_MAX_BYTES + 1 };
  assert.throws(() => documents.resolve([image]), isCode('OCI_DOCUMENT_TOO_LARGE'));
  assert.equal(documents.loaded.length, 0);
});

test('resolveImage refuses an image whose numbers of layers and diff ids differ', () => {
  const documents = new Documents();
  const image = documents.image(config('amd64'), { layers: 1 });
  assert.throws(() => documents.resolve([image]), isCode('LAYER_COUNT_MISMATCH'));
});
