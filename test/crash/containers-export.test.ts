import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { initRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { openPodman } from '../support/podman.ts';
import { testTar } from '../support/tar-archive.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/onecopy', import.meta.url));
/** Kills, one after the other at later times of an export. */
const KILLS = 3;

test('an export into containers-storage that is killed leaves nothing that podman trips over', async (t) => {
  if (!needs(t, 'root', 'xfs', 'tool:podman')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  using podman = await openPodman(t, { version: 4, parent: filesystem.path });
  if (podman === undefined) return;
  const path = join(podman.folder, 'repository');
  const layers = Array.from({ length: 12 }, (_, at) => ({
    tar: testTar(
      Array.from({ length: 60 }, (_unused, file) => ({
        name: `f${at}-${file}`,
        content: noise(5000, at * 100 + file),
      })),
    ),
  }));
  const { reference } = writeTestLayout(join(podman.folder, 'layout'), layers);
  {
    const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
    using open = repository;
    await pullImage(open, reference, { name: 'app' });
  }
  const graph = join(podman.folder, 'graph');
  const target = `containers-storage:[overlay@${graph}]app:1`;
  const start = () =>
    spawn(PROGRAM, ['--repo', path, 'export', 'app', target], { stdio: 'ignore', detached: true });
  const began = performance.now();
  const whole = start();
  assert.deepEqual(await once(whole, 'close'), [0, null]);
  const takenMs = performance.now() - began;
  const list = async (): Promise<string> => {
    const { status, output } = await podman.run('images', '-a');
    assert.equal(status, 0, output);
    return output;
  };
  const check = async (): Promise<void> => {
    const { status, output } = await podman.run('system', 'check');
    assert.equal(status, 0, output);
  };
  try {
    assert.match(await list(), /localhost\/app/);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await podman.run('rmi', '-af');
      const child = start();
      const closed = once(child, 'close');
      await sleep((takenMs * kill) / KILLS);
      // The launcher and what it started are one group.
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      await closed;
      await list();
      if (podman.version >= 5) await check();
      assert.deepEqual(await once(start(), 'close'), [0, null]);
      assert.match(await list(), /localhost\/app/);
      const left = readdirSync(graph, { recursive: true, encoding: 'utf8' });
      assert.deepEqual(
        left.filter((name) => /(?:^|\/)(?:\.tmp-|temp-dir-)/.test(name)),
        [],
      );
      const records = readFileSync(join(graph, 'overlay-layers/layers.json'), 'utf8');
      assert.doesNotMatch(records, /incomplete/);
      assert.equal(JSON.parse(records).length, layers.length);
    }
  } finally {
    spawnSync('umount', [join(graph, 'overlay')]);
  }
});
