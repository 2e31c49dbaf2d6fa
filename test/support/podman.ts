import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { findProgram, recordSkip } from './capability.ts';

/** A podman with a store of its own that pulls layers in parts. */
export interface Podman extends Disposable {
  /** Runs a command; stdout and stderr together, and the exit status. */
  run(...args: string[]): Promise<{ readonly status: number | null; readonly output: string }>;
  /** Runs another program where podman runs, with the same store. */
  exec(
    program: string,
    ...args: string[]
  ): Promise<{ readonly status: number | null; readonly output: string }>;
  /** Its folder with the graph root `graph` and the run root `run`: as this process and as podman calls it. */
  readonly folder: string;
  readonly inside: string;
  /** Major version. */
  readonly version: number;
}

/** What kind of podman is wanted. */
export interface PodmanOptions {
  /** Lowest major version; 5 by default. */
  readonly version?: number;
  /** Where to make its folder, for a podman of this host. */
  readonly parent?: string;
}

/**
 * A podman of version 5 or later: that of the host, or of the root filesystem named by ONECOPY_PODMAN_ROOT (as root). Debian 12 has an
 * older one that pulls in parts by other rules, so the test is skipped there, and that does not count.
 */
export async function openPodman(
  t: TestContext,
  { version: lowest = 5, parent }: PodmanOptions = {},
): Promise<Podman | undefined> {
  const root = process.env['ONECOPY_PODMAN_ROOT'] ?? '';
  const skip = (why: string) => {
    recordSkip(t.name, `optional, tool:podman: ${why}`);
    t.skip(why);
    return undefined;
  };
  if (process.geteuid?.() !== 0) return skip('podman stores owners, which needs root');
  if (root === '' && findProgram('podman') === undefined) return skip('"podman" is not installed');
  const podman = podmanIn(root, parent);
  const version = await versionOf(podman);
  if (version >= lowest) return Object.assign(podman, { version });
  podman[Symbol.dispose]();
  return skip(`podman ${lowest} is wanted, found ${version}`);
}

/** The podman of the host or of ONECOPY_PODMAN_ROOT, whatever its version, for proofs. */
export async function openAnyPodman(parent: string): Promise<Podman> {
  const podman = podmanIn(process.env['ONECOPY_PODMAN_ROOT'] ?? '', parent);
  return Object.assign(podman, { version: await versionOf(podman) });
}

async function versionOf(podman: Pick<Podman, 'run'>): Promise<number> {
  const { output } = await podman.run('--version');
  return Number(/version ([0-9]+)/.exec(output)?.[1] ?? 0);
}

function podmanIn(root: string, parent: string | undefined): Omit<Podman, 'version'> {
  const place = root === '' && parent !== undefined ? parent : join(root, '/tmp');
  const folder = mkdtempSync(join(place, 'onecopy-podman-'));
  const inside = folder.slice(root.length);
  writeFileSync(
    join(folder, 'storage.conf'),
    [
      '[storage]',
      'driver = "overlay"',
      `graphroot = "${inside}/graph"`,
      `runroot = "${inside}/run"`,
      '[storage.options.pull_options]',
      'enable_partial_images = "true"',
      '',
    ].join('\n'),
  );
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: `${inside}/storage.conf` };
  return {
    run: (...args) => run(commandIn(root, 'podman', args), env),
    exec: (program, ...args) => run(commandIn(root, program, args), env),
    folder,
    inside,
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A command in another root, or here without one: mounts go with the namespace when the command ends. */
export function commandIn(
  root: string,
  program: string,
  args: readonly string[],
): readonly string[] {
  if (root === '') return [program, ...args];
  const script = [
    'mount --rbind "$0" "$0"; mount -t proc proc "$0/proc"; mount --rbind /sys "$0/sys"; mount --rbind /dev "$0/dev"',
    'exec chroot "$0" "$@"',
  ].join('\n');
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-ec',
    script,
    root,
    program,
    ...args,
  ];
}

function run(command: readonly string[], env: NodeJS.ProcessEnv) {
  const [program = '', ...args] = command;
  return new Promise<{ status: number | null; output: string }>((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const add = (piece: Buffer) => {
      output += piece.toString('utf8');
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}
