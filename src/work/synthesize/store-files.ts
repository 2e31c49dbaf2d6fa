import { displayText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import { resolvedPathOf, startWorker, type WorkerHandle } from '#host';
import type { Repository } from '#stores/composefs';
import { FileStage, type OstreeTransaction, type ReflinkPolicy } from '#stores/ostree';
import type { CommitWorkerData, CommitWorkerMessage, CommitWorkerTask } from './commit-worker.ts';
import { FileStorer, type StoredFile } from './file-storer.ts';
import type { PlannedFile } from './plan.ts';

/** Source and destination of files. */
export interface StoreFilesOptions extends OperationOptions {
  readonly repository: Repository;
  readonly transaction: OstreeTransaction;
  readonly reflink: ReflinkPolicy;
  /** Number of threads. */
  readonly jobs: number;
  /** Estimated number of files. */
  readonly about: number;
}

/** Counts of files whose content is an object of the composefs repository, by result; each object of the commit counts once. */
export interface ExternalCounts {
  readonly reflinkedFiles: number;
  readonly reflinkedBytes: number;
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** Already in the OSTree repository, or equal to another file of the image. */
  readonly presentFiles: number;
  readonly presentBytes: number;
}

/** Checksums of files in order, and counts. */
export interface StoredFiles {
  readonly checksums: readonly OstreeChecksum[];
  readonly external: ExternalCounts;
}

const PROGRESS_ID = 'synthesize';
/** Minimum number of files to start a thread: fewer are stored before it would be ready. */
const START_FILES_MIN = 400;
/** Files in one message to a thread, and messages queued for a thread. */
const TASK_FILES = 64;
const TASKS_AHEAD = 2;
/** Files that this thread stores before it yields, so that a signal acts soon. */
const TURN_FILES = 16;
const PROGRESS_EVERY = 256;

/**
 * Runs a plan and stores the objects of its files concurrently, in threads if there are many, each with its own staging directory. Nothing is
 * visible before the transaction commits.
 * @throws what the plan throws; as `FileStorer.store`; HostError NO_SPACE, WORKER_FAILED; the reason of `signal`
 */
export async function storeWhilePlanning<Result>(
  steps: Steps<Result>,
  files: readonly PlannedFile[],
  options: StoreFilesOptions,
): Promise<{ readonly planned: Result; readonly stored: StoredFiles }> {
  const { onProgress, signal } = options;
  onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items' });
  const collector = new Collector(files, options);
  const isFew = options.about < START_FILES_MIN || options.jobs < 2;
  await using pool = isFew ? undefined : new Pool(files, collector, options);
  const planned = await inTurns(feeding(steps, pool), { signal });
  await (pool === undefined ? storeHere(files, collector, options) : pool.finish());
  onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: files.length });
  return { planned, stored: collector };
}

function* feeding<Result>(steps: Steps<Result>, pool: Pool | undefined): Steps<Result> {
  for (;;) {
    const step = steps.next();
    pool?.feed();
    if (step.done === true) return step.value;
    yield;
  }
}

/** Adds stored files to the transaction, and counts them. */
class Collector implements StoredFiles {
  readonly checksums: OstreeChecksum[] = [];
  readonly external = {
    reflinkedFiles: 0,
    reflinkedBytes: 0,
    copiedFiles: 0,
    copiedBytes: 0,
    presentFiles: 0,
    presentBytes: 0,
  };
  readonly #files: readonly PlannedFile[];
  readonly #options: StoreFilesOptions;
  #done = 0;
  #told = 0;

  constructor(files: readonly PlannedFile[], options: StoreFilesOptions) {
    this.#files = files;
    this.#options = options;
  }

  get count(): number {
    return this.#done;
  }

