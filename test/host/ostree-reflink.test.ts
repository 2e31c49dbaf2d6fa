import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { initRepository } from '#stores/composefs';
import { exportCommit } from '#work/export-commit';
import { commitTree } from '#work/make-commit';
import { needs } from '../support/capability.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';

for (const type of ['xfs', 'btrfs'] as const) {
  test(`on ${type} an export shares the extents of larger files with our objects`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const { path } = filesystem;
    const { repository } = await initRepository(`${path}/repo`, {
      algorithm: 'sha256',
      insecure: true,
    });
    using open = repository;
    mkdirSync(`${path}/tree`);
    for (const size of [10, 5000, 300_000]) {
      writeFileSync(`${path}/tree/f${size}`, Buffer.alloc(size, size % 251));
    }
    const source = [{ kind: 'directory', path: `${path}/tree` }] as const;
    await commitTree(open, source, { ref: 'x' });
    const bare = await exportCommit(open, 'x', `${path}/bare`, { createMode: 'bare' });
    assert.deepEqual([bare.filesReflinked, bare.filesWritten], [2, 1]);
    const archive = await exportCommit(open, 'x', `${path}/archive`, { createMode: 'archive' });
    assert.deepEqual([archive.filesReflinked, archive.filesWritten], [0, 3]);
  });
}
