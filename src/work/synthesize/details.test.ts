import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookupVariant, STRING } from '#formats/gvariant';
import { parseImageConfig, parseManifest } from '#formats/oci';
import { Directory, Tree, UNSET_STAT } from '#formats/tree';
import type { OciImage } from '#work/image';
import { detailsOf } from './details.ts';

const DIGEST = `sha256:${'1'.repeat(64)}`;

function imageOf(created: string | undefined, annotation?: string): OciImage {
  const config = {
    os: 'linux',
    architecture: 'amd64',
    created,
    rootfs: { type: 'layers', diff_ids: [] },
    config: { Labels: { b: '2', a: '1' } },
  };
  const manifest = {
    schemaVersion: 2,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: DIGEST, size: 1 },
    layers: [],
    ...(annotation === undefined
      ? {}
      : { annotations: { 'org.opencontainers.image.created': annotation } }),
  };
  const [configBytes, manifestBytes] = [config, manifest].map(
    (document) => new Uint8Array(Buffer.from(JSON.stringify(document, null, 2))),
  ) as [Uint8Array, Uint8Array];
  return {
    manifestDigest: DIGEST,
    manifest: parseManifest(manifestBytes),
    manifestBytes,
    config: { ...parseImageConfig(configBytes), digest: DIGEST },
    configBytes,
  } as unknown as OciImage;
}

test('documents are stored as canonical JSON, whatever their order and white space', () => {
  const { metadata } = detailsOf(imageOf(undefined), new Tree());
  assert.deepEqual(
    metadata.map(([key]) => key),
    metadata.map(([key]) => key).sort(),
  );
  const config = lookupVariant(metadata, 'ostree.container.image-config', STRING);
  assert.equal(
    config,
    '{"architecture":"amd64","config":{"Labels":{"a":"1","b":"2"}},"os":"linux","rootfs":{"diff_ids":[],"type":"layers"}}',
  );
  assert.equal(lookupVariant(metadata, 'ostree.manifest-digest', STRING), DIGEST);
});

test('the time of a commit is that of the annotation, else of the config, else of the newest file', () => {
  const tree = new Tree({ ...UNSET_STAT, mtimeSec: 5n });
  tree.root.entries.set('x' as never, new Directory({ ...UNSET_STAT, mtimeSec: 7n }));
  const time = (...args: Parameters<typeof imageOf>) =>
    detailsOf(imageOf(...args), tree).timestampSec;
  assert.equal(time('2024-03-05T06:07:08.999Z'), 1709618828n);
  assert.equal(time('2024-03-05T08:07:08+02:00'), 1709618828n);
  assert.equal(time('2024-03-05T06:07:08Z', '2025-01-01T00:00:00Z'), 1735689600n);
  assert.equal(time('1969-12-31T23:59:59Z'), 2n ** 64n - 1n);
  for (const none of [undefined, 'not a date', '2024-03-05', '2024-13-05T06:07:08Z']) {
    assert.equal(time(none), 7n, String(none));
  }
});
