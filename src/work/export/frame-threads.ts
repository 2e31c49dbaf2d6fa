import { availableParallelism } from 'node:os';
import { compressFrame } from '#formats/chunked-writer';
import { startWorker, type WorkerHandle } from '#host';
import { type FrameBatch, joinFrames } from './frame-batch.ts';

/** Contents that make a batch, in bytes and in frames: enough that a message costs little beside their compression. */
const BATCH_BYTES = 512 * 1024;
const BATCH_FRAMES = 256;
/** Batches that wait for a thread, for each thread. */
const WAITING_PER_THREAD = 3;
const THREADS_MAX = 8;

/** A thread, and the batches that it has in turn. */
interface FrameThread {
  readonly worker: WorkerHandle<FrameBatch, void>;
  readonly answers: PromiseWithResolvers<FrameBatch>[];
}

/**
 * Compresses frames in threads and returns them in order. The first batch starts the threads, so that a small layer is compressed here. Memory
 * is bounded by the batches that wait, which `isFull` tells, and by a frame beyond each.
 */
export class FrameThreads implements AsyncDisposable {
  readonly #level: number;
  readonly #threads: FrameThread[] = [];
  readonly #running: Promise<FrameBatch>[] = [];
  #contents: Uint8Array[] = [];
  #bytes = 0;
  #next = 0;

  constructor(level: number) {
    this.#level = level;
  }

  /** True when frames should be taken before more is added. */
  get isFull(): boolean {
    return this.#running.length >= WAITING_PER_THREAD * this.#threads.length && this.hasFrames;
  }

  /** True when `take` gives frames, now or later. */
  get hasFrames(): boolean {
    return this.#running.length > 0;
  }

  /** Takes contents of frames in order; their memory is kept until they are taken. */
  add(contents: readonly Uint8Array[]): void {
    for (const content of contents) {
      this.#contents.push(content);
      this.#bytes += content.length;
      if (this.#bytes >= BATCH_BYTES || this.#contents.length === BATCH_FRAMES) this.#dispatch();
    }
  }

  /** There are no more contents. */
  end(): void {
    if (this.#contents.length === 0) return;
    if (this.#threads.length > 0) this.#dispatch();
    else {
      const frames = this.#contents.map((content) => compressFrame(content, this.#level));
      this.#running.push(Promise.resolve(joinFrames(frames)));
    }
    this.#contents = [];
  }

  /** The next frames. @throws HostError WORKER_FAILED */
  async take(): Promise<FrameBatch> {
    return (await this.#running.shift()) ?? joinFrames([]);
  }

  #dispatch(): void {
    const count = Math.min(availableParallelism(), THREADS_MAX);
    while (this.#threads.length < count) this.#threads.push(startThread(this.#level));
    const thread = this.#threads[this.#next % count] as FrameThread;
    this.#next += 1;
    const batch = joinFrames(this.#contents);
    const answer = Promise.withResolvers<FrameBatch>();
    thread.answers.push(answer);
    thread.worker.post(batch, [batch.bytes.buffer]);
    // A failure is thrown when its turn has come.
    answer.promise.catch(() => {});
    this.#running.push(answer.promise);
    this.#contents = [];
    this.#bytes = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { worker } of this.#threads) worker.cancel();
    for (const { worker } of this.#threads) await worker[Symbol.asyncDispose]();
  }
}

function startThread(level: number): FrameThread {
  const answers: PromiseWithResolvers<FrameBatch>[] = [];
  const module = new URL('./frame-worker.ts', import.meta.url);
  const worker = startWorker<number, FrameBatch, FrameBatch, void>(module, level, {
    name: 'onecopy-frames',
    youngHeapMb: 4,
    onMessage: (batch) => answers.shift()?.resolve(batch),
  });
  worker.done.catch((error: unknown) => {
    for (const answer of answers) answer.reject(error);
  });
  return { worker, answers };
}
