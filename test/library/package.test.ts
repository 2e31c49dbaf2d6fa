import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { unpackOstree } from '../support/ostree-fixture.ts';
import { filesBelow, installPacked, linkPackage, ROOT } from '../support/packed-package.ts';

const KEYRING = join(ROOT, 'test/golden/ostree/mini-meta/gpg-public.asc');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

let scratch = '';
let home = '';

before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'onecopy-package-'));
  home = installPacked(scratch);
});
after(() => rmSync(scratch, { recursive: true }));

/** Runs the installed command line, or a program that uses the library. */
function run(program: string, ...args: readonly string[]) {
  const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  const env = { ...process.env, PATH, NODE_COMPILE_CACHE: undefined, NODE_TEST_CONTEXT: undefined };
  return spawnSync(program, args, { cwd: scratch, encoding: 'utf8', env });
}

test('pages of the package link only to files of the package', () => {
  const packed = new Set(filesBelow(home));
  const pages = [...packed].filter((name) => name.endsWith('.md'));
  assert.ok(pages.includes('README.md') && pages.includes('SECURITY.md'));
  const broken = pages.flatMap((page) =>
    [...readFileSync(join(home, page), 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !target.includes('://') && !packed.has(join(dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('the types of every door compile in a strict program, with all types that they use', () => {
  const program = join(scratch, 'types');
  mkdirSync(program);
  for (const name of ['@types', 'undici-types']) linkPackage(scratch, name);
  const { exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
  };
  const doors = Object.keys(exports).filter((name) => typeof exports[name] === 'object');
  assert.ok(doors.length >= 7);
  const lines = doors.map(
    (door, index) => `import * as door${index} from 'onecopy${door.slice(1)}';`,
  );
  const names = doors.map((_, index) => `door${index}`).join(', ');
  writeFileSync(
    join(program, 'program.mts'),
    `${lines.join('\n')}\nexport const doors: readonly object[] = [${names}];\n`,
  );
  for (const [resolution, module] of [
    ['node16', 'node16'],
    ['bundler', 'esnext'],
  ] as const) {
    const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--types', 'node'];
    const target = ['--target', 'es2022', '--lib', 'es2023,esnext.disposable'];
    const how = ['--moduleResolution', resolution, '--module', module];
    const done = run(process.execPath, TSC, ...options, ...target, ...how, 'types/program.mts');
    assert.equal(done.stdout + done.stderr, '', resolution);
    assert.equal(done.status, 0);
  }
});

const VERIFYING = `
import { openOrCreate } from 'onecopy';
import { gatesOfKeys } from 'onecopy/ostree';
import { readFileSync } from 'node:fs';
const [path, keyring] = process.argv.slice(2);
const { repository } = await openOrCreate({ path });
try {
  const commitGates = keyring ? await gatesOfKeys([readFileSync(keyring)], []) : [];
  process.stdout.write(String(commitGates.length));
} catch (error) {
  process.stdout.write(error.code);
} finally {
  repository[Symbol.dispose]();
}
`;

test('without openpgp a required verification is refused, with a hint to install it', () => {
  using fixture = unpackOstree('mini');
  const onecopy = join(home, 'bin/onecopy');
  const source = `ostree-local:${fixture.path}/fxmini/r-signed:test/v1`;
  const pull = (name: string, ...more: readonly string[]) =>
    run(onecopy, '--repo', join(scratch, name), 'pull', source, '--json', ...more);
  writeFileSync(join(scratch, 'verifying.mjs'), VERIFYING);
  const verify = (...keyring: readonly string[]) =>
    run(process.execPath, 'verifying.mjs', join(scratch, 'library-repo'), ...keyring).stdout;

  const refused = pull('refused', '--gpg-key', KEYRING);
  assert.equal(refused.status, 8, refused.stderr);
  const { error } = JSON.parse(refused.stderr) as { error: { code: string; hint: string } };
  assert.equal(error.code, 'OPENPGP_MISSING');
  assert.match(error.hint, /npm install openpgp/);
  assert.equal(verify(KEYRING), 'OPENPGP_MISSING');
  // By a configured remote, which verifies with GPG unless it says otherwise.
  const config = join(scratch, 'remotes');
  writeFileSync(config, `[remote "o"]\nurl=http://127.0.0.1/\ngpgkeypath=${KEYRING}\n`);
  const remote = ['--remote-config', config, '--remote', 'o'];
  assert.equal(pull('refused', ...remote).status, 8);
  const listed = run(onecopy, '--repo', join(scratch, 'refused'), 'images', '-q');
  assert.equal(listed.stdout, '');

  const unverified = pull('unverified');
  assert.equal(unverified.status, 0, unverified.stderr);
  assert.deepEqual(JSON.parse(unverified.stdout).signedBy, []);
  assert.equal(verify(), '0');

  // What the hint says to do.
  linkPackage(scratch, 'openpgp');
  const verified = pull('verified', '--gpg-key', KEYRING);
  assert.equal(verified.status, 0, verified.stderr);
  assert.equal(JSON.parse(verified.stdout).signedBy.length, 1);
  assert.equal(pull('verified', ...remote).status, 0);
  assert.equal(verify(KEYRING), '1');
});
