import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeVerity } from '#formats/fsverity';
import { inflateContent, inlineMaxBytes, parseFilez } from '#formats/ostree';
import { checkRepository, initRepository, openRepository } from '#stores/composefs';
import { listCommitRefs } from '#work/commits';
import { pullCommit } from '#work/pull-commit';
import { needs } from '../support/capability.ts';
import { FakeHttp } from '../support/fake-http.ts';
import { cases } from '../support/long-form.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Points at which the pull is killed; the release gate runs more. */
const KILLS = cases(4, 50);
const FILES = 700;
const CHILD = fileURLToPath(new URL('./ostree-pull-child.ts', import.meta.url));

/** A served repository with a tree of small, middling and linked files. */
function makeRemote(path: string): void {
  const tree = join(path, 'tree');
  for (let index = 0; index < FILES; index++) {
    const folder = join(tree, `d${index % 30}`, `e${index % 7}`);
    mkdirSync(folder, { recursive: true });
    const content = `${index} `.repeat(1 + ((index * 37) % 400));
    writeFileSync(join(folder, `f${index}`), content);
    if (index % 9 === 0) symlinkSync(`f${index}`, join(folder, `l${index}`));
  }
  const run = (...args: string[]) =>
    execFileSync('ostree', [`--repo=${join(path, 'remote')}`, ...args], { stdio: 'pipe' });
  run('init', '--mode=archive');
  run('commit', '-b', 'main', `--tree=dir=${tree}`, '--owner-uid=0', '--owner-gid=0');
}

/** Object id of the content of a served file; undefined when it is kept inline. */
function objectIdOf(remote: string, path: string): string | undefined {
  const { header, payload } = parseFilez(readFileSync(join(remote, path)));
  if (header.sizeBytes <= inlineMaxBytes('sha256')) return undefined;
  return computeVerity(inflateContent(header, payload), 'sha256');
}

function storedObjects(repository: string): Set<string> {
  const ids = new Set<string>();
  if (!existsSync(join(repository, 'objects'))) return ids;
  for (const folder of readdirSync(join(repository, 'objects'))) {
    for (const name of readdirSync(join(repository, 'objects', folder))) ids.add(folder + name);
  }
  return ids;
}

/** Runs the pull, killed after a while. @returns true when it was faster than the kill */
async function pullUntilKilled(repository: string, url: string, afterMs: number): Promise<boolean> {
  const child = fork(CHILD, [repository, url, 'main'], { stdio: 'ignore' });
  await once(child, 'message');
  const exit = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [status] = (await exit) as [number | null];
  clearTimeout(timer);
  assert.ok(status === 0 || status === null, `the pull ended with ${status}`);
  return status === 0;
}

test('a commit pull killed at any point sets no ref and is clean, and the next pull fetches no stored object again', async (t) => {
  if (!needs(t, 'tool:ostree')) return;
  using temp = makeTempDir();
  makeRemote(temp.path);
  await using server = await FakeHttp.start({ root: join(temp.path, 'remote'), latencyMs: 15 });
  let killed = 0;
  for (let point = 0; point < KILLS; point++) {
    const path = join(temp.path, `repo-${point}`);
    (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository[
      Symbol.dispose
    ]();
    const afterMs = 20 + Math.random() * 500;
    const isDone = await pullUntilKilled(path, server.url, afterMs);
    using repository = await openRepository(path);
    assert.ok((await checkRepository(repository)).ok, `fsck after ${afterMs} ms`);
    if (isDone) continue;
    killed++;
    assert.equal(listCommitRefs(repository).length, 0);
    const stored = storedObjects(path);
    await server.reset();
    const source = { kind: 'remote', url: server.url } as const;
    const pulled = await pullCommit(repository, source, 'main', { deltas: 'never' });
    const { log } = await server.read();
    for (const { path: asked } of log.filter((one) => one.path.endsWith('.filez'))) {
      const id = objectIdOf(join(temp.path, 'remote'), asked);
      assert.ok(id === undefined || !stored.has(id), `${asked} was stored and fetched again`);
    }
    assert.equal(pulled.counts.filesFetched + pulled.counts.filesKnown, uniqueFiles(temp.path));
    assert.ok((await checkRepository(repository)).ok);
    assert.ok(!existsSync(join(path, '.onecopy/resume')), 'nothing is left to resume');
  }
  assert.ok(killed > 0, 'no pull was killed in time');
});

function uniqueFiles(path: string): number {
  const names = readdirSync(join(path, 'remote/objects'), { recursive: true }) as string[];
  return names.filter((name) => name.endsWith('.filez')).length;
}
