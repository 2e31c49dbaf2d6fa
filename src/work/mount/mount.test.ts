import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '#base/errors';
import { resolveImageId } from '#work/image';
import { pullImage } from '#work/pull-image';
import { openOrCreate } from '#work/repository';
import { needs } from '../../../test/support/capability.ts';
import { mountLoopFilesystem } from '../../../test/support/loop-fs.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { listMounts, mountImage, unmountImage } from './index.ts';

const LAYOUT = fileURLToPath(
  new URL('../../../test/golden/cfsctl/oci/whiteouts/layout', import.meta.url),
);

function canMount(t: TestContext): boolean {
  return needs(t, 'root', 'mount-api', 'erofs', 'overlay', 'xfs');
}

async function pulled(path: string) {
  const { repository } = await openOrCreate({ path }, { insecure: true });
  await pullImage(repository, `oci:${LAYOUT}:latest`, { name: 'image' });
  return { repository, imageId: resolveImageId(repository, 'image') };
}

test('an image is mounted on a directory, listed and unmounted', async (t) => {
  if (!canMount(t)) return;
  await using disk = await mountLoopFilesystem('xfs');
  const { repository, imageId } = await pulled(join(disk.path, 'repo'));
  using open = repository;
  const target = join(disk.path, 'mnt');
  mkdirSync(target);
  const report = mountImage(open, imageId, target, { label: 'image' });
  try {
    assert.deepEqual(report, { imageId, target, verity: false, readOnly: true });
    assert.ok(statSync(join(target, 'usr')).isDirectory());
    assert.throws(() => writeFileSync(join(target, 'new'), ''), { code: 'EROFS' });
    assert.deepEqual(
      listMounts().filter((mount) => mount.target === target),
      [{ target, image: 'image', imageId }],
    );
  } finally {
    assert.equal((await unmountImage(target)).image, 'image');
  }
  assert.deepEqual(readdirSync(target), []);
});

test('a writable layer takes changes, and the image stays unchanged', async (t) => {
  if (!canMount(t)) return;
  await using disk = await mountLoopFilesystem('xfs');
  const { repository, imageId } = await pulled(join(disk.path, 'repo'));
  using open = repository;
  const [target, upper, work] = ['mnt', 'upper', 'work'].map((name) => join(disk.path, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [target, upper, work]) mkdirSync(path);
  mountImage(open, imageId, target, { writable: { upper, work } });
  try {
    writeFileSync(join(target, 'usr/new'), 'hi');
    assert.equal(readFileSync(join(upper, 'usr/new'), 'utf8'), 'hi');
  } finally {
    await unmountImage(target);
  }
});

test('an image that cannot be mounted is refused, and nothing is attached', async (t) => {
  if (!canMount(t)) return;
  await using disk = await mountLoopFilesystem('xfs');
  const { repository, imageId } = await pulled(join(disk.path, 'repo'));
  using open = repository;
  const target = join(disk.path, 'mnt');
  mkdirSync(target);
  const nowhere = join(disk.path, 'nowhere');
  assert.throws(
    () => mountImage(open, imageId, target, { writable: { upper: nowhere, work: nowhere } }),
    (error) => hasCode(error, 'SYSCALL_FAILED') && error.message.includes(nowhere),
  );
  // Directories exist, but overlayfs refuses a work directory below the upper one.
  const upper = join(disk.path, 'upper');
  const work = join(upper, 'work');
  mkdirSync(work, { recursive: true });
  assert.throws(
    () => mountImage(open, imageId, target, { writable: { upper, work } }),
    (error) => hasCode(error, 'MOUNT_UNSUPPORTED') && error.hint !== undefined,
  );
  assert.deepEqual(readdirSync(target), []);
  assert.throws(
    () => mountImage(open, 'no-such-image', target),
    (error) => hasCode(error, 'IMAGE_NOT_FOUND'),
  );
});

test('umount refuses a path where no image is mounted', async () => {
  using scratch = makeTempDir();
  await assert.rejects(unmountImage(scratch.path), (error) => hasCode(error, 'MOUNT_NOT_FOUND'));
});
