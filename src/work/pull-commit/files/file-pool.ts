import type { OstreeChecksum } from '#base/digest';
import type { FilezWarning } from '#formats/ostree';
import { Dir, reviveError, startWorker, syncfsAsync, type WorkerHandle } from '#host';
import type { OstreeRemote, RemoteTraffic } from '#remotes/ostree';
import type { ObjectWriterSeed } from '#stores/composefs';
import { type OstreeRepo, openOstreeRepo } from '#stores/ostree';
import { decodeRecords, type ObjectRecord } from '../gather/records.ts';
import { type FetchedFiles, FileFetcher, type FileOrigin } from './file-fetcher.ts';
import { FileTools } from './file-tools.ts';
import type {
  CarriedFiles,
  FileWorkerData,
  FileWorkerMessage,
  FileWorkerOrigin,
  FileWorkerTask,
} from './file-worker.ts';

/** How a pool works. */
export interface FilePoolOptions {
  readonly seed: ObjectWriterSeed;
  readonly journalFd: number | undefined;
  /** Where local files come from. */
  readonly localPath?: string | undefined;
  /** Threads beside this one. */
  readonly workers: number;
  readonly signal?: AbortSignal | undefined;
}

/** Who is told what became of each file, in this thread and in any order. */
export interface FileSink {
  /** It is verified and in the repository. */
  stored(record: ObjectRecord): void;
  missing(checksum: OstreeChecksum): void;
  failed(error: unknown): void;
  /** One that was stored is odd. */
  warned(warning: FilezWarning): void;
}

/** Where to ask for files. */
export interface FileQueue {
  add(checksum: OstreeChecksum): void;
}

interface Lane {
  readonly worker: WorkerHandle<FileWorkerTask, void>;
  isReady: boolean;
  /** Files that it was asked for and has not told of. */
  outstanding: number;
  traffic: RemoteTraffic;
}

/** Threads are started when this many files have been asked for: a small pull is over before they would be ready. */
const START_AFTER_FILES = 192;
/** Files that a thread has before it, so that it never waits for this one. */
const AHEAD_FILES = 128;
/** The same beside those that are on their way from a distant server: more would still be waiting when the other threads are done. */
const AHEAD_DISTANT_FILES = 24;
/** Most files of one message to a thread. */
const TASK_FILES_MAX = 64;
/** Files that this thread has before it beside those that are on their way: few, because the others can take them too. */
const AHEAD_HERE_FILES = 8;
/** As many local files as are read in one turn. */
const AHEAD_LOCAL_FILES = 32;
const NO_TRAFFIC: RemoteTraffic = { requests: 0, bodyBytes: 0 };

/**
 * Fetches, verifies and stores file objects, beside this thread in others once there are many. Each thread does all of it, over its own
 * connections: what is handed over is checksums and records.
 */
export class FilePool implements AsyncDisposable {
  readonly tools: FileTools;
  readonly #options: FilePoolOptions;
  readonly #repo: OstreeRepo | undefined;
  readonly #lanes: Lane[] = [];
  readonly #stop = new AbortController();
  #queue: OstreeChecksum[] = [];
  #queueAt = 0;
  #count = 0;
  #isScheduled = false;
  #here: FileFetcher | undefined;
  #remote: OstreeRemote | undefined;
  #sink: FileSink | undefined;
  #sync: Promise<void> | undefined;

  constructor(options: FilePoolOptions) {
    this.#options = options;
    const { seed, journalFd, localPath } = options;
    this.tools = new FileTools(seed, journalFd);
    this.#repo = localPath === undefined ? undefined : openOstreeRepo(localPath);
  }

