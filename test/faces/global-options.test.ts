/** Global options of the command line: warnings with `--json` and `-q`, the choice of a store, damaged metadata, moved names. */
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

test('a warning is printed with -q, and is part of the document with --json', () => {
  const quiet = pullNew('quiet', '-q');
  equal(quiet.status, 0, quiet.stderr);
  match(quiet.stderr, /^onecopy: warning: Creating .*quiet without fs-verity/);
  const json = pullNew('json', '--json');
  equal(json.stderr, '');
  const { warnings } = JSON.parse(json.stdout);
  equal(warnings.length, 1);
  match(warnings[0], /^Creating .*json without fs-verity/);
});

test('the document of an error lists the warnings printed before it', () => {
  const config = join(scratch.path, 'new');
  const failed = runCli([
    ...['--repo', config, 'pull', goldenReference('quirk-bad-blob-same-size'), 'bad', '--json'],
  ]);
  equal(failed.status, 6);
  const { error, warnings } = JSON.parse(failed.stderr);
  equal(error.code, 'BLOB_DIGEST_MISMATCH');
  match(warnings[0], /without fs-verity/);
});

test('an option that selects a store is refused for a verb that does not use it', () => {
  const stray = run('--sysroot', scratch.path, 'images');
  deepEqual([stray.status, stray.stdout], [2, '']);
  match(stray.stderr, /Cannot run images: --sysroot applies to the unified verbs/);
  const { status, stderr } = run('--repo', repo, 'unified', 'status');
  equal(status, 2);
  match(stderr, /--repo does not apply/);
});

test('a damaged meta.json is reported with a repair command, and that command works', () => {
  const place = join(scratch.path, 'damaged');
  cpSync(repo, place, { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(place, 'meta.json'), '{');
  const refused = runCli(['--repo', place, 'images']);
  equal(refused.status, 7);
  match(refused.stderr, /Cannot open repository ".*damaged": its meta\.json is damaged\n/);
  match(refused.stderr, /hint: Rename meta\.json, then .*onecopy --repo .*damaged init\n/);
  renameSync(join(place, 'meta.json'), join(place, 'meta.json.damaged'));
  equal(runCli(['--repo', place, 'init']).status, 0);
});

test('tag reports the image that had the name, and rm removes nothing if one name is unknown', () => {
  const place = join(scratch.path, 'names');
  const ask = (...args: string[]) => runCli(['--repo', place, ...args]);
  const [a, b] = ['basic', 'types'].map((name) => {
    return JSON.parse(ask('pull', goldenReference(name), name, '--json').stdout).manifestDigest;
  });
  const replaced = `  replaced: ${b}, which had this name\n`;
  equal(ask('tag', 'basic', 'types').stdout, `Tagged ${a} as types\n${replaced}`);
  equal(ask('rm', 'basic', 'nope').status, 4);
  equal(ask('untag', 'basic', 'nope').status, 4);
  const id = ask('images', '-q').stdout.trim();
  match(id, /^[0-9a-f]{12}$/);
  const refused = ask('untag', id);
  match(refused.stderr, /hint: This is an id\. To remove one of its names \(basic, types\)/);
  equal(ask('rm', id, 'basic').status, 0);
});
