import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/capability.ts';
import { killContainersExports } from '../support/containers-kills.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { openPodman } from '../support/podman.ts';

/** Kills, one after the other at later times of an export; `npm run prove -- containers-kills` makes 50. */
const KILLS = 3;

test('a killed export to containers-storage leaves a store that podman accepts', async (t) => {
  if (!needs(t, 'root', 'xfs', 'tool:podman')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  using podman = await openPodman(t, { version: 4, parent: filesystem.path });
  if (podman === undefined) return;
  const { wrong } = await killContainersExports(podman, KILLS);
  assert.deepEqual(wrong, []);
});