  add(stage: number, index: number, { checksum, method: staged }: StoredFile): void {
    const { header, content } = this.#files[index] as PlannedFile;
    const { sizeBytes } = header;
    const { transaction, onProgress } = this.#options;
    const method = transaction.addStaged(stage, checksum, staged, sizeBytes);
    this.checksums[index] = checksum;
    if (typeof content === 'string') this.#countExternal(method, sizeBytes);
    this.#done += 1;
    if (this.#done - this.#told < PROGRESS_EVERY) return;
    this.#told = this.#done;
    onProgress?.({ type: 'advanced', id: PROGRESS_ID, done: this.#done });
  }

  #countExternal(method: StoredFile['method'], sizeBytes: number): void {
    const way = method === 'written' ? 'copied' : method;
    this.external[`${way}Files`] += 1;
    this.external[`${way}Bytes`] += sizeBytes;
  }
}

async function storeHere(
  files: readonly PlannedFile[],
  collector: Collector,
  options: StoreFilesOptions,
): Promise<void> {
  const { repository, transaction, reflink, signal } = options;
  const seed = transaction.openStage();
  using storer = new FileStorer(repository, new FileStage(seed), reflink);
  for (let first = 0; first < files.length; first += TURN_FILES) {
    const some = files.slice(first, first + TURN_FILES);
    for (const { header } of some) transaction.requireSpace(header.sizeBytes);
    const stored = await storer.storeAll(some, () => false);
    for (const [at, one] of (stored ?? []).entries()) collector.add(seed.stage, first + at, one);
    await new Promise(setImmediate);
    signal?.throwIfAborted();
  }
}

/** A thread, and the number of tasks queued for it. */
interface Lane {
  readonly worker: WorkerHandle<CommitWorkerTask, void>;
  readonly stage: number;
  tasks: number;
}

/** Threads that store files while more files are planned. */
class Pool implements AsyncDisposable {
  readonly #files: readonly PlannedFile[];
  readonly #collector: Collector;
  readonly #options: StoreFilesOptions;
  readonly #lanes: readonly Lane[];
  readonly #finished = Promise.withResolvers<void>();
  #next = 0;
  #isPlanned = false;

  constructor(files: readonly PlannedFile[], collector: Collector, options: StoreFilesOptions) {
    this.#files = files;
    this.#collector = collector;
    this.#options = options;
    this.#finished.promise.catch(() => {}); // Awaited in `finish`.
    this.#lanes = Array.from({ length: options.jobs }, () => this.#startLane());
  }

  /** Distributes the files that were planned since the last call. */
  feed(): void {
    for (let isHanding = true; isHanding; ) {
      isHanding = false;
      for (const lane of this.#lanes) if (this.#hand(lane)) isHanding = true;
    }
  }

  /** Ends the plan: waits until all files are stored. */
  async finish(): Promise<void> {
    this.#isPlanned = true;
    this.feed();
    this.#settle();
    await this.#finished.promise;
  }

  /** Ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isWhole = this.#isPlanned && this.#collector.count === this.#files.length;
    for (const { worker } of this.#lanes) {
      if (!isWhole) worker.cancel();
      worker.post('stop');
    }
    await Promise.allSettled(this.#lanes.map(({ worker }) => worker.done));
  }

  /** Sends one task to a thread with few tasks; a short task only at the end. */
  #hand(lane: Lane): boolean {
    const waiting = this.#files.length - this.#next;
    const least = this.#isPlanned ? 1 : TASK_FILES;
    if (lane.tasks >= TASKS_AHEAD || waiting < least) return false;
    const files = this.#files.slice(this.#next, this.#next + TASK_FILES);
    for (const { header } of files) this.#options.transaction.requireSpace(header.sizeBytes);
    lane.worker.post({ first: this.#next, files });
    lane.tasks += 1;
    this.#next += files.length;
    return true;
  }

  #take(lane: Lane, { first, stored }: CommitWorkerMessage): void {
    lane.tasks -= 1;
    for (const [at, one] of stored.entries()) this.#collector.add(lane.stage, first + at, one);
    while (this.#hand(lane));
    this.#settle();
  }

  #settle(): void {
    if (this.#isPlanned && this.#collector.count === this.#files.length) this.#finished.resolve();
  }

  #startLane(): Lane {
    const { repository, transaction, reflink, signal } = this.#options;
    const module = new URL('./commit-worker.ts', import.meta.url);
    const seed = transaction.openStage();
    const { insecure } = repository;
    const path = displayText(resolvedPathOf(repository.root));
    const data: CommitWorkerData = { repository: path, insecure, seed, reflink };
    const worker = startWorker<CommitWorkerData, CommitWorkerTask, CommitWorkerMessage, void>(
      module,
      data,
      {
        name: 'onecopy-commit',
        signal,
        onMessage: (message) => {
          try {
            this.#take(lane, message);
          } catch (error) {
            this.#finished.reject(error);
          }
        },
      },
    );
    const lane: Lane = { worker, stage: seed.stage, tasks: 0 };
    worker.done.catch(this.#finished.reject);
    return lane;
  }
}
