import assert from 'node:assert';
import { setImmediate as immediate } from 'node:timers/promises';
import type { VerityAlgorithm } from '#formats/fsverity';
import { startWorker, syncfs, syncfsAsync, type WorkerHandle } from '#host';
import type { ObjectWriterSeed } from '#stores/composefs';
import { Batch } from './batch.ts';
import {
  CONTROL,
  createBatchMemory,
  SLOT,
  type SlotViews,
  STATE,
  viewSlots,
} from './batch-layout.ts';
import { BatchQueue } from './batch-queue.ts';
import { type BatchTools, openBatchTools, runBatch } from './batch-work.ts';
import type { BatchWorkerData } from './batch-worker.ts';

/** New bytes after which a sync is started in the background, so that the last sync before publishing is short. */
const SYNC_EVERY_BYTES = 256 << 20;

/** How a pool works. */
export interface BatchPoolOptions {
  /**
   * Number of writer threads, which this thread helps if they fall behind. With 0, this thread does all work, which is faster for a small
   * image.
   */
  readonly workers: number;
  /** Number of batches in memory. */
  readonly slots: number;
}

/**
 * Writer threads and the shared memory for their work: batches of small files, or segments of large files, so that submitting costs little
 * per file and a single layer keeps all threads busy. Used by one thread, the splitter. An error of a writer fails all waiting operations.
 */
