import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
// By default export: a bundle then loads this module only when a thread is started or served, which most runs do not do.
import threads, { type MessagePort, type Worker } from 'node:worker_threads';
import { HostError } from '#base/errors';
import { type CarriedError, carryError, reviveError } from './carried-error.ts';

/** How to start a worker. */
export interface WorkerOptions<Out> {
  /** Receives what the worker posts, in order. */
  readonly onMessage?: (message: Out) => void;
  /** Sets the worker's cancel flag; `done` then rejects with the signal's reason once the worker has stopped. */
  readonly signal?: AbortSignal | undefined;
  /** Shown by debuggers and in error messages. */
  readonly name?: string;
  /**
   * Size of the young generation in MiB. A thread with only short-lived objects needs little, and a small heap stays in the cache of the
   * processor; with the default, each thread grows to several tens of MiB.
   */
  readonly youngHeapMb?: number;
}

/**
 * A running worker thread. Disposing terminates the thread if it has not finished, and waits for its exit. Descriptors of a terminated
 * worker are lost: let it finish or cancel it, where that matters.
 */
export interface WorkerHandle<In, Result> extends AsyncDisposable {
  /** Sends a message; SharedArrayBuffers are shared, the listed buffers move. */
  post(message: In, transfer?: readonly ArrayBuffer[]): void;
  /** Asks the worker to stop at its next unit boundary; one that has not begun is ended at once, and `done` rejects. */
  cancel(): void;
  /** The result of the worker function. Rejects with its error (typed errors included), or HostError WORKER_FAILED. */
  readonly done: Promise<Result>;
}

/** The context of a worker function. */
export interface WorkerContext<In, Out> {
  /** Sends a message to the parent thread. */
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
  /** Messages from the parent thread; ends only with the worker. */
  messages(): AsyncIterable<In>;
  /** True once the parent has cancelled. Cheap and readable in the middle of blocking work. */
  isCancelled(): boolean;
}

interface Envelope {
  readonly data: unknown;
  /** Of each of {@link STATE} whether it is so. */
  readonly state: Int32Array;
}

/** Places in the shared state of a thread. `taken` is set by the first of two: the thread that begins, or its owner that cancels it. */
const STATE = { cancelled: 0, taken: 1 } as const;

/** True when nobody had taken it. */
function take(state: Int32Array): boolean {
  return Atomics.exchange(state, STATE.taken, 1) === 0;
}

type Report =
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly error: CarriedError };

/**
 * Starts `module` in a thread. The module calls `serveWorker` once at its top level.
 * @param module `new URL('../ffi/name.ts', import.meta.url)`; in a bundle, where that file does not exist, `name.js` beside the bundle or
 * in the
 *   directory above it is used
 * @param data plain data (structured clone); open descriptors may be passed as numbers, SharedArrayBuffers are shared
 * @throws HostError WORKER_FAILED if the module does not exist
 */
export function startWorker<Data, In, Out, Result>(
  module: URL,
  data: Data,
  options: WorkerOptions<Out> = {},
): WorkerHandle<In, Result> {
  options.signal?.throwIfAborted();
  const state = new Int32Array(new SharedArrayBuffer(8));
  const envelope: Envelope = { data, state };
  const worker = new threads.Worker(locateModule(module), {
    workerData: envelope,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.youngHeapMb === undefined
      ? {}
      : { resourceLimits: { maxYoungGenerationSizeMb: options.youngHeapMb } }),
  });
  const settled = settle<Result, Out>(worker, options);
  let gone: Promise<unknown> = new Promise((resolve) => worker.once('exit', resolve));
  let isRunning = true;
  const cancel = () => {
    Atomics.store(state, STATE.cancelled, 1);
    if (!isRunning || !take(state)) return;
    // A thread that still loads its code holds nothing yet, and loading cannot be interrupted: nobody waits for its end.
    isRunning = false;
    gone = Promise.resolve();
    worker.unref();
    void worker.terminate();
    settled.fail(workerFailed('it was cancelled before it began'));
  };
  options.signal?.addEventListener('abort', cancel, { once: true });
  const done = settled.promise.finally(() => {
    isRunning = false;
    options.signal?.removeEventListener('abort', cancel);
  });
  // `done` reports a failure. This handler avoids an unhandled rejection while no caller awaits it yet.
  done.catch(() => {});
  return {
    post: (message, transfer) => worker.postMessage(message, [...(transfer ?? [])]),
    cancel,
    done,
    async [Symbol.asyncDispose]() {
      await (isRunning ? worker.terminate() : gone);
    },
  };
}

