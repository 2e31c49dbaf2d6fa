import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { pullImage } from '#work/pull';
import { openOrCreate } from '#work/repository';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import {
  buildTree,
  listOciImages,
  manifestStreamName,
  openOciImage,
  removeImage,
  resolveImageId,
  storeManifest,
  tagImage,
  untagImage,
} from './index.ts';

const LAYOUTS = fileURLToPath(new URL('../../../test/golden/cfsctl/oci/', import.meta.url));

async function pulled(path: string, name: string) {
  const { repository } = await openOrCreate({ path }, { insecure: true });
  await pullImage(repository, `oci:${LAYOUTS}${name}/layout`, { name });
  return repository;
}

test('names of an image come and go, and the last one takes it along', async () => {
  using scratch = makeTempDir();
  using repository = await pulled(join(scratch.path, 'repo'), 'basic');
  const digest = tagImage(repository, 'basic', 'other/name:1');
  assert.deepEqual(
    listOciImages(repository).map(({ name }) => name),
    ['basic', 'other/name:1'],
  );
  assert.equal(resolveImageId(repository, `@${digest}`), resolveImageId(repository, 'basic'));
  untagImage(repository, 'basic');
  assert.throws(
    () => untagImage(repository, 'basic'),
    (error) => hasCode(error, 'TAG_NOT_FOUND'),
  );
  assert.deepEqual(removeImage(repository, 'other/name:1'), {
    manifestDigest: digest,
    names: ['other/name:1'],
    remaining: [],
  });
  assert.throws(
    () => openOciImage(repository, 'basic'),
    (error) => hasCode(error, 'IMAGE_NOT_FOUND'),
  );
});

test('an artifact opens and has no filesystem to build', async () => {
  using scratch = makeTempDir();
  using repository = await pulled(join(scratch.path, 'repo'), 'artifact-platform');
  const image = openOciImage(repository, 'artifact-platform');
  assert.equal(image.config, undefined);
  await assert.rejects(
    async () => buildTree(repository, image),
    (error) => hasCode(error, 'IMAGE_NOT_BUILDABLE'),
  );
});

test('a manifest that leads to no config is incomplete, and its row says so', async () => {
  using scratch = makeTempDir();
  using repository = await pulled(join(scratch.path, 'repo'), 'basic');
  const { manifest, manifestDigest, configStreamId } = openOciImage(repository, 'basic');
  const id = await storeManifest(repository, manifest.bytes, {
    config: [computeContentDigest(Buffer.from('another config')), configStreamId],
    layers: [],
    blobs: new Map(),
  });
  repository.streams.register(manifestStreamName(manifestDigest), id);
  assert.throws(
    () => openOciImage(repository, 'basic'),
    (error) => hasCode(error, 'IMAGE_INCOMPLETE') && error.hint !== undefined,
  );
  assert.equal(listOciImages(repository)[0]?.problem?.code, 'IMAGE_INCOMPLETE');
});
