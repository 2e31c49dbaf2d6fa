import { deepEqual, equal, throws } from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRepository } from '#stores/composefs';
import { removeImage, resolveImageId } from '#work/image';
import { mountImage, unmountImage } from '#work/mount';
import { pullImage } from '#work/pull-image';
import { openOrCreate } from '#work/repository';
import { needs } from '../../../test/support/capability.ts';
import { mountLoopFilesystem } from '../../../test/support/loop-fs.ts';
import { writeTinyImage } from '../../../test/support/tiny-images.ts';
import { collectGarbage, planGc } from './index.ts';

test('gc keeps a mounted image until it is unmounted, and --force removes it with a warning', async (t) => {
  if (!needs(t, 'root', 'mount-api', 'erofs', 'overlay', 'xfs')) return;
  await using disk = await mountLoopFilesystem('xfs');
  const path = join(disk.path, 'repo');
  const content = 'content '.repeat(100);
  const { reference } = await writeTinyImage(join(disk.path, 'layout'), 'a', [
    { files: { 'usr/': '', 'usr/file': content, 'usr/other': `other ${content}` } },
  ]);
  const target = join(disk.path, 'mnt');
  mkdirSync(target);
  const { repository: made } = await openOrCreate({ path }, { insecure: true });
  await pullImage(made, reference, { name: 'a' });
  const imageId = resolveImageId(made, 'a');
  mountImage(made, imageId, target, { label: 'a' });
  removeImage(made, 'a');
  made[Symbol.dispose]();
  using repository = await openRepository(path);
  try {
    const kept = await collectGarbage(repository);
    deepEqual(kept.heldByMounts, [{ target, image: 'a', imageId }]);
    equal(readFileSync(join(target, 'usr/file'), 'utf8'), content);
    const plan = await planGc(repository, { force: true });
    deepEqual(plan.heldByMounts, kept.heldByMounts);
    const forced = await collectGarbage(repository, { force: true });
    deepEqual(forced.heldByMounts, kept.heldByMounts);
    throws(() => readFileSync(join(target, 'usr/other')));
  } finally {
    await unmountImage(target);
  }
  equal((await planGc(repository)).objects.length, 0);
});
