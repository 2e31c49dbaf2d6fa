import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { STRING } from '#formats/gvariant';
import { Dir, setXattr } from '#host';
import { exportCommit } from '#work/export-commit';
import { commitTree, parseSkipList } from '#work/make-commit';
import { pullCommit } from '#work/pull-commit';
import { needs } from '../support/capability.ts';
import { makeTempRepository } from '../support/ostree-stored.ts';

function ostree(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('ostree', args, { encoding: 'utf8' });
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Fills a directory with what trees are made of: sizes around the inline limits, links, odd names, modes. */
function fill(path: string, count: number): void {
  mkdirSync(`${path}/deep/er/est`, { recursive: true });
  for (let index = 0; index < count; index += 1) {
    const folder = `${path}/d${index % 40}`;
    mkdirSync(folder, { recursive: true });
    const name = `${folder}/f${index}-ü`;
    writeFileSync(name, String(index).repeat(index % 60));
    chmodSync(name, [0o644, 0o755, 0o600, 0o4755][index % 4] ?? 0o644);
    if (index % 10 === 0) symlinkSync(`f${index}`, `${folder}/l${index}`);
    if (index % 25 === 0) linkSync(name, `${path}/deep/er/h${index}`);
  }
}

test('onecopy and ostree make the same commit of a tree, and it survives export and pull', async (t) => {
  if (!needs(t, 'tool:ostree')) return;
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  fill(`${path}/tree`, 400);
  ostree('init', `--repo=${path}/theirs`, '--mode=bare-user');
  const flags = ['-s', 'subject', '--timestamp=@1704164645', '--add-metadata-string=version=1'];
  const expected = ostree(
    'commit',
    `--repo=${path}/theirs`,
    '-b',
    'x',
    `--tree=dir=${path}/tree`,
    ...flags,
  ).trim();
  const ours = await commitTree(repository, [{ kind: 'directory', path: `${path}/tree` }], {
    ref: 'x',
    subject: 'subject',
    timestampSec: 1704164645n,
    metadata: [['version', { type: STRING, value: '1' }]],
  });
  assert.equal(ours.commit, expected);
  await exportCommit(repository, 'x', `${path}/out`, { createMode: 'archive', refs: ['x'] });
  ostree('fsck', `--repo=${path}/out`);
  ostree('pull-local', `--repo=${path}/theirs`, '--untrusted', `${path}/out`, 'x');
  using other = await makeTempRepository();
  const source = { kind: 'local', path: `${path}/theirs` } as const;
  const pulled = await pullCommit(other.repository, source, 'x');
  assert.deepEqual([pulled.commit, pulled.imageId], [ours.commit, ours.imageId]);
  assert.equal(pulled.streamId, ours.streamId);
});

test('onecopy and ostree make the same commit of trees over a base, and of bootable trees', async (t) => {
  if (!needs(t, 'root', 'tool:ostree')) return;
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  fill(`${path}/base`, 60);
  mkdirSync(`${path}/over/d1`, { recursive: true });
  mkdirSync(`${path}/over/usr/lib/modules/6.1.0-test`, { recursive: true });
  writeFileSync(`${path}/over/d1/f1-ü`, 'laid over');
  writeFileSync(`${path}/over/d1/new`, 'new');
  writeFileSync(`${path}/over/usr/lib/modules/6.1.0-test/vmlinuz`, 'kernel');
  // A path of the base is none of ostree's; ours does not leave it out either.
  writeFileSync(`${path}/skip`, '/d1/new\n');
  const repo = `--repo=${path}/theirs`;
  ostree('init', repo, '--mode=bare-user');
  const time = '--timestamp=@1704164645';
  const base = ostree('commit', repo, '-b', 'base', `--tree=dir=${path}/base`, time).trim();
  const flags = ['--owner-uid=5', '--owner-gid=6', '--no-xattrs', `--skip-list=${path}/skip`];
  const expected = ostree(
    ...['commit', repo, '-b', 'x', `--base=${base}`, `--tree=dir=${path}/over`, time],
    ...['--bootable', ...flags],
  ).trim();
  await pullCommit(repository, { kind: 'local', path: `${path}/theirs` }, 'base', { workers: 0 });
  const over = [{ kind: 'directory', path: `${path}/over` }] as const;
  const ours = await commitTree(repository, over, {
    ref: 'x',
    base: 'base',
    bootable: true,
    timestampSec: 1704164645n,
    ownerUid: 5,
    ownerGid: 6,
    noXattrs: true,
    skipPaths: parseSkipList('/d1/new\n/d2/f2-ü\n'),
  });
  assert.equal(ours.commit, expected);
  const again = { base: 'base', bootable: true } as const;
  await assert.rejects(commitTree(repository, [], again), { code: 'OSTREE_KERNEL_NOT_FOUND' });
});

test('a bare repository gives the stream of an archive repository, in any order of xattrs', async (t) => {
  if (!needs(t, 'root', 'tool:ostree')) return;
  using temp = await makeTempRepository();
  const { path } = temp;
  mkdirSync(`${path}/tree`);
  writeFileSync(`${path}/tree/f`, 'content');
  using tree = Dir.open(`${path}/tree`);
  // A value that does not fit beside the others is listed last by ext4, what was set first comes first or last on other filesystems.
  const [long, short] = [Buffer.alloc(500, 'x'), Buffer.from('2')];
  for (const [name, value] of [
    ['user.b', short],
    ['user.a', long],
    ['user.c', short],
  ] as const) {
    setXattr({ dir: tree, name: 'f' }, name, value);
  }
  const streams = new Set<string>();
  for (const mode of ['bare', 'archive'] as const) {
    ostree('init', `--repo=${path}/${mode}`, `--mode=${mode}`);
    const flags = ['-b', 'x', '--timestamp=@1704164645', `--tree=dir=${path}/tree`];
    ostree('commit', `--repo=${path}/${mode}`, ...flags);
    using other = await makeTempRepository();
    const source = { kind: 'local', path: `${path}/${mode}` } as const;
    streams.add((await pullCommit(other.repository, source, 'x')).streamId);
    for (const createMode of ['archive', 'bare-user', 'bare'] as const) {
      await exportCommit(other.repository, 'x', `${other.path}/${createMode}`, { createMode });
      ostree('fsck', `--repo=${other.path}/${createMode}`);
    }
  }
  assert.equal(streams.size, 1);
});
