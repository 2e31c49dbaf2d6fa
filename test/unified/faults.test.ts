import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unmount } from '#host';
import { checkUnified, openSysroot, readState, unifiedPull } from '#work/unify';
import { needs } from '../support/capability.ts';
import { codeOf } from '../support/error-code.ts';
import { mountSmallFilesystem } from '../support/small-filesystem.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import {
  brokenPromises,
  KILL_TARGET,
  killUnifiedPulls,
  leftWrong,
  writeKillImage,
} from '../support/unified-kills.ts';
import { makeUnifiedPlace, writeUnifiedImage } from '../support/unified-place.ts';

/** Points at which a pull is killed; `npm run prove -- unified-kills` tries more. */
const KILLS = 2;

test('a killed pull publishes nothing partial, and the next one completes it (C)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  const { killed, wrong } = await killUnifiedPulls(KILLS);
  assert.deepEqual(wrong, []);
  assert.equal(killed, KILLS);
});

test('a full disk at any stage leaves no ref, no image and the old mode, and the next pull completes (C)', async (t) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  const { reference } = writeKillImage(join(temp.path, 'layout'));
  for (const stage of ['composefs:', 'containers-storage:', 'ostree:']) {
    using small = mountSmallFilesystem(256 << 20);
    const path = join(small.path, 'sysroot');
    mkdirSync(path);
    using sysroot = openSysroot(path);
    const failed = unifiedPull(sysroot, reference, {
      mode: 'enabled-with-copy',
      target: KILL_TARGET,
      onProgress(event) {
        const hasBegun = event.type === 'started' && event.id.startsWith(stage);
        if (hasBegun) small.resize(small.usedBytes + 8192);
      },
    });
    assert.match(await codeOf(failed), /^(?:NO_SPACE|SPACE_INSUFFICIENT)$/, stage);
    assert.deepEqual(await brokenPromises(sysroot), [], stage);
    assert.equal(readState(sysroot).mode, undefined, stage);
    using repo = sysroot.openOstree();
    assert.deepEqual(repo?.refs.list() ?? [], [], stage);
    small.resize(256 << 20);
    await unifiedPull(sysroot, reference, { mode: 'enabled-with-copy', target: KILL_TARGET });
    assert.deepEqual(await leftWrong(sysroot), [], stage);
    assert.equal(readState(sysroot).mode, 'enabled-with-copy');
  }
});

test('an image that does not fit is refused before anything is written (C)', async (t) => {
  if (!needs(t, 'root')) return;
  using temp = makeTempDir();
  const { reference } = writeKillImage(join(temp.path, 'layout'));
  using small = mountSmallFilesystem(1 << 20);
  const path = join(small.path, 'sysroot');
  mkdirSync(path);
  using sysroot = openSysroot(path);
  const code = await codeOf(unifiedPull(sysroot, reference, { mode: 'enabled-with-copy' }));
  assert.equal(code, 'SPACE_INSUFFICIENT');
  assert.deepEqual(sysroot.root.readEntries(), []);
});

test('the strict mode refuses a repository on another filesystem, and the copying mode copies from it (C)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  await using other = await makeUnifiedPlace('xfs');
  const { reference } = writeUnifiedImage(join(place.filesystem.path, 'layout'), 40);
  const composefs = join(place.path, 'composefs');
  mkdirSync(composefs);
  const done = spawnSync('mount', ['--bind', other.path, composefs], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  try {
    using sysroot = openSysroot(place.path);
    assert.equal(
      await codeOf(unifiedPull(sysroot, reference, { mode: 'enabled' })),
      'UNIFIED_REFLINK_MISSING',
    );
    const pulled = await unifiedPull(sysroot, reference, { mode: 'enabled-with-copy' });
    assert.ok((pulled.storage?.counts.copiedFiles ?? 0) > 0);
    assert.ok((pulled.ostree?.made?.external.copiedFiles ?? 0) > 0);
    assert.equal((await checkUnified(sysroot)).ok, true);
  } finally {
    unmount(composefs, { lazy: true });
  }
});

test('two concurrent pulls of one image give the same stores (C)', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { reference } = writeKillImage(join(place.filesystem.path, 'layout'));
  const pull = async () => {
    using sysroot = openSysroot(place.path);
    return await unifiedPull(sysroot, reference, { mode: 'enabled', target: KILL_TARGET });
  };
  await place.sysroot.ensureComposefs().then((repository) => repository[Symbol.dispose]());
  const [one, two] = await Promise.all([pull(), pull()]);
  assert.equal(one.ostree?.commit, two.ostree?.commit);
  assert.deepEqual(await leftWrong(place.sysroot), []);
});
