/**
 * Recorded command lines of `cfsctl` that are about the repository or about the command line itself.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type GoldenStep, readGolden } from '../../support/golden-repo.ts';
import { ONECOPY } from '../../support/run-cli.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { cfsctl, replay } from './replay.ts';

const CFSCTL = join(dirname(ONECOPY), 'cfsctl');

test('cfsctl parses command lines as recorded', async () => {
  using temp = makeTempDir();
  const steps = readGolden<GoldenStep[]>('cli/usage.cfsctl-0.9.4.json');
  const places = { repo: join(temp.path, 'r'), scratch: temp.path };
  assert.equal((await cfsctl(['init', '--insecure', places.repo])).status, 0);
  // The words of help are our own; the two C tools are other programs.
  const isOther = ({ cmd, ...rest }: GoldenStep) =>
    rest['stdout_sha256'] !== undefined || /^(mkcomposefs|composefs-info)$/.test(cmd?.[1] ?? '');
  assert.deepEqual(await replay(steps, places, { isSkipped: isOther }), []);
});

test('cfsctl prints help of every command, and its version', async () => {
  const whole = await cfsctl(['--help']);
  assert.equal(whole.status, 0);
  assert.match(whole.stdout.toString(), /^Usage: cfsctl \[OPTIONS\] <COMMAND>/);
  const pull = await cfsctl(['help', 'oci', 'pull']);
  assert.match(pull.stdout.toString(), /Usage: cfsctl oci pull \[OPTIONS\] <IMAGE> \[NAME\]/);
  assert.match(pull.stdout.toString(), /--local-fetch <LOCAL_FETCH>/);
  assert.equal((await cfsctl(['-V'])).stdout.toString(), 'cfsctl 0.9.4\n');
});

test('cfsctl makes repositories as recorded', async () => {
  using temp = makeTempDir();
  const steps = readGolden<GoldenStep[]>('cli/init.json');
  const mismatches = await replay(steps, { repo: temp.path, scratch: temp.path });
  // One that failed leaves its folder in the original.
  assert.deepEqual(
    mismatches.map(({ expected, found }) => [expected, found]),
    [['d 0700 secure', '']],
  );
});

test('cfsctl refuses --no-repo for a command that needs a repository', async () => {
  const { status, stderr } = await cfsctl(['--no-repo', 'images']);
  assert.equal(status, 1);
  assert.match(stderr, /^Error: --no-repo is only supported for/);
});

test('cfsctl stores a layer only if the tar matches the diff id', async () => {
  using temp = makeTempDir();
  const repo = join(temp.path, 'r');
  await cfsctl(['init', '--insecure', repo]);
  const tar = spawnSync('tar', ['-cf', '-', '-C', '/', 'etc/hostname'], {
    maxBuffer: 1 << 24,
  }).stdout;
  const wrong = `sha256:${'0'.repeat(64)}`;
  const refused = await cfsctl(['--repo', repo, 'oci', 'import-layer', wrong], tar);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /expected|the tar is/);
  const { createHash } = await import('node:crypto');
  const right = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const stored = await cfsctl(['--repo', repo, 'oci', 'import-layer', right, 'mine'], tar);
  assert.equal(stored.status, 0, stored.stderr);
  assert.match(stored.stdout.toString(), /^sha512:[0-9a-f]{128}\n$/);
  const back = await cfsctl(['--repo', repo, 'oci', 'layer', right]);
  assert.ok(back.stdout.equals(tar));
  assert.ok((await cfsctl(['--repo', repo, 'cat', 'refs/mine'])).stdout.equals(tar));
});

test('cfsctl create-image and compute-id give one id for a directory, and dump-files reads it by name', async () => {
  using temp = makeTempDir();
  const repo = join(temp.path, 'r');
  const tree = join(temp.path, 'tree');
  mkdirSync(join(tree, 'usr'), { recursive: true });
  writeFileSync(join(tree, 'usr/file'), 'x'.repeat(1000));
  await cfsctl(['init', '--insecure', '--algorithm', 'fsverity-sha256-12', repo]);
  const made = await cfsctl(['--repo', repo, 'create-image', tree, 'name/x']);
  assert.equal(made.status, 0, made.stderr);
  const id = made.stdout.toString().trim().replace('sha256:', '');
  const computed = await cfsctl(['--repo', repo, 'compute-id', tree]);
  assert.equal(computed.stdout.toString(), `${id}\n`);
  const files = await cfsctl(['--repo', repo, 'dump-files', 'refs/name/x', '/usr/file']);
  assert.match(files.stdout.toString(), /^\/usr\/file 1000 100644 1 /);
  const slash = await cfsctl(['--repo', repo, 'dump-files', 'name/x', '/usr/file']);
  assert.equal(slash.status, 1, 'a name with a slash is spelled refs/');
  const refused = await cfsctl(['--repo', repo, 'import-image', 'junk'], Buffer.from('no image'));
  assert.equal(refused.status, 1);
});

test('the launcher starts cfsctl by its name, and the C tools as subcommands of cfsctl', () => {
  const version = spawnSync(CFSCTL, ['--version'], { encoding: 'utf8' });
  assert.equal(version.stdout, 'cfsctl 0.9.4\n');
  const usage = spawnSync(CFSCTL, ['images', '--nope'], { encoding: 'utf8' });
  assert.equal(usage.status, 2);
  assert.match(usage.stderr, /unexpected argument '--nope' found/);
  const tool = spawnSync(CFSCTL, ['mkcomposefs'], { encoding: 'utf8' });
  assert.equal(tool.status, 2);
  assert.match(tool.stderr, /mkcomposefs/);
});

test('command lines and names that composefs-rs refuses are refused with the same exit codes', async () => {
  using temp = makeTempDir();
  const repo = join(temp.path, 'r');
  const made = await cfsctl(['init', '--insecure', '--algorithm', 'fsverity-sha256-12', repo]);
  assert.equal(made.status, 0, made.stderr);
  const none = '0'.repeat(64);
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [1, ['oci', 'pull', 'nonsense:x']],
    [1, ['oci', 'pull', './x']],
    [2, ['oci', 'inspect', '@sha256:abc']],
    [1, ['oci', 'inspect', `@sha256:${none}`]],
    [2, ['oci', 'compute-id', '@x']],
    [2, ['oci', 'dump', '@sha256:abc']],
    [2, ['oci', 'prepare-boot', '@x']],
    [2, ['oci', 'copy', '@x', '--from', repo]],
    [1, ['oci', 'linked-erofs-images', 'x']],
    [1, ['oci', 'linked-erofs-images', none]],
    [0, ['gc', '--dry-run']],
    [1, ['gc', '--dry-run', '--root', 'nothing']],
  ];
  for (const [status, argv] of cases) {
    const said = await cfsctl(['--repo', repo, ...argv]);
    assert.equal(said.status, status, `${argv.join(' ')}: ${said.stderr}`);
    if (status > 0) assert.equal(said.stdout.length, 0);
  }
});

test('a dry run of gc prints no links, and prepare-boot creates its directory', async () => {
  using temp = makeTempDir();
  const [repo, boot] = [join(temp.path, 'r'), join(temp.path, 'deep/er/boot')];
  const layout = new URL('../../golden/cfsctl/oci/bootable/layout', import.meta.url).pathname;
  await cfsctl(['init', '--insecure', '--algorithm', 'fsverity-sha256-12', repo]);
  const pulled = await cfsctl(['--repo', repo, 'oci', 'pull', '--bootable', `oci:${layout}`, 'b']);
  assert.equal(pulled.status, 0, pulled.stderr);
  const prepare = ['--repo', repo, 'oci', 'prepare-boot', 'b', '--bootdir', boot];
  for (const name of ['a/b', '..']) {
    assert.equal((await cfsctl([...prepare, '--entry-id', name])).status, 1);
  }
  assert.deepEqual(readdirSync(temp.path), ['r']);
  const prepared = await cfsctl(prepare);
  assert.equal(prepared.status, 0, prepared.stderr);
  assert.ok(readdirSync(boot).includes('loader'));
  await cfsctl(['--repo', repo, 'oci', 'untag', 'b']);
  const dry = (await cfsctl(['--repo', repo, 'gc', '-n'])).stdout.toString();
  assert.match(dry, /^Dry run \(no files deleted\):\nObjects: \d+ removed \(\d+ bytes\)\n$/);
  const done = (await cfsctl(['--repo', repo, 'gc'])).stdout.toString();
  assert.match(done, /^Pruned symlinks: 2 images, 3 streams$/m);
});
