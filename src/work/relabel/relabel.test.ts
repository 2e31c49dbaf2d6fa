import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Dir, getXattr, setImmutable, setXattr } from '#host';
import { needs } from '../../../test/support/capability.ts';
import { mountLoopFilesystem } from '../../../test/support/loop-fs.ts';
import { lookupNameOf, relabelSysroot } from './index.ts';

const POLICY = `/.* x:default
/usr(/.*)? x:usr
/var(/.*)? x:var
/var/lib/containers(/.*)? x:containers
/boot(/.*)? x:boot
/boot/secret <<none>>
`;
const CHECKSUM = 'ab'.repeat(32);
const DEPLOYMENT = `ostree/deploy/os/deploy/${CHECKSUM}.0`;

function labelOf(root: string, name: string): string | undefined {
  using dir = Dir.open(root);
  return getXattr({ dir, name }, 'security.selinux')?.toString();
}

/** A sysroot with one deployment, whose directory is immutable if the filesystem supports it. */
function makeSysroot(root: string): void {
  const files = {
    'boot/loader.conf': '',
    'boot/secret': '',
    'composefs/meta.json': '{}',
    'ostree/bootc/storage/overlay/layers.json': '[]',
    'ostree/deploy/os/var/log/messages': '',
    [`ostree/deploy/os/deploy/${CHECKSUM}.0.origin`]: '[origin]',
    [`ostree/repo/objects/cd/${'e'.repeat(62)}.file`]: 'content',
    [`ostree/repo/objects/cd/${'e'.repeat(62)}.dirtree`]: '',
    [`${DEPLOYMENT}/etc/selinux/config`]: 'SELINUXTYPE=tiny\n',
    [`${DEPLOYMENT}/etc/selinux/tiny/contexts/files/file_contexts`]: POLICY,
    [`${DEPLOYMENT}/usr/bin/tool`]: 'tool',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  symlinkSync('loader.0', join(root, 'boot/loader'));
  linkSync(join(root, `${DEPLOYMENT}/usr/bin/tool`), join(root, `${DEPLOYMENT}/usr/bin/other`));
}

test('a path of a sysroot is looked up in the policy as a booted host shows it', () => {
  for (const [path, name] of [
    ['/boot/x', '/boot/x'],
    ['/ostree', '/usr'],
    ['/ostree/repo/config', '/usr/repo/config'],
    ['/ostreex', '/ostreex'],
    ['/ostree/deploy/os/var', '/var'],
    ['/ostree/deploy/os/var/lib/x', '/var/lib/x'],
    ['/ostree/deploy/os/various', '/usr/deploy/os/various'],
    ['/ostree/bootc/storage/overlay', '/var/lib/containers/storage/overlay'],
    ['/composefs/bootc/storage', '/var/lib/containers/storage'],
    ['/composefs/objects/ab', '/usr/objects/ab'],
  ] as const) {
    assert.equal(lookupNameOf(path), name, path);
  }
});

for (const type of ['ext4', 'xfs'] as const) {
  test(`relabel labels all files but immutable deployments: ${type}`, async (t) => {
    if (!needs(t, type)) return;
    await using filesystem = await mountLoopFilesystem(type);
    const root = filesystem.path;
    makeSysroot(root);
    mkdirSync(join(root, 'mnt'));
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', 'none', join(root, 'mnt')]).status, 0);
    using deployment = filesystem.dir.openDir(DEPLOYMENT);
    setXattr(
      { dir: filesystem.dir, name: 'composefs' },
      'security.selinux',
      Buffer.from('x:kept\0'),
    );
    assert.ok(setImmutable(deployment, true));
    try {
      assert.throws(() => setXattr(deployment, 'security.selinux', Buffer.from('x:y\0')), /EPERM/);
      const report = await relabelSysroot(root);
      assert.deepEqual(
        [report.hasPolicy, report.present, report.without, report.deployments, report.mounts],
        [true, 1, 1, 1, 1],
      );
      for (const [name, label] of [
        ['.', 'x:default\0'],
        ['boot/loader', 'x:boot\0'],
        ['boot/loader.conf', 'x:boot\0'],
        ['boot/secret', undefined],
        ['composefs', 'x:kept\0'],
        ['composefs/meta.json', 'x:usr\0'],
        ['ostree/bootc/storage/overlay/layers.json', 'x:containers\0'],
        ['ostree/deploy/os/var/log/messages', 'x:var\0'],
        [`${DEPLOYMENT}.origin`, 'x:usr\0'],
        [`ostree/repo/objects/cd/${'e'.repeat(62)}.file`, undefined],
        [`ostree/repo/objects/cd/${'e'.repeat(62)}.dirtree`, 'x:usr\0'],
        [DEPLOYMENT, undefined],
        [`${DEPLOYMENT}/usr/bin/tool`, undefined],
        ['mnt', undefined],
      ] as const) {
        assert.equal(labelOf(root, name), label, name);
      }
      const again = await relabelSysroot(root);
      assert.deepEqual([again.labelled, again.present], [0, report.labelled + report.present]);
    } finally {
      setImmutable(deployment, false);
      spawnSync('umount', [join(root, 'mnt')]);
    }
  });
}

test('a sysroot without a policy is not changed', async () => {
  const root = mkdtempSync(join(tmpdir(), 'onecopy-relabel-'));
  try {
    writeFileSync(join(root, 'x'), '');
    const { hasPolicy, labelled } = await relabelSysroot(root);
    assert.deepEqual([hasPolicy, labelled, labelOf(root, 'x')], [false, 0, undefined]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
