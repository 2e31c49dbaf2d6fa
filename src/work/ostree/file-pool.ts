import type { OstreeChecksum } from '#base/digest';
import { reviveError, startWorker, type WorkerHandle } from '#host';
import { type ObjectWriterSeed, openObjectWriter } from '#stores/composefs';
import { type OstreeRepo, openOstreeRepo } from '#stores/ostree';
import {
  absorbFilez,
  absorbLocal,
  absorbLocalFilez,
  absorbStream,
  type FileTools,
  storeAbsorbed,
} from './file-work.ts';
import type {
  FileBatch,
  FileBatchResult,
  FileWorkerData,
  FileWorkerMessage,
} from './file-worker.ts';
import { decodeRecords, type ObjectRecord } from './records.ts';

/** How a pool works. */
export interface FilePoolOptions {
  readonly seed: ObjectWriterSeed;
  readonly journalFd: number | undefined;
  /** Where local files come from. */
  readonly localPath?: string | undefined;
  /** Threads; 0 does all work in this one. */
  readonly workers: number;
  readonly signal?: AbortSignal | undefined;
}

interface Task {
  readonly checksum: OstreeChecksum;
  /** The `.filez`, or undefined for a local file. */
  readonly filez: Uint8Array | undefined;
  readonly resolve: (record: ObjectRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly worker: WorkerHandle<FileBatch, void>;
  isReady: boolean;
  running: readonly Task[] | undefined;
}

/** Threads are started when this many files have come: a small pull is over before they would be ready. */
const START_AFTER_FILES = 192;
/** A batch this small waits a few turns of the event loop for company, unless nothing more comes. */
const SMALL_BATCH_FILES = 24;
const SMALL_BATCH_BYTES = 128 * 1024;
const SMALL_BATCH_TURNS = 3;
/** Most files, and most `.filez` bytes, of one batch. */
const BATCH_FILES_MAX = 96;
const BATCH_BYTES_MAX = 1 << 20;

/**
 * Verifies and stores file objects, in threads of its own once there are many. Files that come in while all threads are busy
 * go out together, so handing over costs little when it matters; until the threads are up, this one does the work.
 */
export class FilePool implements AsyncDisposable {
  readonly tools: FileTools;
  readonly #options: FilePoolOptions;
  readonly #repo: OstreeRepo | undefined;
  readonly #lanes: Lane[] = [];
  #queue: Task[] = [];
  #count = 0;
  #isScheduled = false;
  #turns = 0;
  #queuedBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: FilePoolOptions) {
    this.#options = options;
    const { seed, journalFd, localPath } = options;
    this.tools = { writer: openObjectWriter(seed), algorithm: seed.algorithm, journalFd };
    this.#repo = localPath === undefined ? undefined : openOstreeRepo(localPath);
  }

  /** Verifies and stores a file that was fetched. @throws FormatError, IntegrityError as absorbFilez; HostError */
  async absorb(checksum: OstreeChecksum, filez: Uint8Array): Promise<ObjectRecord> {
    const record = await this.#submit(checksum, filez);
    if (record === undefined) throw new RangeError('A fetched file has no record');
    return record;
  }

  /** Verifies and stores a file of the local repository; undefined when it is not there. */
  absorbLocal(checksum: OstreeChecksum): Promise<ObjectRecord | undefined> {
    return this.#submit(checksum, undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lane of this.#lanes) await lane.worker[Symbol.asyncDispose]();
    this.#repo?.[Symbol.dispose]();
  }

