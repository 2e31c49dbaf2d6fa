import { spawn } from 'node:child_process';

/** Programs that may be started: credential helpers, found on PATH by their name. */
const HELPER_PROGRAM = /^docker-credential-[A-Za-z0-9._-]{1,128}$/;

/** A program to start, without a shell. */
export interface HelperCall {
  /** Name of the program without a path. */
  readonly program: string;
  readonly args: readonly string[];
  /** Written to its standard input, which is then closed. */
  readonly input: string;
  /** The whole environment; PATH decides which program is found. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The program is killed after this long. */
  readonly timeoutMs: number;
  /** The program is killed when it prints more. */
  readonly outputBytesMax: number;
  readonly signal?: AbortSignal;
}

/** How a helper ended. */
export type HelperOutcome =
  | { readonly kind: 'exited'; readonly status: number; readonly stdout: Buffer }
  | { readonly kind: 'missing' | 'not-started' | 'killed' | 'timed-out' | 'output-too-large' };

/**
 * Runs a helper to its end; it inherits standard error.
 * @throws TypeError for a program that is not a helper; the reason of the signal
 */
export async function runHelper(call: HelperCall): Promise<HelperOutcome> {
  if (!HELPER_PROGRAM.test(call.program)) throw new TypeError(`no helper: ${call.program}`);
  call.signal?.throwIfAborted();
  const child = spawn(call.program, [...call.args], {
    env: { ...call.env },
    shell: false,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const outcome = Promise.withResolvers<HelperOutcome>();
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  child.stdout.on('data', (piece: Buffer) => {
    sizeBytes += piece.length;
    if (sizeBytes > call.outputBytesMax) outcome.resolve({ kind: 'output-too-large' });
    else pieces.push(piece);
  });
  child.on('error', (error: NodeJS.ErrnoException) =>
    outcome.resolve({ kind: error.code === 'ENOENT' ? 'missing' : 'not-started' }),
  );
  child.on('close', (status) =>
    outcome.resolve(
      status === null
        ? { kind: 'killed' }
        : { kind: 'exited', status, stdout: Buffer.concat(pieces) },
    ),
  );
  child.stdin.on('error', () => undefined); // A helper may end without reading its input.
  child.stdin.end(call.input);
  const timer = setTimeout(() => outcome.resolve({ kind: 'timed-out' }), call.timeoutMs);
  const abort = () => outcome.reject(call.signal?.reason);
  call.signal?.addEventListener('abort', abort);
  try {
    return await outcome.promise;
  } finally {
    clearTimeout(timer);
    call.signal?.removeEventListener('abort', abort);
    child.kill('SIGKILL');
    // A grandchild may keep the pipe open; nothing more is read from it.
    child.stdout.destroy();
  }
}