  /**
   * Has the threads ready when the first files of a distant server come: there is time until then, and none to lose later. Begins when
   * what the caller asks for next has gone out.
   */
  prepareFor(remote: OstreeRemote): void {
    if (!remote.isDistant) return;
    this.#remote = remote;
    setImmediate(() => {
      if (this.#stop.signal.aborted) return;
      try {
        this.#start();
        this.tools.prepare();
      } catch {
        // This is an optimisation: an error occurs again when the first files need it.
      }
    });
  }

  /** Begins to take files, from the remote or else the local repository, until `signal` aborts; called once. */
  open(sink: FileSink, signal: AbortSignal, remote?: OstreeRemote): FileQueue {
    this.#sink = sink;
    this.#remote = remote;
    this.#here = new FileFetcher({
      tools: this.tools,
      origin: this.#origin(),
      signal: AbortSignal.any([signal, this.#stop.signal]),
      onFetched: (files) => this.#settle(files),
    });
    if (remote?.isDistant === true) this.#here.connectAhead();
    return { add: (checksum) => this.#add(checksum) };
  }

  /** There will be no more files: the threads end, and what they wrote goes to the disk while the caller does something else. */
  retire(): void {
    this.#sync ??= syncInBackground(this.#options.seed);
    for (const { worker } of this.#lanes) worker.post('stop');
  }

  /** Gives up what is not done, and waits until nothing runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#here?.finish();
    for (const { worker } of this.#lanes) {
      worker.cancel();
      worker.post('stop');
    }
    await Promise.allSettled([this.#sync, ...this.#lanes.map(({ worker }) => worker.done)]);
    this.#repo?.[Symbol.dispose]();
  }

  #origin(): FileOrigin {
    if (this.#remote !== undefined) return { kind: 'remote', remote: this.#remote };
    if (this.#repo !== undefined) return { kind: 'local', repo: this.#repo };
    throw new RangeError('A pool without a repository needs a remote');
  }

  #add(checksum: OstreeChecksum): void {
    this.#queue.push(checksum);
    if (++this.#count === START_AFTER_FILES) this.#start();
    this.#schedule();
  }

  /** Waits for what else this turn of the event loop asks for. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#hand();
    });
  }

  #hand(): void {
    const ready = this.#lanes.filter(({ isReady }) => isReady);
    // In turn, a little each, so that the last files of a pull do not all wait for one thread.
    for (let isHanding = true; isHanding; ) {
      isHanding = false;
      for (const lane of ready) {
        const share = Math.ceil(this.#waiting / (this.#lanes.length + 1));
        const count = Math.min(share, TASK_FILES_MAX, this.#aheadThere - lane.outstanding);
        if (count <= 0) continue;
        lane.outstanding += count;
        lane.worker.post(this.#take(count));
        isHanding = true;
      }
    }
    const room = this.#aheadHere - (this.#here?.ahead ?? 0);
    if (room > 0 && this.#waiting > 0) this.#here?.add(this.#take(room));
  }

  get #aheadThere(): number {
    const remote = this.#remote;
    return remote?.isDistant === true ? remote.maxInFlight + AHEAD_DISTANT_FILES : AHEAD_FILES;
  }

  get #aheadHere(): number {
    return this.#remote === undefined
      ? AHEAD_LOCAL_FILES
      : this.#remote.maxInFlight + AHEAD_HERE_FILES;
  }

  get #waiting(): number {
    return this.#queue.length - this.#queueAt;
  }

  #take(count: number): OstreeChecksum[] {
    const taken = this.#queue.slice(this.#queueAt, this.#queueAt + count);
    this.#queueAt += taken.length;
    if (this.#queueAt === this.#queue.length) {
      this.#queue = [];
      this.#queueAt = 0;
    }
    return taken;
  }

  #start(): void {
    const { seed, journalFd, workers, signal } = this.#options;
    if (workers === 0 || this.#lanes.length > 0) return;
    const module = new URL('./file-worker.ts', import.meta.url);
    const data: FileWorkerData = {
      seed,
      journalFd,
      origin: this.#workerOrigin(),
      prepares: this.#remote?.isDistant === true,
    };
    for (let index = 0; index < workers; index++) {
      const worker = startWorker<FileWorkerData, FileWorkerTask, FileWorkerMessage, void>(
        module,
        data,
        {
          name: 'onecopy-ostree-files',
          signal,
          onMessage: (message) => this.#onMessage(lane, message),
        },
      );
      const lane: Lane = { worker, isReady: false, outstanding: 0, traffic: NO_TRAFFIC };
      worker.done.catch((error: unknown) => this.#sink?.failed(error));
      this.#lanes.push(lane);
    }
  }

  #workerOrigin(): FileWorkerOrigin {
    const { localPath = '', workers } = this.#options;
    return this.#remote === undefined
      ? { kind: 'local', path: localPath }
      : { kind: 'remote', options: this.#remote.share(workers + 1) };
  }

  #onMessage(lane: Lane, message: FileWorkerMessage): void {
    if ('ready' in message) lane.isReady = true;
    else this.#collect(lane, message);
    this.#hand();
  }

  #collect(lane: Lane, carried: CarriedFiles): void {
    const { records, missing, failures, warnings, traffic } = carried;
    if (traffic !== undefined) {
      this.#remote?.addTraffic({
        requests: traffic.requests - lane.traffic.requests,
        bodyBytes: traffic.bodyBytes - lane.traffic.bodyBytes,
      });
      lane.traffic = traffic;
    }
    lane.outstanding -= missing.length + failures.length;
    decodeRecords(records, (record) => {
      lane.outstanding--;
      this.#sink?.stored(record);
    });
    for (const checksum of missing) this.#sink?.missing(checksum);
    for (const error of failures) this.#sink?.failed(reviveError(error));
    for (const warning of warnings) this.#sink?.warned(warning);
  }

  #settle({ stored, missing, failures, warnings }: FetchedFiles): void {
    for (const { record } of stored) this.#sink?.stored(record);
    for (const checksum of missing) this.#sink?.missing(checksum);
    for (const { error } of failures) this.#sink?.failed(error);
    for (const warning of warnings) this.#sink?.warned(warning);
    this.#hand();
  }
}

/**
 * An optimisation of the sync before the ref is set: the kernel tells every open file of a lost write, so that one
 * fails as well, because this opens one of its own.
 */
async function syncInBackground({ objectsFd, label }: ObjectWriterSeed): Promise<void> {
  using objects = new Dir(objectsFd, label).openDir('.');
  await syncfsAsync(objects).catch(() => {});
}
