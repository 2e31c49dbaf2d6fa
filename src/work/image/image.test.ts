import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { checkImage, listObjectRefs } from '#formats/erofs';
import { computeVerity, objectPath } from '#formats/fsverity';
import {
  checkRepository,
  collectGarbage,
  type ErofsFormats,
  initRepository,
  type Repository,
} from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import { describeRepository } from '../../../test/support/repository-tree.ts';
import { testTar } from '../../../test/support/tar-archive.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { noise, writeTestLayout } from '../../../test/support/test-layout.ts';
import {
  buildImage,
  computeImageId,
  listOciImages,
  manifestStreamName,
  openOciImage,
  removeImage,
  resolveImageId,
  storeConfig,
  storeManifest,
  tagImage,
  untagImage,
} from './index.ts';

interface Place {
  readonly temp: string;
  readonly path: string;
  readonly repository: Repository;
}

async function inRepository(
  work: (place: Place) => Promise<void>,
  formats: ErofsFormats = { default: 1, extra: [] },
): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const config = { algorithm: 'sha256', insecure: true, formats } as const;
  const { repository } = await initRepository(path, config);
  using open = repository;
  await work({ temp: temp.path, path, repository: open });
}

const TAR = testTar([
  { name: 'usr/', flag: '5' },
  { name: 'usr/file', content: noise(5000, 1) },
]);

/** A file with data at its start, in the middle and at its end, and holes between. */
function makeSparseFile(path: string): Buffer {
  const file = openSync(path, 'w');
  for (const [at, size] of [
    [0, 4096],
    [1_200_000, 70_000],
    [3_000_000, 4096],
  ] as const) {
    writeSync(file, noise(size, at), 0, size, at);
  }
  ftruncateSync(file, 3_500_000);
  closeSync(file);
  return readFileSync(path);
}

for (const form of [
  ['--format=gnu'],
  ['--format=posix', '--sparse-version=0.0'],
  ['--format=posix', '--sparse-version=0.1'],
  ['--format=posix', '--sparse-version=1.0'],
]) {
  test(`a sparse file of ${form.join(' ')} has its full content in the image, after gc and in the rebuilt layer`, async () => {
    await inRepository(async ({ temp, path, repository }) => {
      mkdirSync(join(temp, 'tree/usr'), { recursive: true });
      const whole = makeSparseFile(join(temp, 'tree/usr/sparse'));
      const archive = join(temp, 'layer.tar');
      const made = spawnSync('tar', [
        '-S',
        ...form,
        '-cf',
        archive,
        '-C',
        join(temp, 'tree'),
        'usr',
      ]);
      assert.equal(made.status, 0, made.stderr.toString());
      const tar = readFileSync(archive);
      assert.ok(tar.length < 500_000, 'the tar is sparse');
      const { reference } = writeTestLayout(join(temp, 'layout'), [{ tar }]);
      const report = await pullImage(repository, reference, { name: 'x' });
      const id = computeVerity(whole, 'sha256');
      assert.ok(report.imageId !== undefined);
      const image = repository.images.read(report.imageId).bytes;
      assert.deepEqual([...listObjectRefs(image)], [id]);
      assert.deepEqual(readFileSync(join(path, 'objects', objectPath(id))), whole);
      assert.equal(await computeImageId(repository, 'x'), report.imageId);
      await collectGarbage(repository);
      assert.ok((await checkRepository(repository)).ok);
      assert.ok(repository.objects.has(id, whole.length));
    });
  });
}

test('a pull into a repository of version 0, which cfsctl refuses, stores its image in the shared slot', async () => {
  await inRepository(
    async ({ temp, repository }) => {
      const { reference } = writeTestLayout(join(temp, 'layout'), [{ tar: TAR }]);
      const report = await pullImage(repository, reference, { name: 'x' });
      assert.deepEqual(Object.keys(report.imageIds), ['composefs.image.v1']);
      assert.equal(report.imageId, await computeImageId(repository, 'x', { version: 0 }));
    },
    { default: 0, extra: [] },
  );
});

test('a repository with two versions stores both images, and keeps both when one is built again', async () => {
  await inRepository(
    async ({ temp, repository }) => {
      const { reference } = writeTestLayout(join(temp, 'layout'), [{ tar: TAR }]);
      const { imageIds, imageId } = await pullImage(repository, reference, { name: 'x' });
      assert.deepEqual(Object.keys(imageIds).sort(), ['composefs.image', 'composefs.image.v1']);
      assert.equal(
        imageIds['composefs.image'],
        await computeImageId(repository, 'x', { version: 2 }),
      );
      assert.equal(
        imageIds['composefs.image.v1'],
        await computeImageId(repository, 'x', { version: 1 }),
      );
      assert.equal(imageId, imageIds['composefs.image.v1']);
      for (const id of Object.values(imageIds)) {
        assert.deepEqual([...checkImage(repository.images.read(id).bytes)], []);
      }
      assert.equal((await buildImage(repository, 'x')).built, false);
    },
    { default: 1, extra: [2] },
  );
});

