import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { flippedFileObject } from '../damaged/flipped-file-object.ts';
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

/** The one error document on stderr; stdout must be empty. */
function errorOf({ stdout, stderr }: CliRun): {
  code: string;
  hint: string | null;
  message: string;
} {
  equal(stdout, '');
  return JSON.parse(stderr).error;
}

test('a wrong command line exits 2 with the error and a pointer to the help', () => {
  const none = run();
  deepEqual([none.status, none.stdout], [2, '']);
  match(none.stderr, /^Usage: onecopy \[options\] <verb>\n/);
  const unknown = run('imgaes');
  deepEqual(unknown, {
    status: 2,
    stdout: '',
    stderr:
      "onecopy: Cannot read the command line: unknown verb 'imgaes'\n  hint: Did you mean images?\n",
  });
  const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['frobnicate', '--json'], /unknown verb 'frobnicate'/],
    [['help', 'frobnicate', '--json'], /unknown option|unknown verb/],
    [['pull', '--json'], /missing required argument 'reference'/],
    [['images', '--bogus', '--json'], /unknown option '--bogus'/],
    [['images', 'extra', '--json'], /expected at most 0 arguments, found 1: extra/],
    [['--repo=', 'images', '--json'], /expected a path after --repo, found an empty text/],
    [['cp', 'app', '/etc', '.', '--json'], /as one argument: app:\/etc\/os-release/],
    [['pull', 'docker:alpine', '--json'], /two slashes after the colon: docker:\/\/alpine/],
    [['pull', 'dokcer://alpine', '--json'], /expected a known transport, found .*docker:\/\/HOST/],
    [['pull', 'docker://', '--json'], /expected HOST\/NAME after docker:\/\/, found nothing/],
    [['pull', './layout', '--json'], /From an OCI layout: oci:\.\/layout/],
    [['copy', 'app', 'oci:x:y', '--json'], /use export or push/],
    [['--user', '--system', 'images', '--json'], /one of --repo, --user and --system/],
    [['images', '--progress', 'loud', '--json'], /Cannot read --progress: expected auto, plain/],
    [['fsck', '--jobs', '0', '--json'], /Cannot read --jobs: expected a whole number from 1/],
    [['find', 'x', '--type', 'q', '--json'], /Cannot read --type/],
    [['gc', '--apply', 'a', '--plan', 'b', '--json'], /expected --apply alone/],
    [['cp', 'nopath', 'x', '--json'], /expected NAME:\/PATH/],
    [['cat', 'x', '/y', '--json'], /Cannot print contents of files as JSON/],
  ];
  for (const [args, message] of cases) {
    const answer = run(...args);
    equal(answer.status, 2, `${args.join(' ')}: ${answer.stderr}`);
    const error = errorOf(answer);
    ok(['USAGE', 'REFERENCE_INVALID'].includes(error.code), error.code);
    match(`${error.message} ${error.hint}`, message);
  }
});

test('a wrong command line of a known verb points to the help of the verb', () => {
  match(run('diff', 'app').stderr, /hint: Run `onecopy help diff` for its arguments/);
  match(run('ostree', 'show').stderr, /hint: Run `onecopy help ostree show` for/);
  match(run('help', 'frobnicate').stderr, /hint: Run `onecopy help` for a list of verbs\n/);
});

test('a verb of another tool, an option with one dash and a missing transport get a hint that works when typed', () => {
  match(run('prune').stderr, /unknown verb 'prune'\n {2}hint: Did you mean gc\?\n$/);
  match(
    run('find', 'app', '-name', 'x').stderr,
    /unknown option '-name'\n {2}hint: Long options have two dashes: --name\n$/,
  );
  match(
    run('ostree', 'commit', '--ref', 'x').stderr,
    /unknown option '--ref'\n {2}hint: Did you mean --reference\?\n$/,
  );
  match(run('tags', 'alpine').stderr, /\n {2}hint: Write docker:\/\/alpine\n$/);
});

