import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from '../support/temp-dir.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAYOUT = join(ROOT, 'test/golden/cfsctl/oci/basic/layout');
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;

type Environment = Readonly<Record<string, string | undefined>>;

function run(program: string, args: readonly string[], cwd: string, more?: Environment): string {
  const env = { ...process.env, PATH, ...more };
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', env });
  assert.equal(done.status, 0, `${program} ${args.join(' ')}: ${done.stderr}${done.stdout}`);
  return done.stdout;
}

test('the packed package contains no Node.js, has its three programs, and can pull', () => {
  using scratch = makeTempDir();
  const { path } = scratch;
  run(process.execPath, ['tools/build.ts'], ROOT);
  const [packed] = JSON.parse(
    run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', path], ROOT),
  ) as [{ filename: string }];
  run('tar', ['xzf', packed.filename], path);
  const home = join(path, 'package');
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const wanted = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
  assert.deepEqual(
    wanted.filter((name) => name.startsWith('node')),
    [],
  );
  assert.ok(!existsSync(join(home, 'src')));
  mkdirSync(join(home, 'node_modules'));
  for (const name of wanted) {
    if (name.startsWith('@'))
      mkdirSync(join(home, 'node_modules', dirname(name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(home, 'node_modules', name));
  }
  mkdirSync(join(path, 'bin'));
  for (const [name, file] of Object.entries<string>(manifest.bin)) {
    symlinkSync(join(home, file), join(path, 'bin', name));
  }
  const repository = ['--repo', join(path, 'repo')];
  const onecopy = join(path, 'bin/onecopy');
  const kept = { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: join(path, 'cache') };
  const cat = (more: Environment = kept) =>
    run(onecopy, [...repository, 'cat', 'basic', '/hello.txt'], path, more);
  assert.equal(run(onecopy, ['--version'], path, kept), `onecopy ${manifest.version}\n`);
  run(onecopy, [...repository, '-q', 'pull', `oci:${LAYOUT}:latest`, 'basic'], path, kept);
  assert.equal(cat(), 'hello from test layer\n');
  assert.match(run(join(path, 'bin/mkcomposefs'), ['--help'], path, kept), /^Usage: mkcomposefs/);

  // The compiled code of what ran, which nobody misses when it is damaged, or when there is no place for it.
  const cache = join(path, 'cache/onecopy');
  const files = readdirSync(cache, { recursive: true, withFileTypes: true });
  const compiled = files.filter((entry) => entry.isFile());
  assert.ok(compiled.length > 5, `${compiled.length} files of compiled code`);
  for (const { parentPath, name } of compiled) {
    writeFileSync(join(parentPath, name), Buffer.alloc(4096, name));
  }
  assert.equal(cat(), 'hello from test layer\n');
  assert.equal(cat({ ...kept, XDG_CACHE_HOME: undefined, HOME: undefined }), cat());
  assert.ok(!existsSync('/tmp/.cache/onecopy'));

  // What is installed is what the tests of the faces run, once more. `npm run signals` interrupts the packed program.
  const others = ['launcher.test.ts', 'signals.test.ts'];
  const suites = readdirSync(join(ROOT, 'test/faces'))
    .filter((name) => name.endsWith('.test.ts') && !others.includes(name))
    .map((name) => join(ROOT, 'test/faces', name));
  run(process.execPath, ['--test', '--test-reporter=dot', ...suites], ROOT, {
    ...kept,
    ONECOPY_PROGRAM: onecopy,
    NODE_TEST_CONTEXT: undefined,
  });
});
