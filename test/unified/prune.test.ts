import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportToContainers } from '#work/export-containers';
import { pruneUnified, unifiedPull } from '#work/unify';
import { needs } from '../support/capability.ts';
import {
  deployByHand,
  makeUnifiedPlace,
  treeState,
  writeUnifiedImage,
} from '../support/unified-place.ts';

const NAMES = ['one', 'two'].map((name) => `docker://quay.io/test/${name}:1`);
const [ONE = '', TWO = ''] = NAMES;

test('prune keeps what deployments need in every store and names them; foreign tags and names stay (G)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { sysroot, path } = place;
  const pulls = [];
  for (const [at, target] of NAMES.entries()) {
    const layout = writeUnifiedImage(join(place.filesystem.path, `layout-${at}`), 10 + at);
    const mode = 'enabled' as const;
    pulls.push(await unifiedPull(sysroot, layout.reference, { target, mode }));
  }
  const [first, second] = pulls;
  assert.ok(first !== undefined && second !== undefined);
  const deployed = deployByHand(path, first.ostree?.commit ?? '', {
    imageReference: ONE,
    version: 2,
  });
  deployByHand(path, second.ostree?.commit ?? '', { imageReference: TWO, version: 1 });
  // An image that the first deployment is bound to, and a foreign tag and name.
  const bound = join(deployed, 'usr/lib/bootc/bound-images.d');
  mkdirSync(bound, { recursive: true });
  mkdirSync(join(deployed, 'usr/share'), { recursive: true });
  writeFileSync(join(deployed, 'usr/share/app.image'), '[Image]\nImage=localhost/bound:1\n');
  symlinkSync('/usr/share/app.image', join(bound, 'app.image'));
  {
    using composefs = await sysroot.ensureComposefs();
    composefs.tags.set('mine', second.manifestDigest);
    const third = writeUnifiedImage(join(place.filesystem.path, 'layout-3'), 20);
    await unifiedPull(sysroot, third.reference, { target: 'docker://quay.io/test/three:1' });
    const image = `@${third.manifestDigest}`;
    await exportToContainers(composefs, image, sysroot.storageReference('localhost/bound:1'));
  }
  const all = await place.ask('unified images');
  assert.equal(all.images.length, 3);
  const before = treeState(path);
  const planned = await place.plan('unified prune', { keep: ['docker://quay.io/test/three:1'] });
  assert.deepEqual(planned.removed, []);
  const plan = await place.plan('unified prune');
  assert.equal(plan.removed.length, 1);
  assert.equal(treeState(path), before);
  // The image that nothing is deployed from goes, but not from containers-storage, where it has another name.
  const pruned = await place.ask('unified prune');
  assert.deepEqual(
    pruned.removed.map(({ names, containersStorage }: never) => [names, containersStorage]),
    [[['docker://quay.io/test/three:1'], 'untagged']],
  );
  assert.ok(pruned.ostree.objects > 0 && pruned.composefs.removed > 0);
  const kept = pruned.kept.filter(({ store }: { store: string }) => store === 'containers-storage');
  assert.deepEqual(
    kept
      .map(({ name, reasons }: { name: string; reasons: string[] }) => [name, reasons.at(-1)])
      .sort(),
    [
      ['localhost/bound:1', 'bound image localhost/bound:1'],
      ['quay.io/test/one:1', `next deployment os ${first.ostree?.commit.slice(0, 12)}.0`],
      ['quay.io/test/two:1', `rollback deployment os ${second.ostree?.commit.slice(0, 12)}.0`],
    ],
  );
  assert.equal((await place.ask('unified fsck', { extents: true })).ok, true);
  // The garbage collection of the repository itself says for whom it keeps what.
  const { keptFor } = await place.ask('gc');
  assert.deepEqual(
    keptFor.map(({ name, reasons }: { name: string; reasons: string[] }) => [name, reasons[0]]),
    [first, second]
      .map(({ manifestDigest, ostree }, at) => [
        `localhost/bootc-${manifestDigest}`,
        `${at === 0 ? 'next' : 'rollback'} deployment os ${ostree?.commit.slice(0, 12)}.0`,
      ])
      .sort(),
  );
  assert.ok(keptFor[0].reasons.some((reason: string) => reason.startsWith('containers-storage ')));
  // The second deployment is removed: its tag, its image and its ref go; the foreign tag keeps its objects.
  rmSync(join(path, 'ostree/deploy/os/deploy', `${second.ostree?.commit}.0`), { recursive: true });
  rmSync(join(path, 'boot/loader/entries/ostree-1.conf'));
  const gone = await pruneUnified(sysroot);
  assert.deepEqual(
    gone.removed.map(({ storage }) => storage?.outcome),
    ['removed'],
  );
  assert.equal(gone.objects?.removed, 0);
  const { images } = await place.ask('unified images');
  assert.deepEqual(
    images.map(({ imageType, names }: never) => [imageType, names]),
    [['unified', [ONE, 'quay.io/test/one:1']]],
  );
  {
    using composefs = await sysroot.ensureComposefs();
    assert.deepEqual(
      composefs.tags.list().map(({ name }) => name),
      [`localhost/bootc-${first.manifestDigest}`, 'mine'],
    );
  }
  assert.equal((await place.ask('unified fsck', { extents: true })).ok, true);
  const fsck = spawnSync('ostree', ['fsck', '--repo', sysroot.ostreePath], { encoding: 'utf8' });
  if (fsck.error === undefined) assert.equal(fsck.status, 0, fsck.stderr);
  const again = await pruneUnified(sysroot);
  assert.deepEqual(again.removed, []);
});

test('an image missing in containers-storage leaves the other stores complete (S6)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { sysroot, path } = place;
  const layout = writeUnifiedImage(join(place.filesystem.path, 'layout'), 30);
  const pulled = await unifiedPull(sysroot, layout.reference, { target: ONE, mode: 'enabled' });
  deployByHand(path, pulled.ostree?.commit ?? '', { imageReference: ONE, version: 1 });
  rmSync(sysroot.storagePath, { recursive: true });
  const { images, ok } = await place.ask('unified fsck');
  assert.equal(ok, false);
  assert.deepEqual(images[0].issues, ['in composefs but not in containers-storage']);
  const synced = await place.ask('unified sync');
  assert.deepEqual(
    synced.restored.map(({ name, copiedFiles }: never) => [name, copiedFiles]),
    [['quay.io/test/one:1', 0]],
  );
  assert.equal((await place.ask('unified fsck', { extents: true })).ok, true);
});