test('help explains every command group and verb on stdout', () => {
  const whole = run('help');
  equal(whole.status, 0);
  for (const verb of ['pull', 'export', 'images', 'gc', 'fsck', 'mount']) {
    match(whole.stdout, new RegExp(`^  ${verb} `, 'm'));
  }
  const verb = run('help', 'gc');
  match(
    verb.stdout,
    /^Usage: onecopy gc \[options\]\n[\s\S]*--plan <file>[\s\S]*Global options:\n[\s\S]*Examples:\n/,
  );
  deepEqual(run('gc', '--help'), verb);
  // The value of a global option is not the verb.
  deepEqual(run('--jobs', '2', 'gc', '--help'), verb);
  equal(run('-V').stdout, `onecopy ${packageVersion()}\n`);
});

function packageVersion(): string {
  const url = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version;
}

test('a missing image, path or ref exits 4, and an unknown name gets a hint that lists the existing ones', () => {
  const text = run('inspect', 'nope');
  deepEqual(text, {
    status: 4,
    stdout: '',
    stderr:
      'onecopy: Cannot find "nope": the repository has no image or commit of this name or id\n' +
      '  hint: List all names with: onecopy images\n',
  });
  const image = JSON.parse(run('images', '--json').stdout).images[0].name;
  for (const verb of ['ls', 'tree', 'cat', 'stat', 'find']) {
    const file = run(verb, image, '/nope');
    deepEqual(file, {
      status: 4,
      stdout: '',
      stderr: `onecopy: Cannot find "/nope" in "${image}"\n`,
    });
  }
  const json = run('history', 'nope', '--json');
  deepEqual([json.status, errorOf(json).code], [4, 'IMAGE_NOT_FOUND']);
  const tag = run('untag', 'nope', '--json');
  deepEqual([tag.status, errorOf(tag).code], [4, 'TAG_NOT_FOUND']);
  const mount = run('umount', scratch.path, '--json');
  deepEqual([mount.status, errorOf(mount).code], [4, 'MOUNT_NOT_FOUND']);
  const source = run('pull', `oci:${join(scratch.path, 'absent')}`, '--json');
  equal(source.status, 4);
  const repository = runCli(['images', '--repo', join(scratch.path, 'absent')]);
  equal(repository.status, 4);
  match(
    repository.stderr,
    /^onecopy: Cannot open repository ".*": there is no such directory\n {2}cause: Cannot open .*ENOENT.*\n {2}hint: .*--repo\n$/,
  );
  const refused = runCli([
    '--no-init',
    '--repo',
    join(scratch.path, 'absent'),
    'pull',
    goldenReference('basic'),
  ]);
  equal(refused.status, 4);
  const homeless = runCli(['--user', 'images', '--json'], { env: { HOME: '' } });
  deepEqual([homeless.status, errorOf(homeless).code], [4, 'HOME_UNSET']);
});

test('untag removes the name of a bare image that is missing', () => {
  using temp = makeMemoryDir();
  const own = unpackGoldenRepository('whiteouts/repo-sha256-v1', temp.path);
  mkdirSync(join(own, 'images/refs'), { recursive: true });
  for (const name of ['gone', 'lost'])
    symlinkSync(`../${'0'.repeat(64)}`, join(own, 'images/refs', name));
  const untag = (...args: readonly string[]) => runCli([...args], { repo: own });
  deepEqual(untag('untag', 'gone'), { status: 0, stdout: 'Removed name gone\n', stderr: '' });
  equal(untag('-n', 'untag', 'refs/lost').status, 0);
  equal(untag('untag', 'refs/lost').status, 0);
  equal(untag('untag', 'refs/lost').status, 4);
});

