import { deepEqual, equal } from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { computeVerity, objectPath } from '#formats/fsverity';
import { Dir } from '#host';
import { initRepository } from '#stores/composefs';
import { needs } from '../support/capability.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { makeTempDir } from '../support/temp-dir.ts';

for (const type of ['xfs', 'btrfs'] as const) {
  test(`a file is imported as a reflink on ${type}, and copied from another filesystem`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    using elsewhere = makeTempDir();
    const path = join(filesystem.path, 'repo');
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    using open = repository;
    const bytes = Buffer.alloc(1_000_000, 7);
    const id = computeVerity(bytes, 'sha256');
    for (const [top, mode, method] of [
      [filesystem.path, 'auto', 'reflinked'],
      [filesystem.path, 'zerocopy', 'present'],
      [elsewhere.path, 'auto', 'present'],
    ] as const) {
      writeFileSync(join(top, 'source'), bytes);
      using dir = Dir.open(top);
      using file = dir.openFile('source');
      deepEqual(open.objects.importFile(file, bytes.length, mode), { id, method });
    }
    using dir = Dir.open(elsewhere.path);
    writeFileSync(join(elsewhere.path, 'other'), bytes.subarray(1));
    using other = dir.openFile('other');
    equal(open.objects.importFile(other, bytes.length - 1).method, 'copied');
    // A reflink is a file of its own: what happens to the source later does not reach it.
    writeFileSync(join(filesystem.path, 'source'), 'changed');
    equal(open.objects.read(id, bytes.length).length, bytes.length);
    equal(open.root.lstat(`objects/${objectPath(id)}`)?.nlink, 1);
  });
}
