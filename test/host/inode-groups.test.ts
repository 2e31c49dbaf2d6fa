import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readInodeGroups } from '#host';
import { collectGarbage, initRepository, type Repository } from '#stores/composefs';
import { needs } from '../support/capability.ts';
import { type LoopFilesystem, mountLoopFilesystem } from '../support/loop-fs.ts';

const COUNT = 10_000;

async function repositoryOn(filesystem: LoopFilesystem): Promise<Repository> {
  const path = join(filesystem.path, 'repo');
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

function writeObjects(repository: Repository): void {
  for (let index = 0; index < COUNT; index += 1) {
    repository.objects.ensureBytes(Buffer.from(`object ${index}`.padEnd(100)));
  }
}

/** Objects in each group of inodes. */
function countGroups(filesystem: LoopFilesystem): Map<number, number> {
  const objects = join(filesystem.path, 'repo/objects');
  const groups = readInodeGroups(filesystem.dir);
  const counts = new Map<number, number>();
  for (const fanOut of readdirSync(objects)) {
    for (const name of readdirSync(join(objects, fanOut))) {
      const group = groups?.of(statSync(join(objects, fanOut, name)).ino) ?? -1;
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
  }
  return counts;
}

test('on XFS one writer uses two inode groups, and two threads remove its files', async (t) => {
  if (!needs(t, 'root', 'xfs')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  using repository = await repositoryOn(filesystem);
  writeObjects(repository);
  const counts = [...countGroups(filesystem).values()];
  equal(
    counts.reduce((sum, count) => sum + count, 0),
    COUNT,
  );
  equal(counts.filter((count) => count > COUNT * 0.45).length, 2);
  let reported = 0;
  const result = await collectGarbage(repository, {
    workers: 2,
    onProgress: (event) => {
      if (event.type === 'advanced' && event.id === 'gc:remove') reported = event.done;
    },
  });
  deepEqual([result.objectsRemoved, result.objectsBytes], [COUNT, COUNT * 100]);
  ok(reported > 0 && reported <= COUNT);
  equal(countGroups(filesystem).size, 0);
});

for (const type of ['ext4', 'btrfs'] as const) {
  test(`on ${type} several threads remove objects without errors`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    using repository = await repositoryOn(filesystem);
    writeObjects(repository);
    equal(readInodeGroups(filesystem.dir) === undefined, type === 'btrfs');
    const result = await collectGarbage(repository, { workers: 2 });
    deepEqual([result.objectsRemoved, result.objectsBytes], [COUNT, COUNT * 100]);
  });
}

test('removal by two threads can be cancelled, and the next removal completes it', async (t) => {
  if (!needs(t, 'root', 'xfs')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  using repository = await repositoryOn(filesystem);
  writeObjects(repository);
  const giveUp = new AbortController();
  const reason = new Error('enough');
  const collecting = collectGarbage(repository, {
    workers: 2,
    signal: giveUp.signal,
    onProgress: (event) => {
      if (event.type === 'advanced' && event.id === 'gc:remove' && event.done > 500) {
        giveUp.abort(reason);
      }
    },
  });
  await rejects(collecting, reason);
  const left = [...countGroups(filesystem).values()].reduce((sum, count) => sum + count, 0);
  ok(left > 0 && left < COUNT, `${left} are left`);
  equal((await collectGarbage(repository, { workers: 2 })).objectsRemoved, left);
});