  #submit(checksum: OstreeChecksum, filez: Uint8Array | undefined) {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (++this.#count === START_AFTER_FILES) this.#start();
    return new Promise<ObjectRecord | undefined>((resolve, reject) => {
      this.#queue.push({ checksum, filez, resolve, reject });
      this.#queuedBytes += filez?.length ?? 0;
      this.#schedule();
    });
  }

  /** Waits for what else this turn of the event loop brings. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isWorthWaiting()) this.#schedule();
      else void this.#flush();
    });
  }

  #isWorthWaiting(): boolean {
    const isSmall = this.#queue.length < SMALL_BATCH_FILES && this.#queuedBytes < SMALL_BATCH_BYTES;
    this.#turns = isSmall ? this.#turns + 1 : 0;
    if (isSmall && this.#turns <= SMALL_BATCH_TURNS) return true;
    this.#turns = 0;
    return false;
  }

  async #flush(): Promise<void> {
    if (!this.#lanes.some((lane) => lane.isReady)) {
      const tasks = this.#takeBatch();
      await this.#runHere(tasks);
      if (this.#queue.length > 0) this.#schedule();
      return;
    }
    for (const lane of this.#lanes) {
      if (this.#queue.length === 0) return;
      if (lane.isReady && lane.running === undefined) this.#hand(lane, this.#takeBatch());
    }
  }

  #takeBatch(): Task[] {
    // An even share, so that the last files of a pull do not all wait for one thread.
    const lanes = Math.max(1, this.#lanes.length);
    const most = Math.min(BATCH_FILES_MAX, Math.ceil(this.#queue.length / lanes));
    let count = 0;
    let bytes = 0;
    while (count < most && (count === 0 || bytes < BATCH_BYTES_MAX)) {
      bytes += this.#queue[count]?.filez?.length ?? 0;
      count++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  #hand(lane: Lane, tasks: readonly Task[]): void {
    lane.running = tasks;
    const checksums = tasks.map(({ checksum }) => checksum);
    if (tasks[0]?.filez === undefined) {
      lane.worker.post({ checksums, ends: undefined, bytes: undefined });
      return;
    }
    const ends: number[] = [];
    let length = 0;
    for (const { filez } of tasks) {
      length += filez?.length ?? 0;
      ends.push(length);
    }
    const bytes = new Uint8Array(length);
    tasks.forEach(({ filez }, index) => {
      bytes.set(filez ?? [], index === 0 ? 0 : ends[index - 1]);
    });
    lane.worker.post({ checksums, ends, bytes }, [bytes.buffer]);
  }

  async #runHere(tasks: readonly Task[]): Promise<void> {
    for (const { checksum, filez, resolve, reject } of tasks) {
      try {
        resolve(
          filez === undefined ? await this.#local(checksum) : await this.#fetched(checksum, filez),
        );
      } catch (error) {
        reject(error);
      }
    }
  }

  async #local(checksum: OstreeChecksum): Promise<ObjectRecord | undefined> {
    const absorbed =
      this.#repo === undefined
        ? undefined
        : absorbLocalFilez(this.#repo, checksum, this.tools.algorithm);
    if (absorbed !== undefined) {
      storeAbsorbed([absorbed], this.tools);
      return absorbed.record;
    }
    using file = this.#repo?.openFile(checksum);
    return file === undefined ? undefined : await absorbLocal(file, this.tools);
  }

  async #fetched(checksum: OstreeChecksum, filez: Uint8Array): Promise<ObjectRecord> {
    const absorbed = absorbFilez(checksum, filez, this.tools.algorithm);
    if (absorbed === undefined) return await absorbStream(checksum, piecesOf(filez), this.tools);
    storeAbsorbed([absorbed], this.tools);
    return absorbed.record;
  }

  #start(): void {
    const { seed, journalFd, localPath, workers, signal } = this.#options;
    const data: FileWorkerData = { seed, journalFd, localPath };
    for (let index = 0; index < workers; index++) {
      const module = new URL('./file-worker.ts', import.meta.url);
      const worker = startWorker<FileWorkerData, FileBatch, FileWorkerMessage, void>(module, data, {
        name: 'onecopy-ostree-files',
        signal,
        onMessage: (message) => this.#onMessage(lane, message),
      });
      const lane: Lane = { worker, isReady: false, running: undefined };
      worker.done.catch((error: unknown) => this.#fail(error));
      this.#lanes.push(lane);
    }
  }

  #onMessage(lane: Lane, message: FileWorkerMessage): void {
    if ('ready' in message) lane.isReady = true;
    else this.#settle(lane, message.result);
    void this.#flush();
  }

  #settle(lane: Lane, { records, ends, failures }: FileBatchResult): void {
    const tasks = lane.running ?? [];
    lane.running = undefined;
    for (const { index, error } of failures) tasks[index]?.reject(reviveError(error));
    tasks.forEach(({ resolve }, index) => {
      let found: ObjectRecord | undefined;
      const start = index === 0 ? 0 : (ends[index - 1] ?? 0);
      decodeRecords(records.subarray(start, ends[index]), (record) => {
        found = record;
      });
      resolve(found);
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    const waiting = [...this.#queue, ...this.#lanes.flatMap(({ running }) => running ?? [])];
    this.#queue = [];
    for (const { reject } of waiting) reject(error);
  }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
