import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unifiedPull } from '#work/unify';
import { needs } from '../support/capability.ts';
import { goldenCase, makeUnifiedPlace } from '../support/unified-place.ts';

const NAME = 'quay.io/test/os:1';

function run(program: string, ...args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  assert.equal(done.status, 0, `${program} ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

test('ostree and skopeo read what a pull into three stores wrote (I, U1)', async (t) => {
  if (!needs(t, 'xfs', 'root', 'tool:ostree', 'tool:skopeo')) return;
  await using place = await makeUnifiedPlace('xfs');
  const { sysroot, path } = place;
  const reference = goldenCase('01-rules-policy');
  const target = `docker://${NAME}`;
  const pulled = await unifiedPull(sysroot, reference, { target, mode: 'enabled' });
  const repo = `--repo=${sysroot.ostreePath}`;
  const { ref = '', commit = '' } = pulled.ostree ?? {};
  run('ostree', 'fsck', '--quiet', repo);
  assert.equal(run('ostree', 'rev-parse', repo, ref).trim(), commit);
  assert.match(run('ostree', 'show', repo, ref), new RegExp(`^commit ${commit}\n`));
  assert.match(run('ostree', 'ls', '-RXC', repo, ref), / \/usr\/etc\n/);
  assert.equal(
    run('ostree', 'show', repo, '--print-metadata-key=ostree.manifest-digest', ref).trim(),
    `'${pulled.manifestDigest}'`,
  );
  const checkout = join(place.filesystem.path, 'checkout');
  run('ostree', 'checkout', repo, ref, checkout);
  assert.ok(existsSync(join(checkout, 'usr/etc')) && !existsSync(join(checkout, 'etc')));
  const other = join(place.filesystem.path, 'other');
  run('ostree', 'init', `--repo=${other}`, '--mode=bare');
  run('ostree', 'config', `--repo=${other}`, 'set', 'core.min-free-space-size', '1MB');
  run('ostree', 'pull-local', `--repo=${other}`, sysroot.ostreePath, ref);
  assert.equal(run('ostree', 'diff', `--repo=${other}`, commit, commit), '');
  // skopeo takes the image out of containers-storage: same config, same layers.
  const layout = join(place.filesystem.path, 'copy');
  mkdirSync(join(path, 'run'));
  const store = `[overlay@${sysroot.storagePath}+${join(path, 'run')}]`;
  run('skopeo', 'copy', '--quiet', `containers-storage:${store}${NAME}`, `dir:${layout}`);
  const manifest = JSON.parse(readFileSync(join(layout, 'manifest.json'), 'utf8'));
  assert.equal(manifest.config.digest, pulled.configDigest);
  const config = JSON.parse(readFileSync(join(layout, manifest.config.digest.slice(7)), 'utf8'));
  assert.equal(config.rootfs.diff_ids.length, pulled.composefs.layers.length);
  assert.deepEqual(
    config.rootfs.diff_ids,
    pulled.composefs.layers.map(({ diffId }) => diffId),
  );
  // skopeo mounts the store over itself.
  spawnSync('umount', ['-l', join(sysroot.storagePath, 'overlay')]);
});

test('both routes give an image the same marker, and differ only as in bootc (E1, E2, E3, E4)', async (t) => {
  if (!needs(t, 'xfs', 'root', 'tool:ostree')) return;
  await using place = await makeUnifiedPlace('xfs');
  await using other = await makeUnifiedPlace('xfs');
  const reference = goldenCase('02-rules-nopolicy');
  const target = `docker://${NAME}`;
  const synthesized = await unifiedPull(place.sysroot, reference, { target, mode: 'bound-only' });
  const classic = await unifiedPull(other.sysroot, reference, { target });
  assert.deepEqual([synthesized.route.path, classic.route.path], ['composefs', 'classic']);
  assert.equal(classic.modeAfter, undefined);
  const one = `--repo=${place.sysroot.ostreePath}`;
  const two = `--repo=${other.sysroot.ostreePath}`;
  const [commit = '', plain = ''] = [synthesized.ostree?.commit, classic.ostree?.commit];
  const key = '--print-metadata-key=ostree-ext.composefs-synthesized';
  assert.equal(run('ostree', 'show', one, key, commit).trim(), 'true');
  assert.notEqual(spawnSync('ostree', ['show', two, key, plain]).status, 0);
  for (const repo of [one, two]) run('ostree', 'fsck', '--quiet', repo);
  run('ostree', 'config', two, 'set', 'core.min-free-space-size', '1MB');
  run('ostree', 'pull-local', two, place.sysroot.ostreePath, commit);
  const difference = run('ostree', 'diff', two, plain, commit);
  const expected = new URL(
    '../golden/unified/cases/02-rules-nopolicy/expected.json',
    import.meta.url,
  );
  const { routeDiff } = JSON.parse(readFileSync(expected, 'utf8'));
  assert.deepEqual(
    difference.split('\n').filter((line) => line !== ''),
    routeDiff.map((row: { path: string }) => `M    ${row.path}`),
  );
  // A system without unified storage keeps no tag that would say otherwise.
  assert.equal((await other.ask('unified status')).binding, 'disabled');
  assert.deepEqual((await other.ask('unified images')).images[0].composefs, 'present');
});
