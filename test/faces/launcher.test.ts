import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../support/capability.ts';
import { cliEnvironment, ONECOPY } from '../support/run-cli.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { writeTestLayout } from '../support/test-layout.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/onecopy', import.meta.url));
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;
const SOMEBODY_ELSE = 1000;

/** An installed package whose program prints the folder from which Node takes compiled code. */
function install(folder: string): string {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  mkdirSync(join(folder, 'dist/program'), { recursive: true });
  copyFileSync(LAUNCHER, join(folder, 'bin/onecopy'));
  writeFileSync(
    join(folder, 'dist/program/onecopy.js'),
    "process.stdout.write(process.env.NODE_COMPILE_CACHE ?? 'none')",
  );
  return join(folder, 'bin/onecopy');
}

function cacheUsed(program: string, environment: Readonly<Record<string, string>>): string {
  const done = spawnSync(program, [], { encoding: 'utf8', env: { PATH, ...environment } });
  assert.equal(done.stderr, '');
  return done.stdout;
}

test('the compile cache is below the home directory, in a folder that only its user can write', () => {
  using scratch = makeTempDir();
  const program = install(join(scratch.path, 'package'));
  const home = join(scratch.path, 'home');
  mkdirSync(home);
  assert.equal(cacheUsed(program, { HOME: home }), join(home, '.cache/onecopy'));
  assert.equal(statSync(join(home, '.cache')).mode & 0o777, 0o700);
  assert.equal(statSync(join(home, '.cache/onecopy')).mode & 0o777, 0o700);
  symlinkSync(home, join(scratch.path, 'link'));
  const linked = cacheUsed(program, { HOME: join(scratch.path, 'link') });
  assert.equal(linked, join(home, '.cache/onecopy'));
  const named = { HOME: '/nowhere', NODE_COMPILE_CACHE: join(home, 'named') };
  assert.equal(cacheUsed(program, named), join(home, 'named'));
  assert.equal(cacheUsed(program, {}), 'none');
});

test('no compile cache is read from a folder where others can write', () => {
  using scratch = makeTempDir();
  const program = install(join(scratch.path, 'package'));
  for (const mode of [0o720, 0o702, 0o777, 0o1777]) {
    const home = join(scratch.path, `home-${mode.toString(8)}`);
    mkdirSync(home);
    chmodSync(home, mode);
    assert.equal(cacheUsed(program, { HOME: home }), 'none');
    const deep = join(home, 'a/b');
    mkdirSync(deep, { recursive: true });
    const isSafe = mode === 0o1777 && process.geteuid?.() === 0;
    assert.equal(
      cacheUsed(program, { NODE_COMPILE_CACHE: deep }),
      isSafe ? deep : 'none',
      mode.toString(8),
    );
    const link = join(scratch.path, `link-${mode.toString(8)}`);
    symlinkSync(home, link);
    assert.equal(cacheUsed(program, { HOME: link }), 'none');
    assert.ok(!existsSync(join(home, '.cache')));
  }
  const up = `${scratch.path}/none/../home-777/new`;
  assert.equal(cacheUsed(program, { NODE_COMPILE_CACHE: up }), 'none');
  assert.equal(cacheUsed(program, { NODE_COMPILE_CACHE: 'relative' }), 'none');
});

test('root reads no compile cache from a folder of another user', (t) => {
  if (!needs(t, 'root')) return;
  using scratch = makeTempDir();
  const program = install(join(scratch.path, 'package'));
  const home = join(scratch.path, 'home');
  const cache = join(home, '.cache/onecopy');
  mkdirSync(cache, { recursive: true });
  for (const folder of [home, join(home, '.cache'), cache]) {
    chownSync(folder, SOMEBODY_ELSE, SOMEBODY_ELSE);
    for (const named of [{ HOME: home }, { NODE_COMPILE_CACHE: cache }]) {
      assert.equal(cacheUsed(program, named), 'none', folder);
    }
    chownSync(folder, 0, 0);
  }
  assert.equal(cacheUsed(program, { HOME: home }), cache);
});

test('a full or closed stdout gives one error line and an exit status, and a reader that left gives none', () => {
  using scratch = makeTempDir();
  const layout = join(scratch.path, 'layout');
  const tar = testTar(Array.from({ length: 3000 }, (_, at) => ({ name: `file-${at}` })));
  const { reference } = writeTestLayout(layout, [{ tar }]);
  const run = (verb: string, redirection: string) => {
    const script = `"$0" ${verb} ${redirection}`;
    const environment = cliEnvironment({ ONECOPY_REPO: join(scratch.path, 'repo') });
    return spawnSync('sh', ['-c', script, ONECOPY], { encoding: 'utf8', env: environment });
  };
  assert.equal(run(`pull -q ${reference} x`, '').status, 0);
  for (const verb of ['--version', 'images', 'ls -R x', 'help']) {
    const full = run(verb, '>/dev/full');
    assert.equal(full.status, 14, `${verb}: ${full.stderr}`);
    assert.match(full.stderr, /^onecopy: Cannot write to standard output: no space .*ENOSPC\)\n$/);
    const closed = run(verb, '>&-');
    assert.equal(closed.status, 11, `${verb}: ${closed.stderr}`);
    assert.match(
      closed.stderr,
      /^onecopy: Cannot write to standard output: it is closed \(EBADF\)\n$/,
    );
  }
  for (const [redirection, status, code, errno] of [
    ['>/dev/full', 14, 'NO_SPACE', 'ENOSPC'],
    ['>&-', 11, 'SYSCALL_FAILED', 'EBADF'],
  ] as const) {
    const failed = run('images --json', redirection);
    const { schemaVersion, error } = JSON.parse(failed.stderr);
    assert.deepEqual(
      [failed.status, schemaVersion, error.code, error.details.errno],
      [status, 1, code, errno],
    );
  }
  assert.deepEqual(
    [run('ls -R x', '| head -n 1').stderr, run('images', '2>/dev/full').status],
    ['', 0],
  );
});

test('the program refuses to start through a link of an unknown name', () => {
  using scratch = makeTempDir();
  for (const name of ['mount', 'sh', 'composefs']) {
    const link = join(scratch.path, name);
    symlinkSync(LAUNCHER, link);
    const { status, stdout, stderr } = spawnSync(link, ['--version'], { encoding: 'utf8' });
    const message = `onecopy: Cannot start as "${name}": expected onecopy, cfsctl or one of the composefs tools\n  hint: The composefs tools are mkcomposefs, composefs-info, composefs-dump, composefs-fuse and mount.composefs\n`;
    assert.deepEqual([status, stdout, stderr], [2, '', message]);
  }
});
