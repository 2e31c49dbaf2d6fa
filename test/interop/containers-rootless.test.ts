import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../support/capability.ts';
import { unpackStore } from '../support/containers-stores.ts';
import { type CliRun, cliEnvironment, runCli } from '../support/run-cli.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The user of the golden store, and its subordinate ids. */
const USER = 1000;
const RANGE = 'fx:100000:65536\n';
/** A file that belongs to one of these ids in the golden store, and that others may not read. */
const SUBORDINATE = 100_999;

/** What runs before the program: its own files of users, and the checkout where the user may enter. */
const PREPARE = `
mount --make-rprivate /
for name in passwd subuid subgid; do mount --bind "$0/$name" "/etc/$name"; done
mount --bind "$1" "$0/app"
shift
exec setpriv --reuid=${USER} --regid=${USER} --clear-groups -- "$0/app/bin/onecopy" "$@"
`;

interface Place extends Disposable {
  readonly path: string;
  /** The golden store, as part of a reference. */
  readonly store: string;
  /** Runs onecopy as the user. */
  run(...args: readonly string[]): CliRun;
}

function makePlace(t: TestContext, range = RANGE): Place | undefined {
  if (!needs(t, 'root', 'tool:newuidmap', 'tool:unshare', 'tool:setpriv')) return undefined;
  const temp = makeTempDir();
  const { path } = temp;
  chmodSync(path, 0o755);
  const store = unpackStore('rootless', join(path, 'store'));
  for (const name of ['app', 'home']) mkdirSync(join(path, name));
  chownSync(join(path, 'home'), USER, USER);
  writeFileSync(
    join(path, 'passwd'),
    `root:x:0:0::/root:/bin/sh\nfx:x:${USER}:${USER}::${path}/home:/bin/sh\n`,
  );
  for (const name of ['subuid', 'subgid']) writeFileSync(join(path, name), range);
  const home = join(path, 'home');
  const env = cliEnvironment({ HOME: home, ONECOPY_REPO: join(home, 'repo') });
  env['PATH'] = `${dirname(process.execPath)}:${env['PATH']}`;
  return {
    path,
    store,
    run(...args) {
      const words = ['--mount', 'sh', '-euc', PREPARE, path, ROOT, ...args];
      const done = spawnSync('unshare', words, { encoding: 'utf8', env, cwd: '/' });
      if (done.error !== undefined) throw done.error;
      return done;
    },
    [Symbol.dispose]: () => temp[Symbol.dispose](),
  };
}

/** Ids of the EROFS images of a repository. */
function imagesOf(repo: string): string[] {
  return readdirSync(join(repo, 'images')).filter((name) => name !== 'refs');
}

test('an image with files of subordinate ids is pulled and exported in a user namespace, with the result of root', (t) => {
  using place = makePlace(t);
  if (place === undefined) return;
  const reference = `containers-storage:${place.store}localhost/rl:1`;
  const pulled = place.run('pull', reference, 'app');
  equal(pulled.status, 0, pulled.stderr);
  match(pulled.stderr, /subordinate ids of this user: trying again in a user namespace/);
  const repo = join(place.path, 'of-root');
  equal(runCli(['pull', '-q', reference, 'app'], { repo }).status, 0);
  const own = join(place.path, 'home/repo');
  deepEqual(imagesOf(own), imagesOf(repo));
  for (const name of readdirSync(own, { recursive: true, encoding: 'utf8' })) {
    equal(statSync(join(own, name)).uid, USER, name);
  }
  const graph = join(place.path, 'home/graph');
  const target = `containers-storage:[overlay@${graph}+${graph}-run]localhost/back:1`;
  const exported = place.run('export', 'app', target);
  equal(exported.status, 0, exported.stderr);
  const files = readdirSync(join(graph, 'overlay'), { recursive: true, encoding: 'utf8' });
  const ownerOf = (name: string) =>
    statSync(join(graph, 'overlay', name), { throwIfNoEntry: false })?.uid;
  ok(files.some((name) => ownerOf(name) === SUBORDINATE));
});

test('a user without subordinate ids gets an error that names what is missing', (t) => {
  using place = makePlace(t, '');
  if (place === undefined) return;
  const refused = place.run('--json', 'pull', `containers-storage:${place.store}localhost/rl:1`);
  equal(refused.status, 8, refused.stderr);
  equal(JSON.parse(refused.stderr).error.code, 'STORE_NEEDS_NAMESPACE');
});
