import { displayText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { type OperationOptions, turnTaker } from '#base/flow';
import { resolvedPathOf, startWorker, type WorkerHandle } from '#host';
import type { Repository } from '#stores/composefs';
import { FileStage, type OstreeTransaction, type ReflinkPolicy } from '#stores/ostree';
import type { CommitWorkerData, CommitWorkerMessage, CommitWorkerTask } from './commit-worker.ts';
import { FileStorer, type StoredFile } from './file-storer.ts';
import type { PlannedFile } from './plan.ts';

/** Where files come from and go to. */
export interface StoreFilesOptions extends OperationOptions {
  readonly repository: Repository;
  readonly transaction: OstreeTransaction;
  readonly reflink: ReflinkPolicy;
  /** Threads. */
  readonly jobs: number;
}

/** Files whose content is an object of the composefs repository, by what became of them; each object of the commit counts once. */
export interface ExternalCounts {
  readonly reflinkedFiles: number;
  readonly reflinkedBytes: number;
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** Already in the OSTree repository, or equal to another file of the image. */
  readonly presentFiles: number;
  readonly presentBytes: number;
}

/** Checksums of files in their order, and counts. */
export interface StoredFiles {
  readonly checksums: readonly OstreeChecksum[];
  readonly external: ExternalCounts;
}

const PROGRESS_ID = 'synthesize';
/** With fewer files, no thread is started: they are stored before it would be ready. */
const START_FILES_MIN = 400;
/** Files of one message to a thread, and messages that it has before it. */
const TASK_FILES = 64;
const TASKS_AHEAD = 2;
/** Files between two progress events of this thread. */
const PROGRESS_EVERY = 256;

/**
 * Makes the objects of all files, in threads if there are many, each with a staging directory of its own. Nothing is visible before the
 * transaction commits.
 * @throws as `FileStorer.store`; HostError NO_SPACE, WORKER_FAILED; the reason of `signal`
 */
export async function storeFiles(
  files: readonly PlannedFile[],
  options: StoreFilesOptions,
): Promise<StoredFiles> {
  const { onProgress } = options;
  onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items', total: files.length });
  const collector = new Collector(files, options);
  const isFew = files.length < START_FILES_MIN || options.jobs < 2;
  await (isFew ? storeHere(files, collector, options) : storeInThreads(files, collector, options));
  onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: files.length });
  return collector;
}

/** Tells the transaction of stored files, and counts them. */
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
  const { repository, transaction, reflink } = options;
  const seed = transaction.openStage();
  const storer = new FileStorer(repository, new FileStage(seed), reflink);
  const turn = turnTaker(options);
  for (const [index, file] of files.entries()) {
    transaction.requireSpace(file.header.sizeBytes);
    const stored = storer.store(file);
    collector.add(seed.stage, index, stored instanceof Promise ? await stored : stored);
    if (index % 16 === 0) await turn();
  }
}

/** A thread, and how many tasks it has before it. */
interface Lane {
  readonly worker: WorkerHandle<CommitWorkerTask, void>;
  tasks: number;
}

async function storeInThreads(
  files: readonly PlannedFile[],
  collector: Collector,
  options: StoreFilesOptions,
): Promise<void> {
  const { transaction, signal } = options;
  const finished = Promise.withResolvers<void>();
  const lanes: Lane[] = [];
  let next = 0;
  const hand = (lane: Lane): void => {
    for (; lane.tasks < TASKS_AHEAD && next < files.length; lane.tasks += 1) {
      const task = files.slice(next, next + TASK_FILES);
      for (const { header } of task) transaction.requireSpace(header.sizeBytes);
      lane.worker.post({ first: next, files: task });
      next += task.length;
    }
  };
  const take = (lane: Lane, stage: number, { first, stored }: CommitWorkerMessage): void => {
    lane.tasks -= 1;
    for (const [at, one] of stored.entries()) collector.add(stage, first + at, one);
    if (collector.count === files.length) finished.resolve();
    else hand(lane);
  };
  try {
    for (let count = 0; count < options.jobs; count += 1) {
      lanes.push(startLane(options, take, finished.reject));
    }
    for (const lane of lanes) hand(lane);
    await finished.promise;
  } finally {
    const isWhole = collector.count === files.length;
    for (const { worker } of lanes) {
      if (!isWhole) worker.cancel();
      worker.post('stop');
    }
    await Promise.allSettled(lanes.map(({ worker }) => worker.done));
  }
  signal?.throwIfAborted();
}

function startLane(
  { repository, transaction, reflink, signal }: StoreFilesOptions,
  take: (lane: Lane, stage: number, message: CommitWorkerMessage) => void,
  fail: (error: unknown) => void,
): Lane {
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
          take(lane, seed.stage, message);
        } catch (error) {
          fail(error);
        }
      },
    },
  );
  const lane: Lane = { worker, tasks: 0 };
  worker.done.catch(fail);
  return lane;
}
