import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSysroot, unifiedPull } from '#work/unify';
import { needs } from '../support/capability.ts';
import { makeUnifiedPlace, writeUnifiedImage } from '../support/unified-place.ts';

const NAMES = ['one', 'two', 'three'].map((name) => `docker://quay.io/test/${name}:1`);

/** Makes a deployment of a host that boots composefs images directly; without `manifestDigest` its origin does not say the image. */
function deployNative(sysroot: string, id: string, manifestDigest?: string): void {
  const folder = join(sysroot, 'state/deploy', id);
  mkdirSync(folder, { recursive: true });
  symlinkSync('../../os/default/var', join(folder, 'var'));
  const image =
    manifestDigest === undefined ? '' : `[image]\nmanifest_digest = ${manifestDigest}\n`;
  writeFileSync(
    join(folder, `${id}.origin`),
    `[origin]\ncontainer-image-reference = ostree-unverified-image:${NAMES[0]}\n${image}`,
  );
}

test('a host that boots composefs images directly keeps the images of its boot entries (G)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { path } = place;
  mkdirSync(join(path, 'state/deploy'), { recursive: true });
  using sysroot = openSysroot(path);
  assert.equal(sysroot.isNative, true);
  const pulls = [];
  for (const [at, target] of NAMES.entries()) {
    const layout = writeUnifiedImage(join(place.filesystem.path, `layout-${at}`), 60 + at);
    pulls.push(await unifiedPull(sysroot, layout.reference, { target, mode: 'enabled' }));
  }
  const [one = '', two = '', three = ''] = pulls.map(({ manifestDigest }) => manifestDigest);
  assert.ok(pulls.every(({ ostree }) => ostree === undefined));
  const [first, second] = ['ab'.repeat(64), 'cd'.repeat(64)];
  deployNative(path, first, one);
  deployNative(path, second, two);
  const entries = join(path, 'boot/loader/entries');
  mkdirSync(entries, { recursive: true });
  writeFileSync(
    join(entries, 'bootc_os-2-1.conf'),
    `title os\nsort-key bootc-os-0\noptions root=UUID=x composefs=?${first} rw\n`,
  );
  const kernels = join(path, 'boot/EFI/Linux/bootc');
  mkdirSync(kernels, { recursive: true });
  writeFileSync(join(kernels, `bootc_composefs-${second}.efi`), '');
  const status = await place.ask('unified status');
  assert.deepEqual(
    status.deployments.map(({ imageId, role, stateroot, commit }: never) => [
      imageId,
      role,
      stateroot,
      commit,
    ]),
    [
      [first, 'next', 'default', null],
      [second, 'rollback', 'default', null],
    ],
  );
  const checked = await place.ask('unified fsck');
  assert.equal(checked.ok, true);
  const live = checked.images.map(({ manifestDigest, isLive }: never) => [manifestDigest, isLive]);
  assert.deepEqual(
    new Map(live),
    new Map([
      [one, true],
      [two, true],
      [three, false],
    ]),
  );
  // Nothing is removed while a deployment does not say its image.
  const unknown = 'ef'.repeat(64);
  deployNative(path, unknown);
  assert.deepEqual((await place.ask('unified prune')).removed, []);
  rmSync(join(path, 'state/deploy', unknown), { recursive: true });
  const pruned = await place.ask('unified prune');
  assert.deepEqual(
    pruned.removed.map(({ manifestDigest }: never) => manifestDigest),
    [three],
  );
  assert.equal((await place.ask('unified fsck')).ok, true);
  // What a lost tag named comes again from the entries.
  rmSync(join(path, 'composefs/streams/refs'), { recursive: true });
  assert.equal((await place.ask('unified fsck')).ok, false);
  assert.equal((await place.ask('unified fsck', { repair: true })).ok, true);
  assert.ok(!existsSync(join(path, 'ostree/repo')));
});