test('an unknown verb exits 2 and an unknown name exits 4, also with --help or --json', () => {
  equal(run('fsck', 'nope', '--json').status, 4);
  const unknown = run('frob', '--help');
  deepEqual([unknown.status, unknown.stdout], [2, '']);
  match(unknown.stderr, /unknown verb 'frob'/);
  const help = run('ostree', 'help', 'show');
  deepEqual([help.status, help.stderr], [0, '']);
  match(help.stdout, /^Usage: onecopy ostree show /);
});

test('a conflict exits 5, damaged bytes 6, an invalid form 7, an unsupported one 8, a missing transport 2', () => {
  const conflict = run('init', '--algorithm', 'fsverity-sha512-12', '--json');
  deepEqual([conflict.status, errorOf(conflict).code], [5, 'REPO_EXISTS']);
  const blob = run('pull', goldenReference('quirk-bad-blob-same-size'), 'bad', '--json', '-q');
  deepEqual([blob.status, errorOf(blob).code], [6, 'BLOB_DIGEST_MISMATCH']);
  const verity = run('--require-verity', 'images', '--json');
  equal(verity.status, 6);
  const plan = join(scratch.path, 'bad-plan.json');
  writeFileSync(plan, '{"kind":"gc-plan","schemaVersion":1,"objects":[{"id":7}]}');
  const form = run('gc', '--apply', plan, '--json', '-q');
  deepEqual([form.status, errorOf(form).code], [7, 'GC_PLAN_INVALID']);
  const transport = run('pull', 'composefs:/x:y', '--json');
  deepEqual([transport.status, errorOf(transport).code], [8, 'TRANSPORT_UNSUPPORTED']);
  const bare = run('pull', 'app:1');
  deepEqual(bare, {
    status: 2,
    stdout: '',
    stderr:
      'onecopy: Cannot pull "app:1": expected a transport before the name, found none\n' +
      '  hint: From a registry: docker://app:1; from a layout: oci:DIRECTORY:TAG\n',
  });
  const settled = run('--repo', '/etc', 'pull', goldenReference('basic'), 'x', '--json');
  deepEqual([settled.status, errorOf(settled).code], [5, 'REPO_DIRECTORY_FOREIGN']);
  equal(run('fsck', '-q').status, 0);
});

test('damage makes fsck exit 3 with findings, and cat exit 6 with empty stdout', () => {
  using temp = makeMemoryDir();
  const damaged = unpackGoldenRepository('whiteouts/repo-sha256-v1', temp.path);
  flippedFileObject(damaged);
  const text = runCli(['-q', 'fsck'], { repo: damaged });
  deepEqual([text.status, text.stderr], [3, '']);
  match(text.stdout, /object-digest-mismatch: objects\/[\s\S]*\n2 findings\n$/);
  const report = JSON.parse(runCli(['-q', 'fsck', '--json'], { repo: damaged }).stdout);
  equal(report.ok, false);
  deepEqual(
    report.findings
      .map(({ kind }: { kind: string }) => kind)
      .filter((kind: string) => kind === 'object-digest-mismatch'),
    ['object-digest-mismatch'],
  );
  const [image] = JSON.parse(runCli(['images', '--json'], { repo: damaged }).stdout).images;
  const found = JSON.parse(
    runCli(['find', image.name, '--min-size', '300', '--max-size', '300', '--json'], {
      repo: damaged,
    }).stdout,
  );
  const read = runCli(['cat', image.name, found.entries[0].path, '-q'], { repo: damaged });
  deepEqual([read.status, read.stdout], [6, '']);
  match(read.stderr, /^onecopy: Cannot .*\n(.*\n)* {2}hint: /);
});

test('an unexpected libzstd is reported once, also with --quiet', () => {
  const preload =
    "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,zstd:'1.5.6'}})";
  const { status, stderr } = runCli(['-q', '-n', 'pull', goldenReference('basic')], {
    repo,
    env: { NODE_OPTIONS: `--import=${preload}` },
  });
  equal(status, 0);
  equal(
    stderr,
    "onecopy: warning: this Node compresses with libzstd 1.5.6, not 1.5.7: ids of new streams will differ from cfsctl's\n",
  );
});
