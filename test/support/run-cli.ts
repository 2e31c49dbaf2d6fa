import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The program as a checkout starts it, or another one, as an installed package has it. */
export const ONECOPY = process.env['ONECOPY_PROGRAM'] ?? join(ROOT, 'bin/onecopy');

/** Environment of a run: without what the machine says about colours and repositories. */
export function cliEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  // Node draws no colours where CI is set, whatever the terminal.
  const { ONECOPY_REPO: _repo, NO_COLOR: _no, FORCE_COLOR: _force, CI: _ci, ...rest } = process.env;
  const PATH = `${dirname(ONECOPY)}:${rest['PATH'] ?? ''}`;
  return { ...rest, PATH, LC_ALL: 'C.UTF-8', ...more };
}

/** What a run said. */
export interface CliRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run. */
export interface CliOptions {
  readonly repo?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
}

/** Runs `onecopy` with arguments and waits for it. */
export function runCli(args: readonly string[], options: CliOptions = {}): CliRun {
  const repo = options.repo === undefined ? {} : { ONECOPY_REPO: options.repo };
  const done: SpawnSyncReturns<string> = spawnSync(ONECOPY, args, {
    encoding: 'utf8',
    env: cliEnvironment({ ...repo, ...options.env }),
    input: options.input ?? '',
    maxBuffer: 64 << 20,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (done.error !== undefined) throw done.error;
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

/** As `runCli`, while others run. */
export function runCliAsync(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const repo = options.repo === undefined ? {} : { ONECOPY_REPO: options.repo };
  return new Promise((resolve, reject) => {
    const child = spawn(ONECOPY, args, {
      env: cliEnvironment({ ...repo, ...options.env }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece: Buffer) => {
      said.stdout += piece.toString();
    });
    child.stderr.on('data', (piece: Buffer) => {
      said.stderr += piece.toString();
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, ...said }));
  });
}

/** The reference of a golden image layout, for example `oci:…/basic/layout:latest`. */
export function goldenReference(name: string, tag = ':latest'): string {
  return `oci:${join(ROOT, 'test/golden/cfsctl/oci', name, 'layout')}${tag}`;
}
