import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openOstreeRepo } from '#stores/ostree';
import { exportToContainers } from '#work/export-containers';
import { synthesizeCommit } from '#work/synthesize';
import { unifiedPull } from '#work/unify';
import { needs } from '../support/capability.ts';
import { externalFiles } from '../support/unified-files.ts';
import {
  deployByHand,
  makeUnifiedPlace,
  treeState,
  type UnifiedPlace,
  writeUnifiedImage,
} from '../support/unified-place.ts';

const TARGET = 'docker://quay.io/test/os:1';

/** A sysroot on XFS with an image in all three stores. */
async function makeFilled(mode: 'enabled' | 'bound-only' = 'enabled') {
  const place = await makeUnifiedPlace('xfs');
  const image = writeUnifiedImage(join(place.filesystem.path, 'layout'), 3);
  const pulled = await unifiedPull(place.sysroot, image.reference, { mode, target: TARGET });
  return { place, pulled, commit: pulled.ostree?.commit ?? '' };
}

/** Kinds of findings by image. */
async function kindsOf(place: UnifiedPlace, request = {}): Promise<string[][]> {
  const { images } = await place.ask('unified fsck', request);
  return images.map(({ findings }: { findings: { kind: string }[] }) =>
    findings.map(({ kind }) => kind),
  );
}

test('fsck checks every store and every extent of a sound system, and changes nothing (U4)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { place } = await makeFilled();
  await using _place = place;
  const before = treeState(place.path);
  const report = await place.ask('unified fsck', { extents: true });
  assert.equal(report.ok, true);
  assert.equal(report.hasFindings, false);
  assert.equal(report.unifiedStorageEnabled, true);
  assert.equal(report.reflinksSupported, true);
  assert.equal(report.images.length, 1);
  const [image] = report.images;
  assert.deepEqual(
    [
      image.inComposefs,
      image.inContainersStorage,
      image.ostreeCommitPresent,
      image.ostreeCommitSynthesized,
    ],
    [true, true, true, true],
  );
  assert.ok(image.sharing.sharedFiles >= 5);
  assert.equal(image.sharing.copiedFiles, 0);
  assert.equal(treeState(place.path), before);
});

test('what one store lost is rebuilt from the others with the same ids, and a dry run changes nothing (R)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { place, pulled, commit } = await makeFilled();
  await using _place = place;
  const { path } = place;
  const storage = join(path, 'ostree/bootc/storage');
  const losses: readonly (readonly [string, () => void, readonly string[]])[] = [
    ['containers-storage', () => rmSync(storage, { recursive: true }), ['storage-missing']],
    [
      'the tag',
      () => rmSync(join(path, 'composefs/streams/refs'), { recursive: true }),
      ['tag-missing'],
    ],
    [
      'the ref and the commit',
      () => rmSync(join(path, 'ostree/repo'), { recursive: true }),
      ['commit-missing'],
    ],
    [
      'the composefs repository',
      () => {
        for (const name of readdirSync(join(path, 'composefs'))) {
          if (name !== 'bootc.json') rmSync(join(path, 'composefs', name), { recursive: true });
        }
      },
      ['composefs-missing'],
    ],
  ];
  for (const [what, lose, kinds] of losses) {
    lose();
    const before = treeState(path);
    const planned = await place.plan('unified fsck', { repair: true });
    assert.equal(planned.ok, false, what);
    assert.equal(planned.repairs.length, 1, what);
    assert.deepEqual(await kindsOf(place), [kinds], what);
    assert.equal(treeState(path), before, `${what}: the dry run changed something`);
    const repaired = await place.ask('unified fsck', { repair: true, extents: true });
    assert.deepEqual(
      repaired.repairs.map(({ error }: { error: unknown }) => error),
      [null],
      what,
    );
    assert.equal(repaired.ok, true, what);
    const [image] = repaired.images;
    assert.equal(image.repaired, true);
    assert.equal(image.manifestDigest, pulled.manifestDigest);
    assert.equal(image.configDigest, pulled.configDigest);
    assert.equal(image.sharing.copiedFiles, 0, what);
    const { images } = await place.ask('unified images');
    assert.equal(images[0].imageType, 'unified', what);
    assert.equal(images[0].commits[0].commit, commit, what);
    assert.deepEqual(images[0].names, [TARGET, 'quay.io/test/os:1'], what);
  }
});

