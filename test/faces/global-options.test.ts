/** Global options of the command line: warnings with `--json` and `-q`, the choice of a store, sizes with suffixes. */
import { deepEqual, equal, match } from 'node:assert/strict';
import { cpSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { unpackGoldenRepository } from '../support/golden-repo.ts';
import { type CliRun, goldenReference, runCli } from '../support/run-cli.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';

let scratch: TempDir;
let repo: string;

before(() => {
  scratch = makeMemoryDir();
  repo = unpackGoldenRepository('whiteouts/repo-sha256-v1', scratch.path);
});
after(() => scratch[Symbol.dispose]());

function run(...args: string[]): CliRun {
  return runCli(args, { repo });
}

/** A pull into a new repository on a filesystem without fs-verity, which causes a warning. */
function pullNew(name: string, ...options: string[]): CliRun {
  const place = join(scratch.path, name);
  return runCli(['--repo', place, 'pull', goldenReference('basic'), 'app', ...options]);
}

test('a warning is printed with -q, and is a member of the document with --json', () => {
  const quiet = pullNew('quiet', '-q');
  equal(quiet.status, 0, quiet.stderr);
  match(quiet.stderr, /^onecopy: warning: Creating .*quiet without fs-verity/);
  const json = pullNew('json', '--json');
  equal(json.stderr, '');
  const { warnings } = JSON.parse(json.stdout);
  equal(warnings.length, 1);
  match(warnings[0], /^Creating .*json without fs-verity/);
  const again = JSON.parse(pullNew('json', '--json').stdout);
  equal('warnings' in again, false);
});

test('the document of an error lists the warnings that came before the error', () => {
  const config = join(scratch.path, 'new');
  const failed = runCli([
    ...['--repo', config, 'pull', goldenReference('quirk-bad-blob-same-size'), 'bad', '--json'],
  ]);
  equal(failed.status, 6);
  const { error, warnings } = JSON.parse(failed.stderr);
  equal(error.code, 'BLOB_DIGEST_MISMATCH');
  match(warnings[0], /without fs-verity/);
});

test('an option that selects a store which the verb does not use is refused', () => {
  const stray = run('--sysroot', scratch.path, 'images');
  deepEqual([stray.status, stray.stdout], [2, '']);
  match(stray.stderr, /Cannot run images: --sysroot applies to the unified verbs/);
  for (const option of [['--repo', repo], ['--user'], ['--system']]) {
    const { status, stderr } = run(...option, 'unified', 'status');
    equal(status, 2);
    match(stderr, new RegExp(`${option[0]} does not apply`));
  }
});

test('a size has a suffix as in coreutils, or none', () => {
  const place = join(scratch.path, 'sizes');
  const pulled = runCli(['--repo', place, 'pull', goldenReference('basic'), 'app', '-q']);
  equal(pulled.status, 0);
  const found = (size: string) => {
    return runCli(['--repo', place, 'find', 'app', '--type=f', `--max-size=${size}`]);
  };
  const { stdout: all } = found('1T');
  for (const size of ['1k', '1K', '1KiB', '1024', '1024b', '1 kib', '0.001M']) {
    equal(found(size).status, 0, size);
  }
  equal(found('1024').stdout, found('1k').stdout);
  equal(found('1000').stdout, found('1kB').stdout);
  equal(found('64Gi').status, 2);
  equal(found('1GiB').stdout, all);
  for (const size of ['', 'k', '-1', '1.5', '1x', '1kk', '0x10', '1e3', '99999999P']) {
    const { status, stderr } = found(size);
    equal(status, 2, size);
    match(stderr, /Cannot read --max-size: expected a size such as 4096, 64k or 1\.5G, found/);
  }
});

test('a damaged meta.json is reported with the way to repair it, and that way works', () => {
  const place = join(scratch.path, 'damaged');
  cpSync(repo, place, { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(place, 'meta.json'), '{');
  const refused = runCli(['--repo', place, 'images']);
  equal(refused.status, 7);
  match(refused.stderr, /Cannot open repository ".*damaged": its meta\.json is damaged\n/);
  match(refused.stderr, /hint: Rename meta\.json, then .*onecopy --repo .*damaged init\n/);
  renameSync(join(place, 'meta.json'), join(place, 'meta.json.damaged'));
  equal(runCli(['--repo', place, 'init']).status, 0);
  equal(runCli(['--repo', place, 'images']).stdout, run('images').stdout);
});
