import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountLoopFilesystem } from './loop-fs.ts';
import { ONECOPY } from './run-cli.ts';
import { testTar } from './tar-archive.ts';
import { noise, writeTestLayout } from './test-layout.ts';

/** Enough that threads store them. */
const FILES = 1500;
const FILE_BYTES = 3000;

/**
 * Kills `onecopy export … ostree-local:` at points spread over its run, the routes in turn, and looks at the repository after
 * each kill and after the run that follows it. Needs root, XFS and ostree.
 * @returns what was wrong
 */
export async function killCommits(
  kills: number,
  routes: readonly ('synthesis' | 'classic')[],
): Promise<string[]> {
  const wrong: string[] = [];
  await using filesystem = await mountLoopFilesystem('xfs');
  const at = (name: string) => join(filesystem.path, name);
  const tar = testTar(
    Array.from({ length: FILES }, (_, file) => {
      return { name: `usr/f${file}`, content: noise(FILE_BYTES, file) };
    }),
  );
  writeTestLayout(at('layout'), [{ tar }]);
  const start = (...args: string[]) =>
    spawn(ONECOPY, ['--repo', at('repo'), '-q', ...args], { stdio: 'ignore', detached: true });
  const run = async (...args: string[]): Promise<number | null> => {
    const [status] = (await once(start(...args), 'close')) as [number | null];
    return status;
  };
  if ((await run('pull', `oci:${at('layout')}:latest`, 'app')) !== 0) return ['the pull failed'];
  const exported = (route: string) => [
    'export',
    'app',
    `ostree-local:${at('os')}:app`,
    '--route',
    route,
  ];
  const ostree = (...args: string[]) =>
    spawnSync('ostree', [...args, `--repo=${at('os')}`], { encoding: 'utf8' });
  const expected = new Map<string, string>();
  let takenMs = 0;
  for (const route of routes) {
    rmSync(at('os'), { recursive: true, force: true });
    const began = performance.now();
    if ((await run(...exported(route), '--mode', 'bare')) !== 0) return ['the export failed'];
    takenMs = performance.now() - began;
    expected.set(route, ostree('rev-parse', 'app').stdout);
  }
  for (let kill = 1; kill <= kills; kill += 1) {
    const route = routes[kill % routes.length] ?? 'synthesis';
    rmSync(at('os'), { recursive: true, force: true });
    ostree('init', '--mode=bare');
    const child = start(...exported(route));
    const closed = once(child, 'close');
    await sleep((takenMs * kill) / (kills + 1));
    // The launcher and what it started are one group.
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await closed;
    const found = ostree('rev-parse', 'app');
    if (found.status === 0 && found.stdout !== expected.get(route))
      wrong.push(`kill ${kill}: another ref`);
    const early = ostree('fsck', '-q');
    if (early.status !== 0) wrong.push(`kill ${kill}: fsck: ${early.stderr}`);
    const status = await run(...exported(route));
    if (status !== 0) wrong.push(`kill ${kill}: the next run ended with ${status}`);
    if (ostree('rev-parse', 'app').stdout !== expected.get(route))
      wrong.push(`kill ${kill}: no commit`);
    const late = ostree('fsck', '-q');
    if (late.status !== 0) wrong.push(`kill ${kill}: fsck after the next run: ${late.stderr}`);
    const left = existsSync(at('os/tmp')) ? readdirSync(at('os/tmp')) : [];
    const staged = left.filter((name) => name.startsWith('onecopy-'));
    if (staged.length > 0) wrong.push(`kill ${kill}: left ${staged.join(', ')}`);
  }
  return wrong;
}