test('fsck finds damage in every store, and reports damaged objects of the composefs repository without repair (R)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { place, pulled } = await makeFilled();
  await using _place = place;
  const files = await externalFiles(place.sysroot, pulled.manifestDigest);
  const [file, other] = files.filter(({ composefs }) => statSync(composefs).size > 1000);
  assert.ok(file !== undefined && other !== undefined);
  // A file of the commit: the object goes, and the same comes again.
  const content = readFileSync(file.ostree);
  writeFileSync(file.ostree, Buffer.alloc(content.length));
  assert.deepEqual(await kindsOf(place), [['commit-damaged']]);
  assert.deepEqual(await kindsOf(place, { metadataOnly: true }), [[]]);
  rmSync(other.ostree);
  assert.deepEqual(await kindsOf(place, { metadataOnly: true }), [['commit-damaged']]);
  const repaired = await place.ask('unified fsck', { repair: true });
  assert.equal(repaired.ok, true, JSON.stringify(repaired.repairs));
  assert.deepEqual(readFileSync(file.ostree), content);
  // An object of the composefs repository.
  writeFileSync(other.composefs, Buffer.alloc(statSync(other.composefs).size));
  const damaged = await place.ask('unified fsck', { repair: true });
  assert.equal(damaged.ok, false);
  assert.deepEqual(damaged.repairs, []);
  assert.ok(
    damaged.images[0].findings.every(({ kind }: { kind: string }) => kind === 'composefs-damaged'),
  );
});

test('a changed file in containers-storage is found by its layer, and the image is restored with all its names (R)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { place, pulled } = await makeFilled();
  await using _place = place;
  const other = 'localhost/other:1';
  using composefs = await place.sysroot.ensureComposefs();
  await exportToContainers(
    composefs,
    `@${pulled.manifestDigest}`,
    place.sysroot.storageReference(other),
  );
  composefs[Symbol.dispose]();
  const files = await externalFiles(place.sysroot, pulled.manifestDigest);
  const [file] = files.filter(({ storage }) => statSync(storage).size > 1000);
  assert.ok(file !== undefined);
  const content = readFileSync(file.storage);
  writeFileSync(file.storage, Buffer.alloc(content.length));
  assert.deepEqual(await kindsOf(place), [['storage-contents-damaged']]);
  assert.deepEqual(await kindsOf(place, { metadataOnly: true }), [[]]);
  const repaired = await place.ask('unified fsck', { repair: true, extents: true });
  assert.equal(repaired.ok, true, JSON.stringify(repaired.repairs));
  const { images } = await place.ask('unified images');
  assert.deepEqual(images[0].names, [TARGET, 'quay.io/test/os:1', other]);
  const again = await externalFiles(place.sysroot, pulled.manifestDigest);
  const restored = again.find(({ name }) => name === file.name);
  assert.deepEqual(readFileSync(restored?.storage ?? ''), content);
  // A file that is gone is found without reading any other.
  rmSync(restored?.storage ?? '');
  assert.deepEqual(await kindsOf(place), [['storage-contents-damaged']]);
});

test('fsck reports a copy where the strict mode requires shared extents', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { place, pulled } = await makeFilled();
  await using _place = place;
  const files = await externalFiles(place.sysroot, pulled.manifestDigest);
  const file = files.find(({ composefs }) => statSync(composefs).size > 100_000);
  assert.ok(file !== undefined);
  writeFileSync(file.storage, readFileSync(file.storage));
  assert.deepEqual(await kindsOf(place, { extents: true }), [['extents-not-shared']]);
  assert.deepEqual(await kindsOf(place), [[]]);
});

test('a bound system is checked by deployment, and a commit that is not synthesized is pending (B1, B4, P2)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { place, commit } = await makeFilled('bound-only');
  await using _place = place;
  deployByHand(place.path, commit, { imageReference: TARGET, version: 2 });
  const sound = await place.ask('unified fsck');
  assert.deepEqual([sound.ok, sound.binding, sound.images.length], [true, 'bound-only', 1]);
  const [live] = sound.images;
  assert.deepEqual(
    [live.inComposefs, live.ostreeCommitSynthesized, live.issues, live.pending, live.isLive],
    [true, true, [], false, true],
  );
  assert.ok(!existsSync(join(place.path, 'ostree/bootc')));
  // The tag is lost, and comes again.
  rmSync(join(place.path, 'composefs/streams/refs'), { recursive: true });
  assert.deepEqual(await kindsOf(place), [['tag-missing']]);
  assert.equal((await place.ask('unified fsck', { repair: true })).ok, true);
  // A classic commit runs: it is pending until the next pull, and no failure.
  using composefs = await place.sysroot.ensureComposefs();
  const name = `@${live.manifestDigest}`;
  const classic = await synthesizeCommit(composefs, name, place.sysroot.ostreePath, {
    route: 'classic',
    refs: ['ostree/1/1/0'],
  });
  rmSync(join(place.path, 'ostree/deploy'), { recursive: true });
  rmSync(join(place.path, 'boot'), { recursive: true });
  deployByHand(place.path, classic.commit, { imageReference: TARGET, version: 3 });
  using repo = openOstreeRepo(place.sysroot.ostreePath);
  repo.refs.delete(live.ref ?? 'ostree/container/image/docker_3A__2F__2F_quay_2E_io/test/os_3A_1');
  const pending = await place.ask('unified fsck');
  assert.deepEqual([pending.ok, pending.images[0].pending], [true, true]);
});