test('an image without its EROFS file is rebuilt with the same id, without reading its layers', async () => {
  await inRepository(async ({ temp, path, repository }) => {
    const { reference } = writeTestLayout(join(temp, 'layout'), [{ tar: TAR }]);
    const { imageId } = await pullImage(repository, reference, { name: 'x' });
    const before = describeRepository(path);
    assert.ok(imageId !== undefined);
    repository.root.unlink(`images/${imageId}`);
    repository.root.unlink(`objects/${objectPath(imageId)}`);
    const built = await buildImage(repository, 'x');
    assert.deepEqual([...built.images.values()], [imageId]);
    assert.equal(built.built, true);
    assert.deepEqual(describeRepository(path), before);
    assert.equal(resolveImageId(repository, 'x'), imageId);
    assert.equal(resolveImageId(repository, imageId), imageId);
  });
});

test('tags are set, listed and removed; gc frees an image after its last tag', async () => {
  await inRepository(async ({ temp, repository }) => {
    const { reference, manifestDigest } = writeTestLayout(join(temp, 'layout'), [{ tar: TAR }]);
    await pullImage(repository, reference, { name: 'one' });
    assert.equal(tagImage(repository, 'one', 'registry/two:2'), manifestDigest);
    assert.deepEqual(
      listOciImages(repository).map(({ name, problem }) => [name, problem]),
      [
        ['one', undefined],
        ['registry/two:2', undefined],
      ],
    );
    assert.equal(openOciImage(repository, `@${manifestDigest}`).layers.length, 1);
    untagImage(repository, 'one');
    assert.throws(() => untagImage(repository, 'one'), { code: 'TAG_NOT_FOUND' });
    assert.throws(() => openOciImage(repository, 'one'), { code: 'IMAGE_NOT_FOUND' });
    const removed = removeImage(repository, `@${manifestDigest}`);
    assert.deepEqual(removed.names, ['registry/two:2']);
    assert.deepEqual(removed.remaining, []);
    const { objectsRemoved } = await collectGarbage(repository);
    assert.equal(
      objectsRemoved,
      7,
      'file, layer, image, and config and manifest with a stream each',
    );
  });
});

test('an unreadable image is listed with its problem', async () => {
  await inRepository(async ({ temp, repository }) => {
    const { reference, manifestDigest } = writeTestLayout(join(temp, 'layout'), [{ tar: TAR }]);
    await pullImage(repository, reference, { name: 'x' });
    const [config] = repository.streams.list().filter(({ name }) => name.startsWith('oci-config'));
    assert.ok(config?.id !== undefined);
    repository.root.unlink(`objects/${objectPath(config.id)}`);
    const [row] = listOciImages(repository);
    assert.equal(row?.manifestDigest, manifestDigest);
    assert.ok(isOnecopyError(row?.problem));
    assert.equal(row.problem.code, 'OBJECT_NOT_FOUND');
  });
});

test('a manifest stream without references to its config or a layer is reported as incomplete', async () => {
  await inRepository(async ({ temp, repository }) => {
    const { reference, manifestDigest } = writeTestLayout(join(temp, 'layout'), [{ tar: TAR }]);
    await pullImage(repository, reference, { name: 'x' });
    const { manifest, configBytes, configStreamId } = openOciImage(repository, 'x');
    const other = parseContentDigest(`sha256:${'0'.repeat(64)}`);
    const lost = await storeManifest(repository, manifest.bytes, {
      config: [other, configStreamId],
      layers: [],
    });
    const name = manifestStreamName(parseContentDigest(manifestDigest));
    repository.streams.register(name, lost);
    assert.throws(() => openOciImage(repository, 'x'), { code: 'IMAGE_INCOMPLETE' });
    const bare = await storeConfig(repository, configBytes, { layers: [] });
    const config = [manifest.config.digest, bare] as const;
    const headless = await storeManifest(repository, manifest.bytes, { config, layers: [] });
    repository.streams.register(name, headless);
    assert.throws(() => openOciImage(repository, 'x'), { code: 'IMAGE_INCOMPLETE' });
    // Existing layers are not read again, and all references are written.
    const report = await pullImage(repository, reference, { name: 'x' });
    assert.equal(report.bytes.local, 0);
    assert.equal(openOciImage(repository, 'x').layers.length, 1);
  });
});

test('computing an image id of an artifact is refused', async () => {
  await inRepository(async ({ repository }) => {
    const layout = new URL('../../../test/golden/cfsctl/oci/artifact/layout', import.meta.url);
    const report = await pullImage(repository, `oci:${fileURLToPath(layout)}`, { name: 'notes' });
    assert.equal(report.kind, 'artifact');
    await assert.rejects(computeImageId(repository, 'notes'), { code: 'IMAGE_NOT_BUILDABLE' });
  });
});