export class BatchPool implements AsyncDisposable {
  readonly algorithm: VerityAlgorithm;
  readonly #objectsFd: number;
  readonly #control: Int32Array;
  #slots: readonly SlotViews[];
  readonly #free: number[];
  readonly #running = new Set<Batch>();
  readonly #workers: WorkerHandle<never, void>[];
  readonly #queue: BatchQueue;
  readonly #seed: ObjectWriterSeed;
  #tools: BatchTools | undefined;
  readonly #held = new Set<Disposable>();
  #waiters: (() => void)[] = [];
  #unsyncedBytes = 0;
  #runningSync: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #watching = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(seed: ObjectWriterSeed, options: BatchPoolOptions) {
    this.algorithm = seed.algorithm;
    this.#objectsFd = seed.objectsFd;
    const memory = createBatchMemory(options.slots);
    this.#control = new Int32Array(memory.control);
    this.#slots = viewSlots(memory);
    this.#free = Array.from({ length: options.slots }, (_, index) => index);
    this.#queue = new BatchQueue(this.#control, options.slots);
    this.#seed = seed;
    const data = { memory, seed };
    this.#workers = Array.from({ length: options.workers }, () => this.#start(data));
  }

  #start(data: BatchWorkerData): WorkerHandle<never, void> {
    const module = new URL('./batch-worker.ts', import.meta.url);
    const worker = startWorker<BatchWorkerData, never, never, void>(module, data, {
      name: 'onecopy-writer',
      youngHeapMb: 4,
    });
    worker.done.catch((error: unknown) => this.#fail(error));
    return worker;
  }

  /** Resolves when `count` batches are available; undefined if they are available now. @throws the error of a writer */
  ready(count: number): Promise<void> | undefined {
    this.#throwFailure();
    if (this.#free.length >= count) return undefined;
    return this.until(() => this.#free.length >= count);
  }

  /**
   * Waits for a condition that finished batches fulfil.
   * @throws the error of a writer
   */
  async until(condition: () => boolean): Promise<void> {
    for (;;) {
      this.#throwFailure();
      if (condition()) return;
      if (this.#help()) {
        // The writers have fallen behind: this thread does their work instead of waiting, but yields to the event loop in between.
        await immediate();
        continue;
      }
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Keeps a resource whose descriptor the writers may use until they have stopped, unless it is released before. */
  hold(resource: Disposable): void {
    this.#held.add(resource);
  }

  /** Disposes a resource that the writers no longer use. */
  release(resource: Disposable): void {
    this.#held.delete(resource);
    resource[Symbol.dispose]();
  }

  /** An empty batch. Call `ready` for the number of batches first. */
  take(): Batch {
    const number = this.#free.pop();
    const slot = number === undefined ? undefined : this.#slots[number];
    assert(number !== undefined && slot !== undefined, 'a batch was taken without asking');
    return new Batch(number, slot);
  }

  /** The data of a batch that was held is no longer wanted. */
  giveBack(batch: Batch): void {
    this.#free.push(batch.number);
    this.#wakeWaiters();
  }

  /** Submits a batch to the writers; `onDone` is called in this thread when its files have ids, unless a writer fails. */
  submit(batch: Batch, onDone: () => void): void {
    batch.seal();
    batch.onDone = onDone;
    this.#running.add(batch);
    this.#queue.push(batch.number);
    if (this.#workers.length === 0) this.#help();
    else if (!this.#watching) void this.#watch();
  }

  /**
   * Syncs the filesystem of the repository in the background. Calls during a sync share the next one.
   * @throws HostError SYSCALL_FAILED, NO_SPACE
   */
  async sync(): Promise<void> {
    if (this.#workers.length === 0) {
      syncfs(this.#objectsFd);
      return;
    }
    this.#nextSync ??= this.#syncNext();
    await this.#nextSync;
  }

  async #syncNext(): Promise<void> {
    // Data of this call may have been written after the running sync began.
    await this.#runningSync?.catch(() => {});
    this.#runningSync = this.#nextSync;
    this.#nextSync = undefined;
    this.#unsyncedBytes = 0;
    await syncfsAsync(this.#objectsFd);
  }

  /** Processes the next batch of the queue in this thread; false if there is none. */
  #help(): boolean {
    const number = this.#queue.tryTake();
    const slot = number === undefined ? undefined : this.#slots[number];
    if (slot === undefined) return false;
    this.#tools ??= openBatchTools(this.#seed);
    runBatch(slot, this.#tools);
    Atomics.store(slot.header, SLOT.state, STATE.done);
    this.#collect();
    return true;
  }

  /** Collects finished batches while any are running. */
  async #watch(): Promise<void> {
    this.#watching = true;
    while (this.#running.size > 0 && this.#failure === undefined) {
      const seen = Atomics.load(this.#control, CONTROL.events);
      if (this.#collect()) continue;
      const waiting = Atomics.waitAsync(this.#control, CONTROL.events, seen);
      if (waiting.async) await waiting.value;
    }
    this.#watching = false;
  }

  #collect(): boolean {
    let found = false;
    for (const batch of this.#running) {
      if (Atomics.load(batch.slot.header, SLOT.state) !== STATE.done) continue;
      found = true;
      this.#running.delete(batch);
      batch.collect(this.algorithm);
      if (!batch.isHeld) this.#free.push(batch.number);
      this.#unsyncedBytes += batch.usedBytes;
      batch.onDone();
    }
    if (this.#unsyncedBytes >= SYNC_EVERY_BYTES && this.#workers.length > 0) {
      this.sync().catch((error: unknown) => this.#fail(error));
    }
    if (found) this.#wakeWaiters();
    return found;
  }

  #wakeWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    Atomics.add(this.#control, CONTROL.events, 1);
    Atomics.notify(this.#control, CONTROL.events);
    this.#wakeWaiters();
  }

  /** Ends the writers after the last batch, and frees their memory. Syncs continue. */
  retire(): void {
    assert.equal(this.#running.size, 0, 'batches are still running');
    this.#queue.stop();
    this.#slots = [];
  }

  /** Ends each writer after its current batch, and waits for their exit. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new Error('the pool was given up'));
    for (const worker of this.#workers) worker.cancel();
    this.#queue.stop();
    await Promise.allSettled(this.#workers.map((worker) => worker.done));
    await Promise.allSettled([this.#runningSync, this.#nextSync]);
    for (const resource of this.#held) resource[Symbol.dispose]();
    this.#held.clear();
  }
}
