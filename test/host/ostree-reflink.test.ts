import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { initRepository } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import { exportCommit } from '#work/export-commit';
import { commitTree } from '#work/make-commit';
import { pullImage } from '#work/pull-image';
import { synthesizeCommit } from '#work/synthesize';
import { needs } from '../support/capability.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { testTar } from '../support/tar-archive.ts';
import { writeTestLayout } from '../support/test-layout.ts';

for (const type of ['xfs', 'btrfs'] as const) {
  test(`on ${type} an export shares the extents of larger files with the objects`, async (t) => {
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

  test(`on ${type} a commit of an image shares the extents of its larger files, and a second commit writes nothing`, async (t) => {
    if (!needs(t, 'root', type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const { path } = filesystem;
    const { repository } = await initRepository(`${path}/repo`, {
      algorithm: 'sha512',
      insecure: true,
    });
    using open = repository;
    const files = [10, 5000, 300_000].map((size) => ({
      name: `usr/f${size}`,
      content: Buffer.alloc(size, size % 251),
    }));
    const tar = testTar([{ name: 'usr/', flag: '5' }, ...files]);
    const { reference } = writeTestLayout(`${path}/layout`, [{ tar, compression: 'none' }]);
    await pullImage(open, reference, { name: 'app' });
    const options = { createMode: 'bare', refs: ['x'] } as const;
    const first = await synthesizeCommit(open, 'app', `${path}/bare`, options);
    assert.deepEqual([first.filesReflinked, first.filesWritten], [2, 1]);
    const again = await synthesizeCommit(open, 'app', `${path}/bare`, options);
    assert.deepEqual([again.filesReflinked, again.filesWritten], [0, 0]);
    using other = openOstreeRepo(`${path}/bare`);
    for (const { kind, checksum } of other.listObjects()) {
      if (kind !== 'file') continue;
      using file = other.openFile(checksum);
      await file?.verify();
    }
  });
}
