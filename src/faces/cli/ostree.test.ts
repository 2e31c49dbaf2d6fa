import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakeHttp } from '../../../test/support/fake-http.ts';
import { type GoldenStep, readGolden } from '../../../test/support/golden-repo.ts';
import { unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/onecopy', import.meta.url));
const TINY = 'c51efa0182c5e5997bd88360ecdc85cb3faef8fa6ed4f9560e36b9329be14feb';
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b';
const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790';

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line on a repository of its own, without progress. */
function onecopy(repo: string, ...args: readonly string[]): Run {
  const { SOURCE_DATE_EPOCH: _, ...env } = process.env;
  return spawnSync(PROGRAM, ['--repo', repo, '--progress', 'none', ...args], {
    encoding: 'utf8',
    env,
  });
}

function ok(repo: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = onecopy(repo, ...args);
  assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

function json(repo: string, ...args: readonly string[]) {
  const document = JSON.parse(ok(repo, ...args, '--json'));
  assert.equal(document.schemaVersion, 1);
  return document;
}

test('the ostree verbs print what the same verbs of cfsctl print', () => {
  using fixture = unpackOstree('r-tiny-archive');
  const repo = `${fixture.path}/repo`;
  ok(repo, 'init', '--algorithm', 'fsverity-sha256-12', '--insecure');
  const pulled = json(repo, 'pull', `ostree-local:${fixture.path}/r-tiny-archive:t`);
  assert.deepEqual([pulled.kind, pulled.ref, pulled.commit], ['ostree', 't', TINY]);
  const steps = readGolden<readonly GoldenStep[]>('ostree/tiny-archive.local.sha256-v1.json');
  let compared = 0;
  for (const { cmd = [], rc, stdout } of steps) {
    const [, , , group, verb = '', ...rest] = cmd;
    const isSame = ['compute-id', 'dump', 'inspect', 'tag'].includes(verb);
    if (group !== 'ostree' || !isSame || rc !== 0) continue;
    assert.equal(ok(repo, 'ostree', verb, ...rest), stdout, verb);
    compared += 1;
  }
  assert.equal(compared, 6);
  const words = ['complete', '--', '--repo', repo, 'ostree', 'show', ''];
  const completed = spawnSync(PROGRAM, words, { encoding: 'utf8' }).stdout.split('\n');
  assert.deepEqual(
    completed.map((line) => line.split('\t')[0]).filter((name) => !name?.startsWith(':')),
    ['copy/of', 't', ''],
  );
  assert.equal(ok(repo, 'ostree', 'untag', 't'), 'Removed name t\n');
  assert.equal(onecopy(repo, 'ostree', 'untag', 't').status, 4);
  const { images } = json(repo, 'ostree', 'images');
  assert.deepEqual(
    images.map((one: { name: string; commit: string }) => [one.name, one.commit]),
    [['copy/of', TINY]],
  );
});

test('a pulled commit is listed, compared and exported, and a second pull finds it present', () => {
  using fixture = unpackOstree('mini');
  const repo = `${fixture.path}/repo`;
  const source = `ostree-local:${fixture.path}/fxmini/r-archive`;
  const before = json(repo, 'pull', `${source}:test/v1`, '-n');
  assert.deepEqual([before.wouldCreate, before.commit], [true, V1]);
  ok(repo, 'init', '--algorithm', 'fsverity-sha256-12', '--insecure');
  const dry = json(repo, 'pull', `${source}:test/v1`, '-n');
  assert.deepEqual([dry.dryRun, dry.commit, dry.isPresent], [true, V1, false]);
  ok(repo, 'pull', `${source}:test/v1`);
  assert.equal(json(repo, 'pull', `${source}:test/v1`, '-n').isPresent, true);
  ok(repo, 'pull', `${source}:test/main`);
  const meta = new URL('../../../test/golden/ostree/mini-meta/v1.ls-RCX.txt', import.meta.url);
  // One file's name has a line feed, which `ostree` prints as it is.
  const listing = readFileSync(meta, 'utf8').replace('\nbreak', '\\x0abreak');
  assert.equal(ok(repo, 'ostree', 'ls', '-RXC', 'test/v1'), listing);
  assert.match(
    ok(repo, 'ostree', 'log', 'test/main'),
    /^commit fcb2.*\nParent: {2}79d9.*\nContentChecksum: {2}\w{64}\nDate: {2}2024-02-03 04:05:06 \+0000\nVersion: 2\.0\n\n {4}Second commit\n\ncommit 79d9/,
  );
  const changes = ok(repo, 'ostree', 'diff', 'test/v1', 'test/main').split('\n');
  for (const line of ['- /delta/removed-in-v2', '+ /delta/new-big.bin']) {
    assert.ok(changes.includes(line), line);
  }
  assert.equal(onecopy(repo, 'ostree', 'diff', 'test/v1', 'test/main', '--exit-code').status, 3);
  assert.equal(ok(repo, 'ostree', 'cat', 'test/v1', '/hello.txt'), 'hello world\n');
  const out = `${fixture.path}/out`;
  assert.equal(onecopy(repo, 'ostree', 'export', 'test/v1', out).status, 4);
  const flags = ['--mode', 'archive', '--reference', 'x/y'];
  assert.equal(
    ok(repo, 'ostree', 'export', 'test/v1', out, ...flags),
    `commit  ${V1}\ntagged  x/y\n`,
  );
  assert.equal(readFileSync(`${out}/refs/heads/x/y`, 'latin1'), `${V1}\n`);
  const files = json(repo, 'ostree', 'checkout', 'test/v1', `${fixture.path}/files`, '--no-owners');
  assert.equal(files.commit, V1);
  assert.equal(readFileSync(`${fixture.path}/files/hello.txt`, 'latin1'), 'hello world\n');
});

test('a commit of a directory gets its ref, and a wrong command line exits with 2', () => {
  using temp = makeTempDir();
  const repo = `${temp.path}/repo`;
  mkdirSync(`${temp.path}/tree/s`, { recursive: true });
  writeFileSync(`${temp.path}/tree/a`, 'hi\n');
  const tree = ['--tree', `dir=${temp.path}/tree`];
  const details = ['--reference', 'my/ref', '-s', 'subject', '--timestamp', '@1704164645'];
  const plan = json(repo, 'ostree', 'commit', ...tree, ...details, '-n', '--no-init');
  assert.deepEqual([plan.dryRun, plan.ref], [true, 'my/ref']);
  ok(repo, 'init', '--insecure');
  const owners = ['--owner-uid', '0', '--owner-gid', '0', '--no-xattrs'];
  const metadata = ['--add-metadata', 'n=uint32 7', '--add-metadata-string', 'version=1'];
  const made = json(repo, 'ostree', 'commit', ...tree, ...details, ...owners, ...metadata);
  assert.deepEqual([made.ref, made.parent, made.changed], ['my/ref', null, true]);
  assert.equal(
    ok(repo, 'ostree', 'inspect', '--metadata', 'my/ref'),
    'version=1\nn=7\nostree.ref-binding=[my/ref]\n',
  );
  assert.equal(json(repo, 'ostree', 'show', 'my/ref').date, '2024-01-02T03:04:05.000Z');
  for (const wrong of [
    ['ostree', 'commit'],
    ['ostree', 'commit', '--tree', 'zip=x'],
    ['ostree', 'commit', ...tree, '--timestamp', 'yesterday-ish'],
    ['ostree', 'commit', ...tree, '--parent', 'abc'],
    ['ostree', 'export', 'my/ref', 'x', '--mode', 'tape'],
    ['ostree', 'cat', 'my/ref', '/a', '--json'],
  ]) {
    assert.equal(onecopy(repo, ...wrong).status, 2, wrong.join(' '));
  }
  assert.equal(onecopy(repo, 'ostree', 'show', 'nope').status, 4);
});

test('ostree apply-delta applies a delta file, and verifies its signature on request', () => {
  using fixture = unpackOstree('mini');
  const repo = `${fixture.path}/repo`;
  const deltas = `${fixture.path}/fxmini/deltafiles`;
  const key = ['--sign-key', `${fixture.path}/fxmini/ed25519.public`];
  const first = `${deltas}/scratch-v1-inline.delta`;
  const plan = json(repo, 'ostree', 'apply-delta', first, '-n');
  assert.deepEqual(
    [plan.wouldCreate, plan.commit, plan.from, plan.isPresent, plan.files, plan.missing],
    [true, V1, null, false, 36, []],
  );
  ok(repo, 'init', '--insecure', '--algorithm', 'fsverity-sha256-12');
  assert.equal(onecopy(repo, 'ostree', 'apply-delta', first, ...key).status, 6);
  assert.equal(onecopy(repo, 'ostree', 'apply-delta', first, '-n', ...key).status, 6);
  const later = `${deltas}/v1-v2-inline.delta`;
  assert.equal(onecopy(repo, 'ostree', 'apply-delta', later, '-n').status, 4);
  const applied = json(repo, 'ostree', 'apply-delta', first, '--reference', 'v1');
  assert.deepEqual([applied.commit, applied.files], [V1, 36]);
  assert.match(ok(repo, 'ostree', 'apply-delta', first, '-n'), /is already stored/);
  const signed = `${deltas}/v1-v2-inline-signed.delta`;
  assert.equal(json(repo, 'ostree', 'apply-delta', signed, '-n', ...key).signedBy.length, 1);
  assert.equal(json(repo, 'ostree', 'apply-delta', signed, ...key).signedBy.length, 1);
});

test('an invalid ref is a usage error, and the error of a missing ref names list-refs', () => {
  using fixture = unpackOstree('r-tiny-archive');
  const source = `ostree-local:${fixture.path}/r-tiny-archive`;
  const repo = `${fixture.path}/repo`;
  const bad = onecopy(repo, 'pull', `${source}:bad name`);
  assert.deepEqual([bad.status, bad.stdout], [2, '']);
  assert.match(bad.stderr, /Cannot pull ref "bad name": expected words of letters/);
  const missing = onecopy(repo, 'pull', `${source}:nope`);
  assert.equal(missing.status, 4);
  assert.match(missing.stderr, /hint: List the refs of a source with: onecopy ostree list-refs/);
});

test('inspect-format prints one document, and exits with 3 if it has findings', () => {
  using fixture = unpackOstree('r-tiny-archive');
  const objects = `${fixture.path}/r-tiny-archive/objects`;
  const good = `${objects}/c5/1efa0182c5e5997bd88360ecdc85cb3faef8fa6ed4f9560e36b9329be14feb.commit`;
  const document = JSON.parse(ok(fixture.path, 'inspect-format', good));
  assert.deepEqual([document.format, document.document.checksum], ['ostree-commit', TINY]);
  const bad = `${objects}/c5/${'0'.repeat(62)}.commit`;
  writeFileSync(bad, readFileSync(good));
  assert.equal(onecopy(fixture.path, 'inspect-format', bad).status, 3);
  const wrong = ['inspect-format', good, '--as', 'ostree-dirtree'];
  assert.equal(onecopy(fixture.path, ...wrong).status, 7);
  assert.equal(onecopy(fixture.path, 'inspect-format', good, '--as', 'jpeg').status, 2);
});

test('pulls of several refs, a mirror, ancestors, subpaths and commit objects are listed and removed', () => {
  using fixture = unpackOstree('mini');
  const repo = `${fixture.path}/repo`;
  const archive = `ostree-local:${fixture.path}/fxmini/r-archive`;
  ok(repo, 'init', '--algorithm', 'fsverity-sha256-12', '--insecure');
  const plan = json(repo, 'pull', archive, 'test/v1', 'test/main', '-n');
  assert.deepEqual(
    plan.commits.map((one: { ref: string; isPresent: boolean }) => [one.ref, one.isPresent]),
    [
      ['test/v1', false],
      ['test/main', false],
    ],
  );
  const bare = json(repo, 'pull', `${archive}:test/main`, '--commit-metadata-only', '--depth=-1');
  assert.deepEqual([bare.imageId, bare.subpaths, bare.history.end], [null, [], 'root']);
  assert.deepEqual(bare.history.commits[0].commit, V1);
  assert.equal(json(repo, 'ostree', 'log', 'test/main').commits.length, 2);
  const part = json(repo, 'pull', `${archive}:test/main`, '--subpath', '/sort');
  assert.deepEqual([part.subpaths, typeof part.imageId], [['/sort'], 'string']);
  assert.match(
    ok(repo, 'pull', `${archive}:test/main`, '--subpath', 'dup1'),
    /subpath: {2}\/sort\n/,
  );
  ok(repo, 'gc', '-y');
  assert.equal(json(repo, 'fsck').ok, true);
  const { images, partial } = json(repo, 'ostree', 'images');
  assert.deepEqual(
    [images, partial[0].name, partial[0].subpaths],
    [[], 'test/main', ['/dup1', '/sort']],
  );
  assert.match(
    ok(repo, 'ostree', 'images'),
    /test\/main +partial +fcb2\w+ +\w+ +only \/dup1 \/sort/,
  );
  assert.equal(json(repo, 'ostree', 'log', 'test/main').commits.length, 2);
  assert.match(ok(repo, 'ostree', 'inspect', 'test/main'), /only {4}\/dup1 \/sort/);
  assert.deepEqual(json(repo, 'ostree', 'ls', 'test/main', '/dup1').subpaths, ['/dup1', '/sort']);
  ok(repo, 'ostree', 'untag', 'test/main');
  assert.equal(onecopy(repo, 'ostree', 'log', 'test/main').status, 4);
  const mirror = json(repo, 'pull', archive, '--mirror');
  assert.deepEqual(mirror.commits.map(({ ref }: { ref: string }) => ref).sort(), [
    'test/main',
    'test/v1',
  ]);
  assert.equal(json(repo, 'ostree', 'images').images.length, 2);
  for (const [wrong, status] of [
    [[archive], 2],
    [[`${archive}:test/v1`, '--mirror'], 2],
    [[`${archive}:test/v1`, '--commit-metadata-only', '--subpath', '/sort'], 2],
    [[`${archive}:test/v1`, '--depth', 'deep'], 2],
    [[`${archive}:test/v1`, '--timestamp-check-from', 'test/main'], 2],
    [[`${archive}:test/v1`, '--timestamp-check-from', V2], 6],
    [[`${archive}:test/v1`, '--subpath', '/none'], 4],
  ] as const) {
    assert.equal(onecopy(repo, 'pull', ...wrong).status, status, wrong.join(' '));
  }
});

test('a pull sends the HTTP headers of its options, and resolves refs by the summary file of --summary', async () => {
  using fixture = unpackOstree('mini');
  await using server = await FakeHttp.start({ root: fixture.path });
  const repo = `${fixture.path}/repo`;
  const remote = `ostree:${server.url}/fxmini/r-deltas`;
  const summary = `${fixture.path}/fxmini/r-deltas/summary`;
  ok(repo, 'init', '--insecure', '--algorithm', 'fsverity-sha256-12');
  const headers = ['--http-header', 'X-One=1', '--http-header', 'X-Two: 2 = 2'];
  const limits = ['--retries', '0', '--stall-timeout', '20', '--summary', summary];
  const pulled = json(repo, 'pull', remote, 'test/v1', 'test/main', ...headers, ...limits);
  assert.deepEqual(
    pulled.commits.map(({ commit }: { commit: string }) => commit),
    [V1, V2],
  );
  const { log } = await server.read();
  assert.ok(log.length > 0);
  assert.ok(log.every((one) => one.headers['x-one'] === '1' && one.headers['x-two'] === '2 = 2'));
  assert.ok(!log.some(({ path }) => path.endsWith('/summary')));
  for (const [wrong, status] of [
    [['--http-header', 'X-One'], 2],
    [['--http-header', 'X-One=a\nX-Two=b'], 2],
    [['--summary-signatures', summary], 2],
    [['--stall-timeout', '0'], 2],
  ] as const) {
    assert.equal(
      onecopy(repo, 'pull', remote, 'test/v1', ...wrong).status,
      status,
      wrong.join(' '),
    );
  }
});

test('the settings of a configured remote also apply to a pull from a local repository', () => {
  using fixture = unpackOstree('mini');
  const repo = `${fixture.path}/repo`;
  const source = `ostree-local:${fixture.path}/fxmini/r-archive:test/v1`;
  const config = `${fixture.path}/remotes`;
  writeFileSync(config, '[remote "o"]\nurl=http://127.0.0.1/\ngpg-verify=false\n');
  ok(repo, 'init', '--algorithm', 'fsverity-sha256-12', '--insecure');
  const pull = (...more: readonly string[]) => onecopy(repo, 'pull', source, ...more).status;
  assert.equal(pull('--remote-config', config), 2);
  assert.equal(pull('--remote-config', `${config}.none`, '--remote', 'o'), 4);
  assert.equal(pull('--remote-config', config, '--remote', 'p'), 4);
  const key = `verification-ed25519-key=${Buffer.alloc(32, 1).toString('base64')}`;
  const signed = `gpg-verify=false\nsign-verify=true\n${key}`;
  writeFileSync(config, `[remote "o"]\nurl=http://127.0.0.1/\n${signed}\n`);
  assert.equal(pull('--remote-config', config, '--remote', 'o'), 6);
  writeFileSync(config, '[remote "o"]\nurl=http://127.0.0.1/\ngpg-verify=false\n');
  assert.equal(pull('--remote-config', config, '--remote', 'o'), 0);
});

test('a pull uses the URL of a configured remote, and list-refs also reads a local repository', async () => {
  using fixture = unpackOstree('mini');
  await using server = await FakeHttp.start({ root: fixture.path });
  const repo = `${fixture.path}/repo`;
  const config = `${fixture.path}/remotes`;
  writeFileSync(config, `[remote "o"]\nurl=${server.url}/fxmini/r-deltas\ngpg-verify=false\n`);
  const remote = ['--remote-config', config, '--remote', 'o'];
  ok(repo, 'init', '--insecure', '--algorithm', 'fsverity-sha256-12');
  assert.equal(json(repo, 'pull', 'ostree:test/v1', ...remote).commit, V1);
  assert.equal(json(repo, 'pull', 'ostree:', '--mirror', ...remote).commits.length, 2);
  const listed = json(repo, 'ostree', 'list-refs', ...remote).refs;
  const path = `${fixture.path}/fxmini/r-deltas`;
  for (const place of [path, `ostree-local:${path}`]) {
    const refs = json(repo, 'ostree', 'list-refs', place).refs;
    assert.deepEqual(refs.map(nameAndCommit), listed.map(nameAndCommit));
  }
  assert.equal(onecopy(repo, 'ostree', 'list-refs').status, 2);
  assert.equal(onecopy(repo, 'ostree', 'list-refs', `${path}/none`).status, 4);
  assert.equal(onecopy(repo, 'gc', '-n', '--depth', '1').status, 2);
  assert.match(ok(repo, 'gc', '-y', '--depth', '0'), /ancestors are no longer kept/);
});

function nameAndCommit({ name, commit }: { readonly name: string; readonly commit: string }) {
  return [name, commit];
}

test('fsck of a commit reads all its files, and names damaged and missing objects', () => {
  using fixture = unpackOstree('mini');
  const repo = `${fixture.path}/repo`;
  ok(repo, 'init', '--algorithm', 'fsverity-sha256-12', '--insecure');
  ok(repo, 'pull', `ostree-local:${fixture.path}/fxmini/r-archive:test/v1`);
  const { commits } = json(repo, 'fsck', 'test/v1');
  assert.deepEqual([commits[0].commit, commits[0].findings], [V1, []]);
  const [file = ''] = globSync(`${repo}/objects/*/*`).filter(
    (one) => statSync(one).size === 20_000,
  );
  writeFileSync(file, Buffer.alloc(20_000, 7));
  const damaged = onecopy(repo, 'fsck', 'test/v1');
  assert.equal(damaged.status, 3);
  assert.match(damaged.stdout, /CONTENT_DAMAGED/);
  assert.equal(onecopy(repo, 'fsck', 'test/v1', '--metadata-only').status, 0);
  rmSync(file);
  const missing = onecopy(repo, 'fsck', 'test/v1', '--metadata-only');
  assert.equal(missing.status, 3);
  assert.match(missing.stdout, /CONTENT_MISSING/);
});

test('an image is exported as a commit into an OSTree repository', () => {
  using temp = makeTempDir();
  const repo = `${temp.path}/repo`;
  const layout = new URL('../../../test/golden/unified/cases/01-rules-policy/oci', import.meta.url);
  ok(repo, 'init', '--insecure');
  ok(repo, 'pull', `oci:${layout.pathname}:latest`, 'app');
  const target = `ostree-local:${temp.path}/out`;
  assert.equal(onecopy(repo, 'export', 'app', `${target}:x`).status, 4);
  assert.equal(onecopy(repo, 'export', 'app', `${target}:x`, '--mode', 'odd').status, 2);
  assert.equal(onecopy(repo, 'export', 'app', `${target}:x`, '--compression', 'gzip').status, 2);
  assert.equal(onecopy(repo, 'export', 'app', `oci:${temp.path}/l:x`, '--empty-boot').status, 2);
  const planned = json(repo, 'export', 'app', target, '-n', '--mode', 'bare-user');
  assert.deepEqual(
    [planned.dryRun, planned.ref],
    [true, 'ostree/container/image/docker_3A__2F__2F_app'],
  );
  const made = json(repo, 'export', 'app', target, '--mode', 'bare-user');
  assert.deepEqual([made.kind, made.isLabelled, made.refs], ['ostree', true, [planned.ref]]);
  const less = json(repo, 'export', 'app', `${target}:less`, '--empty-boot', '--empty-sysroot');
  assert.notEqual(less.rootTree, made.rootTree);
  const refs = json(repo, 'ostree', 'list-refs', `${temp.path}/out`).refs;
  assert.deepEqual(refs.map(nameAndCommit), [
    ['less', less.commit],
    [planned.ref, made.commit],
  ]);
});
