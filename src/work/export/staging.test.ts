import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { Dir, removeTree } from '#host';
import { initRepository } from '#stores/composefs';
import { makeTempDir } from '../../../test/support/temp-dir.ts';

import { removeAbandoned, removeAbandonedExports, StagingFolder } from './staging.ts';

test('an abandoned temporary folder is removed, and no other file is', () => {
  using temp = makeTempDir();
  using parent = Dir.open(temp.path);
  const others = ['.onecopy', '.onecopy-mine', 'data'];
  for (const name of others) mkdirSync(join(temp.path, name));
  writeFileSync(join(temp.path, '.onecopy-AAAAAAAAAAAA'), 'a file');
  const kept = [...others, '.onecopy-AAAAAAAAAAAA'];
  const staging = StagingFolder.make(parent);
  mkdirSync(join(temp.path, staging.name, 'sub'), { mode: 0 });
  removeAbandoned(parent);
  assert.deepEqual(readdirSync(temp.path).sort(), [...kept, staging.name].sort());
  staging[Symbol.dispose]();
  removeAbandoned(parent);
  assert.deepEqual(readdirSync(temp.path).sort(), kept.sort());
});

test('nothing is removed from a folder where other users can rename, unless it is sticky', () => {
  using temp = makeTempDir();
  for (const [mode, left] of [
    [0o777, 1],
    [0o1777, 0],
  ] as const) {
    mkdirSync(join(temp.path, '.onecopy-AAAAAAAAAAAA'), { recursive: true });
    chmodSync(temp.path, mode);
    using parent = Dir.open(temp.path);
    removeAbandoned(parent);
    assert.equal(readdirSync(temp.path).length, left);
  }
});

test('a tree is removed whatever its modes, and a symbolic link in its place is not followed', () => {
  using temp = makeTempDir();
  mkdirSync(join(temp.path, 'tree/closed/below'), { recursive: true });
  chmodSync(join(temp.path, 'tree/closed'), 0);
  mkdirSync(join(temp.path, 'other'), { mode: 0o711 });
  symlinkSync('other', join(temp.path, 'link'));
  using parent = Dir.open(temp.path);
  removeTree(parent, 'tree' as ByteString);
  assert.throws(() => removeTree(parent, 'link' as ByteString));
  assert.deepEqual(readdirSync(temp.path).sort(), ['link', 'other']);
  assert.equal(statSync(join(temp.path, 'other')).mode & 0o777, 0o711);
});

/** Creates a temporary directory below a parent, records it in a repository, and is killed. */
const KILLED = `
  const { Dir } = await import('#host');
  const { openRepository } = await import('#stores/composefs');
  const { StagingFolder } = await import(${JSON.stringify(new URL('./staging.ts', import.meta.url).href)});
  const [repo, parent] = process.argv.slice(1);
  const repository = await openRepository(repo);
  const staging = StagingFolder.make(Dir.open(parent));
  repository.exports.add(staging.path);
  process.kill(process.pid, 'SIGKILL');
`;

test('gc removes staging folders of killed exports everywhere, and keeps those of running exports', async () => {
  using temp = makeTempDir();
  const [repo, killed, living] = ['repo', 'killed', 'living'].map((name) => join(temp.path, name));
  for (const path of [killed, living]) mkdirSync(path as string);
  const config = { algorithm: 'sha256', insecure: true } as const;
  using repository = (await initRepository(repo as string, config)).repository;
  const flags = ['--conditions=onecopy-source', '--input-type=module', '-e', KILLED];
  const child = spawnSync(process.execPath, [...flags, repo as string, killed as string]);
  assert.equal(child.signal, 'SIGKILL', child.stderr.toString());
  assert.equal(readdirSync(killed as string).length, 1);
  using parent = Dir.open(living as string);
  using staging = StagingFolder.make(parent);
  using _note = repository.exports.add(staging.path);
  assert.equal(removeAbandonedExports(repository), 1);
  assert.deepEqual(readdirSync(killed as string), []);
  assert.deepEqual(readdirSync(living as string), [staging.name]);
  assert.equal(readdirSync(join(repo as string, '.onecopy/exports')).length, 1);
});

test('a staging note that another user could write, or that names another file, is not followed', async () => {
  using temp = makeTempDir();
  const repo = join(temp.path, 'repo');
  const config = { algorithm: 'sha256', insecure: true } as const;
  using repository = (await initRepository(repo, config)).repository;
  const folder = join(temp.path, '.onecopy-AAAAAAAAAAAA');
  mkdirSync(folder);
  mkdirSync(join(temp.path, 'data'));
  const notes = join(repo, '.onecopy/exports');
  mkdirSync(notes, { recursive: true });
  writeFileSync(join(notes, 'a'), folder);
  chmodSync(join(notes, 'a'), 0o666);
  writeFileSync(join(notes, 'b'), join(temp.path, 'data'));
  writeFileSync(join(notes, 'c'), 'x'.repeat(5000));
  symlinkSync(folder, join(notes, 'd'));
  execFileSync('mkfifo', [join(notes, 'e')]);
  assert.equal(removeAbandonedExports(repository), 0);
  chmodSync(join(notes, 'a'), 0o644);
  chmodSync(notes, 0o777);
  assert.equal(removeAbandonedExports(repository), 0);
  assert.deepEqual(readdirSync(temp.path).sort(), ['.onecopy-AAAAAAAAAAAA', 'data', 'repo']);
});
