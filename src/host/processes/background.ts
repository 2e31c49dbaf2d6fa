import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { HostError } from '#base/errors';
import { type Descriptor, fdOf } from '../ffi/name.ts';
import { type CarriedError, carryError, reviveError } from '../threads/carried-error.ts';
import { locateModule } from '../threads/worker.ts';

/** The descriptor at which a background process finds its data, and reports that it is ready. */
const REPORT_FD = 3;
/** Longest data and report, in bytes. */
const MESSAGE_BYTES_MAX = 1 << 20;

type Report = { readonly ready: true } | { readonly error: CarriedError };

/** How to start a background process. */
export interface BackgroundOptions {
  /** Descriptors that it inherits: it finds them at `BACKGROUND_FD` and the numbers behind. */
  readonly files?: readonly Descriptor[];
  readonly signal?: AbortSignal | undefined;
}

/** The first descriptor that a background process inherits. */
export const BACKGROUND_FD = 4;

/**
 * Starts `module` as a process of its own, which goes on after this one ends: in its own session, in `/`, with no descriptor of the caller.
 * Returns when the process says that it is ready.
 * @param module `new URL('./x-server.ts', import.meta.url)`, found as the module of a worker is; it calls `serveBackground`
 * @param data plain data (JSON)
 * @returns its process id
 * @throws the error of the process; HostError WORKER_FAILED when it ends before it is ready; the signal's reason, after the process ended
 */
export async function startBackground(
  module: URL,
  data: unknown,
  { signal, files = [] }: BackgroundOptions = {},
): Promise<number> {
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [fileURLToPath(locateModule(module))], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', ...files.map(fdOf)],
    // In Electron, Node is a mode of the same program.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  });
  const ended = once(child, 'close');
  const end = () => child.kill('SIGTERM');
  signal?.addEventListener('abort', end);
  try {
    const channel = child.stdio[REPORT_FD] as unknown as NodeJS.ReadWriteStream & {
      destroy(): void;
    };
    channel.on('error', () => undefined); // A process that ended has said why, or its end says it.
    channel.write(`${JSON.stringify(data)}\n`);
    let said = '';
    channel.on('data', (piece: Buffer) => {
      said = (said + piece.toString()).slice(0, MESSAGE_BYTES_MAX);
    });
    await Promise.race([once(channel, 'end'), ended]);
    channel.destroy();
    const report = said === '' ? undefined : (JSON.parse(said) as Report);
    if (report !== undefined && 'error' in report) throw reviveError(report.error);
    if (report === undefined || signal?.aborted === true) {
      child.kill('SIGKILL');
      const [status, by] = (await ended) as [number | null, string | null];
      signal?.throwIfAborted();
      const reason = `it ended with ${by ?? `status ${status}`} before it was ready`;
      throw new HostError('WORKER_FAILED', `Cannot start the server: ${reason}`, { reason });
    }
    child.unref();
    return child.pid as number;
  } finally {
    signal?.removeEventListener('abort', end);
  }
}

/**
 * Runs the work of a background process: called once, at the top level of its module. The process ends with the work.
 * @param work calls `ready` when it does what it was started for
 */
export async function serveBackground<Data>(
  work: (data: Data, ready: () => void) => Promise<void>,
): Promise<void> {
  let isReported = false;
  const report = (what: Report) => {
    if (isReported) return;
    isReported = true;
    writeSync(REPORT_FD, JSON.stringify(what));
    closeSync(REPORT_FD);
  };
  try {
    await work(readData() as Data, () => report({ ready: true }));
  } catch (error) {
    report({ error: carryError(error) });
    process.exitCode = 1;
  }
}

function readData(): unknown {
  const bytes = Buffer.alloc(MESSAGE_BYTES_MAX);
  let length = 0;
  while (length < bytes.length && (length === 0 || bytes[length - 1] !== 0x0a)) {
    const count = readSync(REPORT_FD, bytes, length, bytes.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return JSON.parse(bytes.toString('utf8', 0, length));
}
