import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderFsckText } from '#faces/cfsctl';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import {
  checkRepository,
  collectGarbage,
  initRepository,
  openRepository,
  type Repository,
} from '#stores/composefs';
import { needs } from '../support/capability.ts';
import { unpackGoldenRepository } from '../support/golden-repo.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Runs the real tool; fails the test when it does not succeed. */
function cfsctl(...args: readonly string[]): string {
  const run = spawnSync('cfsctl', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  equal(run.status, 0, `cfsctl ${args.join(' ')}: ${run.stderr}${run.stdout}`);
  return run.stdout;
}

/** Every path below a directory with its size, links with length of their target. */
function listing(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const full = join(entry.parentPath, entry.name);
      return `${full.slice(path.length)} ${entry.isFile() ? statSync(full).size : ''}`;
    })
    .sort();
}

/** Stores two documents and a layer-like stream under a name each, rooted by a reference. */
async function fill(repository: Repository): Promise<void> {
  const { algorithm } = repository;
  const file = repository.objects.ensureBytes(Buffer.alloc(70_000, 3)).id;
  const layer = new SplitstreamWriter({ algorithm, contentType: CONTENT_TYPES.ociLayer });
  layer.writeInline(Buffer.alloc(512, 1));
  layer.writeExternal(file, 70_000);
  layer.writeInline(Buffer.alloc(1234, 2));
  const layerId = repository.streams.publish('layer', await layer.finish());
  const document = Buffer.from('{"a":1}');
  const config = new SplitstreamWriter({ algorithm, contentType: CONTENT_TYPES.ociBlob });
  config.addNamedRef('layer', layerId);
  config.writeExternal(repository.objects.ensureBytes(document).id, document.length);
  repository.streams.publish('config', await config.finish(), { ref: 'kept/config' });
  repository.objects.ensureBytes(Buffer.from('garbage'));
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`cfsctl opens, reads, checks and collects a repository of onecopy: ${algorithm}`, async (t) => {
    if (!needs(t, 'tool:cfsctl')) return;
    using temp = makeTempDir();
    const path = join(temp.path, 'r');
    {
      const { repository } = await initRepository(path, { algorithm, insecure: true });
      using open = repository;
      await fill(open);
    }
    const fsck = cfsctl('--repo', path, 'fsck');
    const before = listing(path);
    {
      using repository = await openRepository(path);
      equal(renderFsckText(await checkRepository(repository)), fsck);
    }
    const layer = cfsctl('--repo', path, 'cat', 'layer');
    equal(layer.length, 512 + 70_000 + 1234);
    equal(cfsctl('--repo', path, 'cat', 'refs/kept/config'), '{"a":1}');
    equal(
      cfsctl('--repo', path, 'init', '--insecure', `--algorithm=fsverity-${algorithm}-12`, path),
      `Repository already initialized at ${path}\n`,
    );
    deepEqual(listing(path), before, 'reading changes nothing');
    equal(cfsctl('--repo', path, 'gc'), 'Objects: 1 removed (7 bytes)\n');
    using repository = await openRepository(path);
    equal((await collectGarbage(repository)).objectsRemoved, 0, 'we have nothing to add');
    equal(repository.streams.list().length, 2);
  });

  test(`onecopy opens a repository initialised by cfsctl, and its own is equal: ${algorithm}`, async (t) => {
    if (!needs(t, 'tool:cfsctl')) return;
    using temp = makeTempDir();
    const theirs = join(temp.path, 'theirs');
    const ours = join(temp.path, 'ours');
    cfsctl('init', '--insecure', `--algorithm=fsverity-${algorithm}-12`, theirs);
    (await initRepository(ours, { algorithm, insecure: true })).repository[Symbol.dispose]();
    deepEqual(readFileSync(join(theirs, 'meta.json')), readFileSync(join(ours, 'meta.json')));
    deepEqual(listing(theirs), listing(ours));
    const { repository, created } = await initRepository(theirs, { algorithm, insecure: true });
    using open = repository;
    equal(created, false);
    await fill(open);
    ok(cfsctl('--repo', theirs, 'fsck').endsWith('status: ok\n'));
  });
}

test('cfsctl and onecopy collect the same garbage after the last tag is removed', async (t) => {
  if (!needs(t, 'tool:cfsctl')) return;
  using one = makeTempDir();
  using two = makeTempDir();
  const theirs = unpackGoldenRepository('whiteouts/repo-sha256-v1', one.path);
  const ours = unpackGoldenRepository('whiteouts/repo-sha256-v1', two.path);
  const tagged = cfsctl('--repo', theirs, 'gc');
  cfsctl('--repo', theirs, 'oci', 'untag', 'img');
  const untagged = cfsctl('--repo', theirs, 'gc');
  using repository = await openRepository(ours);
  const render = async () => {
    const result = await collectGarbage(repository);
    const objects = `Objects: ${result.objectsRemoved} removed (${result.objectsBytes} bytes)\n`;
    const { imagesPruned, streamsPruned } = result;
    if (imagesPruned + streamsPruned === 0) return objects;
    return `${objects}Pruned symlinks: ${imagesPruned} images, ${streamsPruned} streams\n`;
  };
  equal(await render(), tagged);
  repository.tags.remove('img');
  equal(await render(), untagged);
  deepEqual(listing(ours), listing(theirs));
});

test('gc of cfsctl and gc of onecopy ignore the directory .onecopy', async (t) => {
  if (!needs(t, 'tool:cfsctl')) return;
  using temp = makeTempDir();
  const path = unpackGoldenRepository('whiteouts/repo-sha256-v1', temp.path);
  const own = join(path, '.onecopy/of-some-kind');
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'a-file'), 'nobody else needs this');
  ok(cfsctl('--repo', path, 'fsck').endsWith('status: ok\n'));
  cfsctl('--repo', path, 'gc');
  ok(existsSync(join(own, 'a-file')));
  using repository = await openRepository(path);
  ok((await checkRepository(repository)).ok);
  equal((await collectGarbage(repository)).objectsRemoved, 0);
  ok(existsSync(join(own, 'a-file')));
});

test('while onecopy has a repository open, cfsctl reads it, and its gc waits', async (t) => {
  if (!needs(t, 'tool:cfsctl')) return;
  using temp = makeTempDir();
  const path = unpackGoldenRepository('basic/repo-sha256-v1', temp.path);
  using _open = await openRepository(path);
  ok(cfsctl('--repo', path, 'fsck').endsWith('status: ok\n'));
  const waiting = spawnSync('cfsctl', ['--repo', path, 'gc'], { timeout: 300 });
  equal(waiting.status, null, 'it was still waiting when it was stopped');
});
