/**
 * An image goes into a repository and out again: byte for byte when its blobs are kept, and in any case with the same config and the
 * same tars.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeContentDigest } from '#base/digest';
import { type LocalReference, parsePlatform, parseReference } from '#formats/oci';
import { initRepository, type Repository } from '#stores/composefs';
import { exportImage } from '#work/export';
import { pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));
const platform = parsePlatform('linux/amd64');

async function makeRepository(path: string): Promise<Repository> {
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

function local(text: string): LocalReference {
  const reference = parseReference(text);
  assert.ok('path' in reference && reference.transport !== 'composefs');
  return reference;
}

const IMAGES = [
  'cfsctl/oci/basic/layout:latest',
  'cfsctl/oci/whiteouts/layout:latest',
  'cfsctl/oci/zstd-plain/layout:latest',
  'cfsctl/oci/types/layout:latest',
  'cfsctl/oci/quirk-trailing-junk/layout:latest',
  'cfsctl/oci/artifact-platform/layout:latest',
  'chunked/oci/zc-v1:latest',
  'chunked/oci/es-v1:latest',
];

for (const name of IMAGES) {
  test(`${name} is exported byte for byte if its blobs are kept, and as the same tars otherwise`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using repository = await makeRepository(`${temp.path}/repo`);
    const pulled = await pullImage(repository, `oci:${GOLDEN}${name}`, { name: 'plain', platform });
    const plain = await exportImage(repository, 'plain', local(`oci:${temp.path}/plain:x`));
    await pullImage(repository, `oci:${GOLDEN}${name}`, {
      name: 'kept',
      platform,
      keepBlobs: true,
    });
    const kept = await exportImage(repository, 'kept', local(`oci:${temp.path}/kept:x`));
    assert.equal(kept.manifestDigest, pulled.manifestDigest);
    assert.ok(kept.identical);
    assert.equal(plain.configDigest, kept.configDigest);
    // What came out goes in again, and is the same filesystem.
    using second = await makeRepository(`${temp.path}/second`);
    const again = await pullImage(second, `oci:${temp.path}/plain:x`, { name: 'img', platform });
    assert.deepEqual(again.imageId, pulled.imageId);
  });
}

test('a Docker schema 2 image keeps its manifest and digest through pull and export', async (t) => {
  if (!needs(t, 'tool:skopeo')) return;
  using temp = makeTempDir();
  const from = `oci:${GOLDEN}cfsctl/oci/two-tags/layout:v1`;
  const words = ['--insecure-policy', 'copy', '--quiet', '--format', 'v2s2', from];
  execFileSync('skopeo', [...words, `dir:${temp.path}/docker`], { stdio: 'pipe' });
  using repository = await makeRepository(`${temp.path}/repo`);
  const options = { name: 'img', platform, keepBlobs: true };
  const { manifestDigest } = await pullImage(repository, `dir:${temp.path}/docker`, options);
  const original = readFileSync(`${temp.path}/docker/manifest.json`);
  assert.equal(manifestDigest, computeContentDigest(original));
  const report = await exportImage(repository, 'img', local(`dir:${temp.path}/out`));
  assert.ok(report.identical);
  assert.ok(readFileSync(`${temp.path}/out/manifest.json`).equals(original));
  const raw = execFileSync('skopeo', ['inspect', '--raw', `dir:${temp.path}/out`]);
  assert.equal(computeContentDigest(raw), manifestDigest);
});
