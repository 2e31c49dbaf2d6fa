import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { initRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import type { Podman } from './podman.ts';
import { testTar } from './tar-archive.ts';
import { noise, writeTestLayout } from './test-layout.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/onecopy', import.meta.url));
const LAYERS = 12;

/** What kills of an export did. */
export interface ExportKills {
  /** Kills that came before the export had ended. */
  readonly killed: number;
  /** What went wrong, one line each. */
  readonly wrong: readonly string[];
}

/**
 * Kills an export into the store of a podman, one kill after the other at later times, and asks podman what it finds; then exports again and looks
 * at what is left.
 */
export async function killContainersExports(podman: Podman, count: number): Promise<ExportKills> {
  const path = join(podman.folder, 'repository');
  await fillRepository(path, join(podman.folder, 'layout'));
  const graph = join(podman.folder, 'graph');
  const target = `containers-storage:[overlay@${graph}]app:1`;
  // The launcher and what it started are one group.
  const start = () =>
    spawn(PROGRAM, ['--repo', path, 'export', 'app', target], { stdio: 'ignore', detached: true });
  const wrong: string[] = [];
  const demand = async (when: string, ...command: string[]): Promise<string> => {
    const { status, output } = await podman.run(...command);
    if (status !== 0) wrong.push(`${when}: podman ${command.join(' ')}: ${output.slice(-300)}`);
    return output;
  };
  const exportWhole = async (when: string): Promise<void> => {
    const [status] = await once(start(), 'close');
    if (status !== 0) wrong.push(`${when}: the export ended with ${status}`);
    const listed = await demand(when, 'images', '-a');
    if (!listed.includes('localhost/app')) wrong.push(`${when}: the image is not listed`);
    wrong.push(...leftIn(graph).map((name) => `${when}: ${name} is left`));
  };
  let killed = 0;
  try {
    // The first one also fills caches, so that it takes longer than those that are killed.
    await exportWhole('at first');
    await demand('before', 'rmi', '-af');
    const began = performance.now();
    await exportWhole('at second');
    const takenMs = performance.now() - began;
    for (let kill = 1; kill <= count; kill += 1) {
      await demand('before', 'rmi', '-af');
      const child = start();
      const closed = once(child, 'close');
      await sleep((takenMs * kill) / count);
      if (child.exitCode === null && child.pid !== undefined) {
        process.kill(-child.pid, 'SIGKILL');
        killed += 1;
      }
      await closed;
      const when = `kill ${kill} of ${count}`;
      await demand(when, 'images', '-a');
      if (podman.version >= 5) await demand(when, 'system', 'check');
      await exportWhole(`after ${when}`);
    }
  } finally {
    spawnSync('umount', [join(graph, 'overlay')]);
  }
  return { killed, wrong };
}

async function fillRepository(path: string, layout: string): Promise<void> {
  const layers = Array.from({ length: LAYERS }, (_, at) => ({
    tar: testTar(
      Array.from({ length: 60 }, (_unused, file) => ({
        name: `f${at}-${file}`,
        content: noise(5000, at * 100 + file),
      })),
    ),
  }));
  const { reference } = writeTestLayout(layout, layers);
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await pullImage(open, reference, { name: 'app' });
}

/** What a whole export may not leave, and records that are not whole. */
function leftIn(graph: string): string[] {
  const names = readdirSync(graph, { recursive: true, encoding: 'utf8' });
  const left = names.filter((name) => /(?:^|\/)(?:\.tmp-|temp-dir-)/.test(name));
  const records = readFileSync(join(graph, 'overlay-layers/layers.json'), 'utf8');
  if (records.includes('incomplete')) left.push('an incomplete layer');
  if (JSON.parse(records).length !== LAYERS) left.push('another number of layers');
  const images = JSON.parse(readFileSync(join(graph, 'overlay-images/images.json'), 'utf8'));
  for (const { id } of images as { id: string }[]) {
    if (!names.includes(`overlay-images/${id}/manifest`)) left.push(`record ${id} alone`);
  }
  return left;
}
