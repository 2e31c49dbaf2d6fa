import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openOstreeRepo } from '#stores/ostree';
import {
  enableUnified,
  openStores,
  openSysroot,
  readState,
  surveyImages,
  unifiedPull,
} from '#work/unify';
import { needs } from '../support/capability.ts';
import { codeOf } from '../support/error-code.ts';
import { runCli } from '../support/run-cli.ts';
import { externalFiles } from '../support/unified-files.ts';
import {
  deployByHand,
  extentsOf,
  goldenCase,
  makeUnifiedPlace,
  treeState,
  writeUnifiedImage,
} from '../support/unified-place.ts';

for (const type of ['xfs', 'btrfs'] as const) {
  test(`an image shares its extents in all three stores, and a second pull writes nothing (S1, S2, S3, S5): ${type}`, async (t) => {
    if (!needs(t, type, 'root')) return;
    await using place = await makeUnifiedPlace(type);
    const { sysroot, path } = place;
    const image = writeUnifiedImage(join(place.filesystem.path, 'layout'), 1);
    const first = await unifiedPull(sysroot, image.reference, { mode: 'enabled' });
    assert.equal(first.manifestDigest, image.manifestDigest);
    assert.equal(first.storage?.counts.copiedFiles, 0);
    const files = await externalFiles(sysroot, first.manifestDigest);
    assert.ok(files.length >= 6);
    assert.equal(
      first.ostree?.made?.filesReflinked,
      new Set(files.map(({ ostree }) => ostree)).size,
    );
    let compared = 0;
    for (const file of files) {
      const [composefs, ostree, storage] = [file.composefs, file.ostree, file.storage].map(
        extentsOf,
      );
      assert.deepEqual(ostree, composefs, file.name);
      assert.deepEqual(storage, composefs, file.name);
      assert.ok(
        composefs?.every(({ shared }) => shared),
        file.name,
      );
      compared += composefs?.length ?? 0;
    }
    assert.ok(compared >= 3);
    const before = treeState(path);
    const again = await unifiedPull(sysroot, image.reference);
    assert.equal(again.composefs.objects.stored, 0);
    assert.equal(again.storage?.counts.reflinkedFiles, 0);
    assert.equal(again.ostree?.made, undefined);
    assert.deepEqual([again.modeBefore, again.modeAfter], ['enabled', 'enabled']);
    // S8: a write to one store does not reach the others.
    const [file] = files.filter(({ composefs }) => statSync(composefs).size > 100_000);
    assert.ok(file !== undefined);
    const content = readFileSync(file.composefs);
    writeFileSync(file.storage, 'changed');
    assert.deepEqual(readFileSync(file.composefs), content);
    assert.deepEqual(readFileSync(file.ostree), content);
    assert.ok(before.length > 0);
  });
}

test('status reports a system with an image in all stores (U1, U2, U3, U6)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { sysroot, path } = place;
  const cli = (...args: string[]) => runCli(['--sysroot', path, '--json', 'unified', ...args]);
  const target = 'docker://quay.io/test/os:1';
  const pulled = cli(
    'pull',
    goldenCase('01-rules-policy'),
    '--target',
    target,
    '--mode',
    'enabled',
  );
  assert.equal(pulled.status, 0, pulled.stderr);
  // U1
  for (const name of ['overlay', 'overlay-layers/layers.json', 'overlay-images/images.json']) {
    assert.ok(existsSync(join(path, 'ostree/bootc/storage', name)), name);
  }
  const { images } = await place.ask('unified images');
  assert.equal(images.length, 1);
  assert.equal(images[0].imageType, 'unified'); // U2
  assert.deepEqual(images[0].names, [target, 'quay.io/test/os:1']);
  assert.deepEqual(
    [images[0].containersStorage, images[0].composefs, images[0].ostree],
    ['present', 'present', 'present'],
  );
  // U3
  const state = readFileSync(join(path, 'composefs/bootc.json'), 'utf8');
  assert.equal(state, '{\n  "version": 1,\n  "unified": "enabled"\n}');
  assert.equal(statSync(join(path, 'composefs')).mode & 0o777, 0o700);
  // U6
  const tags = readdirSync(join(path, 'composefs/streams/refs/oci'));
  assert.deepEqual(tags, [`localhost%2Fbootc-${images[0].manifestDigest}`]);
  using repo = openOstreeRepo(join(path, 'ostree/repo'));
  const refs = repo.refs.list().map(({ name }) => name);
  assert.deepEqual(refs, ['ostree/container/image/docker_3A__2F__2F_quay_2E_io/test/os_3A_1']);
  assert.match(
    readFileSync(join(path, 'ostree/repo/config'), 'utf8'),
    /\[composefs\]\nunified=true\n/,
  );
  const status = await place.ask('unified status');
  assert.deepEqual(status.storage, { unified: 'enabled', ostreeComposefsBound: true });
  assert.equal(status.binding, 'unified');
  assert.equal(status.reflinksSupported, true);
  using stores = await openStores(sysroot);
  assert.equal(surveyImages(sysroot, stores).length, 1);
});