/** The result of a thread; the first of its messages, errors and `fail` decides. */
function settle<Result, Out>(
  worker: Worker,
  options: WorkerOptions<Out>,
): { readonly promise: Promise<Result>; readonly fail: (error: unknown) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const fail = (error: unknown) => {
    reject(options.signal?.aborted === true ? options.signal.reason : error);
  };
  worker.on('message', (report: Report) => {
    if (report.kind === 'message') options.onMessage?.(report.message as Out);
    else if (report.kind === 'result') resolve(report.result as Result);
    else fail(reviveError(report.error));
  });
  worker.on('error', (error) => fail(workerFailed('it threw an error it did not report', error)));
  worker.on('exit', (status) => fail(workerFailed(`it ended with status ${status}`)));
  return { promise, fail };
}

function workerFailed(reason: string, cause?: unknown): HostError {
  const message = `Cannot finish the work of a thread: ${reason}`;
  return new HostError('WORKER_FAILED', message, { reason }, cause === undefined ? {} : { cause });
}

/** The source module, or the module of the bundle. @throws HostError WORKER_FAILED when neither exists */
export function locateModule(module: URL): URL {
  const base = module.pathname.slice(module.pathname.lastIndexOf('/') + 1);
  const bundled = base.replace(/\.ts$/, '.js');
  const candidates =
    workerFolder === undefined
      ? [module, new URL(`./${bundled}`, module), new URL(`../${bundled}`, module)]
      : [new URL(bundled, workerFolder)];
  const found = candidates.find((candidate) => existsSync(fileURLToPath(candidate)));
  if (found !== undefined) return found;
  const [wanted = module] = candidates;
  throw workerFailed(`there is no module "${fileURLToPath(wanted)}"`);
}

let workerFolder: URL | undefined;

/**
 * Says where the entries of threads are (`batch-worker.js`, `commit-worker.js`, `file-worker.js`, `frame-worker.js`, `fsck-worker.js`,
 * `fuse-worker.js`, `gc-worker.js`, `readiness-worker.js`, `unpack-worker.js`) and of background processes (`fuse-server.js`), for programs whose bundler put
 * them elsewhere. It holds for this process and all later calls. Without it they are
 * looked for beside the code of the library, by `import.meta.url`.
 * @param folder a `file:` URL or a path; undefined: beside the library again
 */
export function setWorkerFolder(folder: URL | string | undefined): void {
  const url = typeof folder === 'string' ? pathToFileURL(folder) : folder;
  workerFolder = url === undefined ? undefined : new URL(url.href.replace(/\/?$/, '/'));
}

/** Number of this thread in its process: 0 for the main thread, increasing in the order of starts. */
export function threadNumber(): number {
  return threads.threadId;
}

/**
 * Runs `work` with the data of `startWorker`, and reports its result or error. Called once, at the top level of a worker module; the thread
 * ends when the work does.
 */
export function serveWorker<Data, In, Out, Result>(
  work: (data: Data, context: WorkerContext<In, Out>) => Promise<Result> | Result,
): void {
  const port = threads.parentPort;
  if (port === null) throw workerFailed('this module runs only inside startWorker');
  const { data, state } = threads.workerData as Envelope;
  if (!take(state)) return;
  const send = (report: Report, transfer: readonly ArrayBuffer[] = []) =>
    port.postMessage(report, [...transfer]);
  const context: WorkerContext<In, Out> = {
    post: (message, transfer) => send({ kind: 'message', message }, transfer),
    messages: () => messagesOf<In>(port),
    isCancelled: () => Atomics.load(state, STATE.cancelled) !== 0,
  };
  const run = async () => work(data as Data, context);
  run()
    .then(
      (result) => send({ kind: 'result', result }),
      (error: unknown) => send({ kind: 'error', error: carryError(error) }),
    )
    // Exits explicitly: an open connection would keep the thread alive.
    .finally(() => process.exit());
}

async function* messagesOf<In>(port: MessagePort): AsyncGenerator<In> {
  const waiting: In[] = [];
  let wake: (() => void) | undefined;
  port.on('message', (message: In) => {
    waiting.push(message);
    wake?.();
  });
  for (;;) {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) yield next;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}
