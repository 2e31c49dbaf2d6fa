import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Dir, isFullyShared } from '#host';
import { initRepository } from '#stores/composefs';
import { parseReference } from '#work/export';
import { pullImage } from '#work/pull-image';
import { synthesizeCommit } from '#work/synthesize';
import { needs } from '../support/capability.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { writeTinyImage } from '../support/tiny-images.ts';
import { expectedOf, pullCase } from '../support/unified-cases.ts';

/**
 * Runs ostree of this host, or of the root filesystem named by ONECOPY_PODMAN_ROOT, with a folder as its working directory; returns what it
 * printed.
 */
function ostreeIn(folder: string): (...args: string[]) => string {
  const root = process.env['ONECOPY_PODMAN_ROOT'] ?? '';
  return (...args) => {
    const script = `mkdir -p "$0/mnt"; mount --bind "$1" "$0/mnt"; mount -t proc proc "$0/proc"; shift; exec chroot "$0" sh -c 'cd /mnt; exec ostree "$@"' ostree "$@"`;
    const done =
      root === ''
        ? spawnSync('ostree', args, { cwd: folder, encoding: 'utf8' })
        : spawnSync(
            'unshare',
            ['--mount', '--propagation', 'private', 'sh', '-ec', script, root, folder, ...args],
            { encoding: 'utf8' },
          );
    assert.equal(done.status, 0, `ostree ${args.join(' ')}: ${done.stderr}${done.stdout}`);
    return done.stdout;
  };
}

async function workOn(t: TestContext) {
  if (!needs(t, 'root', 'xfs', 'tool:ostree')) return undefined;
  const filesystem = await mountLoopFilesystem('xfs');
  const path = filesystem.path;
  const { repository } = await initRepository(join(path, 'repo'), {
    algorithm: 'sha512',
    insecure: true,
  });
  return { filesystem, path, repository, ostree: ostreeIn(path) };
}

test('ostree accepts the commits of both routes, and finds only the known differences', async (t) => {
  const work = await workOn(t);
  if (work === undefined) return;
  await using _filesystem = work.filesystem;
  using repository = work.repository;
  const { path, ostree } = work;
  const name = '01-rules-policy';
  await pullCase(repository, name);
  const commits: string[] = [];
  for (const route of ['synthesis', 'classic'] as const) {
    const options = { route, refs: [route], createMode: 'bare', reflink: 'always' } as const;
    const made = await synthesizeCommit(repository, name, join(path, 'os'), options);
    assert.equal(made.external.copiedFiles, 0);
    commits.push(made.commit);
    ostree('fsck', '--repo=os');
    assert.match(ostree('show', '--repo=os', route), new RegExp(made.commit));
    const listed = ostree('ls', '--repo=os', '-RXC', route).trim().split('\n');
    const checkout = `checkout-${route}`;
    ostree('checkout', '--repo=os', route, checkout);
    const found = spawnSync('find', [join(path, checkout)], { encoding: 'utf8' }).stdout;
    assert.equal(found.trim().split('\n').length, listed.length);
    ostree('init', `--repo=${route}`, '--mode=archive');
    ostree('config', `--repo=${route}`, 'set', 'core.min-free-space-size', '1MB');
    ostree('pull-local', `--repo=${route}`, 'os', route);
    ostree('fsck', `--repo=${route}`);
  }
  const differing = ostree('diff', '--repo=os', ...commits)
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/)[1]);
  const { routeDiff } = expectedOf(name) as unknown as { routeDiff: { path: string }[] };
  assert.deepEqual(differing.sort(), routeDiff.map((one) => one.path).sort());
});

test('a synthesized commit is deployed, and its files share their extents with the objects', async (t) => {
  const work = await workOn(t);
  if (work === undefined) return;
  await using _filesystem = work.filesystem;
  using repository = work.repository;
  const { path, ostree } = work;
  const { reference } = await writeTinyImage(join(path, 'layout'), 'v1', [
    {
      files: {
        'usr/': '',
        'usr/lib/': '',
        'usr/lib/os-release': 'ID=test\nVERSION_ID=1\nPRETTY_NAME="Test 1"\n',
        'usr/lib/modules/': '',
        'usr/lib/modules/6.1.0/': '',
        'usr/lib/modules/6.1.0/vmlinuz': 'kernel'.repeat(2000),
        'usr/lib/modules/6.1.0/initramfs.img': 'initramfs'.repeat(2000),
        'etc/': '',
        'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
      },
    },
  ]);
  const parsed = parseReference(reference);
  assert.ok(parsed.transport === 'oci');
  await pullImage(repository, parsed, { name: 'os' });
  mkdirSync(join(path, 'sysroot'));
  ostree('admin', 'init-fs', 'sysroot');
  ostree('admin', 'os-init', '--sysroot=sysroot', 'test');
  const target = join(path, 'sysroot/ostree/repo');
  const options = { refs: ['os'], reflink: 'always' } as const;
  const made = await synthesizeCommit(repository, 'os', target, options);
  assert.deepEqual([made.external.reflinkedFiles, made.external.copiedFiles], [2, 0]);
  ostree('admin', 'deploy', '--sysroot=sysroot', '--os=test', '--karg=root=LABEL=x', 'os');
  const deployment = `sysroot/ostree/deploy/test/deploy/${made.commit}.0`;
  using root = Dir.open(path);
  assert.ok(root.lstat(`${deployment}/etc/passwd`) !== undefined);
  using kernel = root.openFile(`${deployment}/usr/lib/modules/6.1.0/vmlinuz`);
  assert.ok(isFullyShared(kernel));
  spawnSync('chattr', ['-i', join(path, deployment)]);
});