test('a bound system keeps no image in containers-storage (B2, B3, B5, P1, P3)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { path } = place;
  await place.ask('unified enable', { mode: 'bound-only' });
  assert.match(
    readFileSync(join(path, 'ostree/repo/config'), 'utf8'),
    /\[composefs\]\nunified=true\n/,
  ); // P1
  const pulled = await place.ask('unified pull', { reference: goldenCase('01-rules-policy') });
  assert.equal(pulled.stages.containersStorage, null);
  const status = await place.ask('unified status');
  assert.equal(status.binding, 'bound-only'); // B2
  assert.deepEqual(status.storage, { unified: 'disabled', ostreeComposefsBound: true }); // B3
  const { images } = await place.ask('unified images');
  assert.equal(images[0].imageType, 'bound');
  const synced = runCli(['--sysroot', path, 'unified', 'sync']);
  assert.equal(synced.status, 0); // P3
  assert.match(synced.stdout, /^Nothing to do/);
  assert.ok(!existsSync(join(path, 'ostree/bootc'))); // B5
  assert.ok(!existsSync(join(path, 'composefs/bootc.json')));
});

test('each mode replaces the one before, and has one name in reports and text', async (t) => {
  if (!needs(t, 'ext4', 'root')) return;
  await using place = await makeUnifiedPlace('ext4');
  const modes = ['enabled-with-copy', 'bound-only', 'enabled-with-copy', 'disabled'] as const;
  let before = 'disabled';
  for (const mode of modes) {
    const planned = await place.plan('unified enable', { mode });
    assert.deepEqual([planned.modeBefore, planned.mode], [before, mode]);
    const done = await place.ask('unified enable', { mode });
    assert.deepEqual([done.modeBefore, done.mode], [before, mode]);
    assert.equal((await place.ask('unified status')).mode, mode);
    const { stdout } = runCli(['--sysroot', place.path, 'unified', 'status']);
    assert.match(stdout, new RegExp(`^Mode: +${mode}$`, 'm'));
    before = mode;
  }
});

test('a mode is not set if an image of a deployment cannot be brought into the stores', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { sysroot, path } = place;
  const { reference } = writeUnifiedImage(join(place.filesystem.path, 'layout'), 2);
  const pulled = await unifiedPull(sysroot, reference, { mode: 'bound-only' });
  const commit = pulled.ostree?.commit ?? '';
  deployByHand(path, commit, { version: 1 });
  using repo = openOstreeRepo(join(path, 'ostree/repo'));
  repo.refs.delete(pulled.ostree?.ref ?? '');
  assert.equal(await codeOf(enableUnified(sysroot, 'enabled')), 'UNIFIED_SOURCE_UNKNOWN');
  assert.equal(readState(sysroot).binding, 'bound-only');
  // With an origin the image is fetched from there, and the mode comes last.
  deployByHand(path, commit, { imageReference: 'oci:/nonexistent:os' });
  assert.equal(await codeOf(enableUnified(sysroot, 'enabled')), 'IMAGE_SOURCE_NOT_FOUND');
  assert.equal(readState(sysroot).mode, undefined);
  deployByHand(path, commit, { imageReference: reference });
  const done = await enableUnified(sysroot, 'enabled');
  assert.deepEqual(done.filled, [
    { imageReference: reference, manifestDigest: pulled.manifestDigest },
  ]);
  assert.deepEqual(done.pending, []);
  assert.equal(readState(sysroot).mode, 'enabled');
});

test('a missing sysroot is refused', () => {
  assert.throws(() => openSysroot('/nonexistent'), { code: 'SYSROOT_NOT_FOUND' });
});

test('without reflinks the strict mode refuses before any change or request, and the copying mode copies and counts (S7)', async (t) => {
  if (!needs(t, 'ext4', 'root')) return;
  await using place = await makeUnifiedPlace('ext4');
  const { sysroot, path } = place;
  mkdirSync(join(path, 'composefs'), { mode: 0o700 });
  const strict = '{\n  "version": 1,\n  "unified": "enabled"\n}';
  writeFileSync(join(path, 'composefs/bootc.json'), strict);
  const before = treeState(path);
  // No registry listens at this address: a request would fail with another error.
  const reference = 'docker://127.0.0.1:1/os:1';
  assert.equal(await codeOf(unifiedPull(sysroot, reference)), 'UNIFIED_REFLINK_MISSING');
  assert.equal(await codeOf(enableUnified(sysroot, 'enabled')), 'UNIFIED_REFLINK_MISSING');
  assert.equal(treeState(path), before);
  const refused = runCli(['--sysroot', path, 'unified', 'pull', reference]);
  assert.equal(refused.status, 8);
  assert.match(
    refused.stderr,
    /hint: Use XFS or btrfs, or allow copies with: onecopy unified enable/,
  );
  await enableUnified(sysroot, 'enabled-with-copy');
  assert.equal(readState(sysroot).mode, 'enabled-with-copy');
  const done = await unifiedPull(sysroot, goldenCase('01-rules-policy'));
  assert.ok((done.storage?.counts.copiedFiles ?? 0) > 0);
  assert.equal(done.storage?.counts.reflinkedFiles, 0);
  assert.equal(done.ostree?.made?.filesReflinked, 0);
  assert.ok((done.ostree?.made?.filesWritten ?? 0) > 0);
  assert.equal(readState(sysroot).mode, 'enabled-with-copy');
});
