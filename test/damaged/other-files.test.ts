/** Files of another type, and links, in the places of a repository: no verb waits for a writer, or leaves the repository by a link. */
import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { initRepository } from '#stores/composefs';
import { resolveImageId } from '#work/image';
import { pullImage } from '#work/pull-image';
import { cliEnvironment, ONECOPY } from '../support/run-cli.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';
import { writeTinyImage } from '../support/tiny-images.ts';

interface Place {
  readonly repo: string;
  readonly reference: string;
  readonly imageId: string;
}

async function withImage(work: (place: Place) => void): Promise<void> {
  using temp = makeMemoryDir();
  const repo = join(temp.path, 'repo');
  const { reference } = await writeTinyImage(join(temp.path, 'layout'), 'a', [
    { files: { 'usr/': '', 'usr/file': 'content '.repeat(100) } },
  ]);
  const config = { algorithm: 'sha256', insecure: true } as const;
  const { repository } = await initRepository(repo, config);
  await pullImage(repository, reference, { name: 'app' });
  const imageId = resolveImageId(repository, 'app');
  repository[Symbol.dispose]();
  work({ repo, reference, imageId });
}

/** A program that waits for a FIFO in a system call does not listen to SIGTERM. */
function run(repo: string, ...args: string[]) {
  const env = cliEnvironment({ ONECOPY_REPO: repo });
  const limits = { timeout: 60_000, killSignal: 'SIGKILL' } as const;
  const done = spawnSync(ONECOPY, args, { encoding: 'utf8', env, ...limits });
  notEqual(done.signal, 'SIGKILL', `onecopy ${args.join(' ')} does not end`);
  return done;
}

const OTHERS: Readonly<Record<string, (path: string) => void>> = {
  'a FIFO': (path) => void execFileSync('mkfifo', [path]),
  'a directory': (path) => mkdirSync(path),
};

for (const [what, make] of Object.entries(OTHERS)) {
  test(`${what} in place of an object is reported, and a pull replaces it where possible`, async () => {
    await withImage(({ repo, reference, imageId }) => {
      const path = join(repo, 'objects', imageId.slice(0, 2), imageId.slice(2));
      rmSync(path);
      make(path);
      const check = run(repo, 'fsck');
      equal(check.status, 3, check.stderr);
      equal(run(repo, 'ls', 'app', '/usr').status, 0);
      run(repo, 'gc', '--dry-run');
      run(repo, 'export', 'app', join(repo, '../out'));
      run(repo, 'pull', reference, 'app');
      run(repo, 'pull', '--verify-reused', reference, 'app');
    });
  });

  test(`${what} in place of meta.json, a stream or a suspect mark is refused`, async () => {
    await withImage(({ repo, reference }) => {
      const layer = readdirSync(join(repo, 'streams')).find((name) => name.startsWith('oci-layer'));
      for (const name of ['meta.json', `streams/${layer}`, '.onecopy/suspect']) {
        const path = join(repo, name);
        rmSync(path, { recursive: true, force: true });
        mkdirSync(join(path, '..'), { recursive: true });
        make(path);
        for (const args of [['ls', 'app'], ['fsck'], ['gc'], ['pull', reference, 'app']]) {
          const { status, stderr } = run(repo, ...args);
          equal(stderr.includes('\n    at '), false, `${name}: ${args}: ${stderr}`);
          notEqual(status, null);
        }
        rmSync(path, { recursive: true });
      }
    });
  });
}

test('no verb lists, writes or removes tags through a symlink to another folder', async () => {
  await withImage(({ repo }) => {
    const outside = join(repo, '../outside');
    renameSync(join(repo, 'streams/refs/oci'), outside);
    symlinkSync(outside, join(repo, 'streams/refs/oci'));
    for (const args of [['images'], ['tag', 'app', 'b'], ['rm', 'app'], ['gc'], ['fsck']]) {
      const { status, stderr } = run(repo, ...args);
      equal(status, 6, `${args}: ${stderr}`);
      match(stderr, /expected "streams\/refs\/oci" to be a directory, found a symlink/);
    }
    deepEqual(readdirSync(outside), ['app']);
  });
});
