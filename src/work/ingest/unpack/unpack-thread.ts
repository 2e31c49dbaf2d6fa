import { isOnecopyError } from '#base/errors';
import { type BlobRange, turnTaker } from '#base/flow';
import {
  type CarriedError,
  createRing,
  type Ring,
  RingReader,
  RingWriter,
  reviveError,
  startWorker,
  type WorkerHandle,
} from '#host';
import type { LayerExpectation, TarListener } from './unpack-layer.ts';

/** A layer to decompress. Plain data. */
export interface UnpackOrder {
  readonly input: BlobRange | { readonly ring: Ring };
  readonly expected: LayerExpectation;
  /** Where the tar goes. */
  readonly tar: Ring;
  /** One number (Float64): bytes read of the blob. */
  readonly progress: SharedArrayBuffer;
}

/** Sent when an order is done; without an error, both digests are verified. */
export interface UnpackAnswer {
  readonly error: CarriedError | undefined;
}

/** Sizes of the rings: tar bytes that wait for the splitter, and blob bytes that wait for decompression. */
const TAR_RING_BYTES = 2 << 20;
const BLOB_RING_BYTES = 1 << 20;
/** Bytes of tar that are read before events have their turn: headers of at most 128 files. */
const PIECE_BYTES = 128 << 10;

/** The input of the decompression. */
export type UnpackInput =
  | { readonly kind: 'range'; readonly range: BlobRange }
  /** Bytes that only this thread can read; they are passed on. */
  | { readonly kind: 'pump'; readonly pump: (write: TarListener) => Promise<void> };

/**
 * A thread that reads and decompresses layers, one after the other. Its heap is small, so collecting the pieces of zlib costs little. The
 * splitter gets the pieces through shared memory.
 */
export class UnpackThread implements AsyncDisposable {
  readonly #worker: WorkerHandle<UnpackOrder | 'stop', void>;
  /** The pending result of the thread; undefined while it is idle. */
  #answer: PromiseWithResolvers<UnpackAnswer> | undefined;
  /** Releases waiting peers at the other ends of the rings of the thread. */
  #release: ((error: unknown) => void)[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor() {
    const module = new URL('./unpack-worker.ts', import.meta.url);
    this.#worker = startWorker<null, UnpackOrder | 'stop', UnpackAnswer, void>(module, null, {
      name: 'onecopy-unpack',
      youngHeapMb: 4,
      onMessage: (answer) => this.#answer?.resolve(answer),
    });
    this.#worker.done.catch((error: unknown) => this.#fail(error));
  }

  /** The thread is gone, and nobody is left to fill or to empty its rings. */
  #fail(error: unknown): void {
    this.#failure = { error };
    this.#answer?.reject(error);
    for (const release of this.#release) release(error);
  }

  /**
   * Decompresses one layer; `onTar` gets the tar in pieces. Both digests are verified when this resolves. An error of `onTar` is thrown
   * only if the blob is correct.
   * @throws as `unpackLayer`
   */
  async unpack(
    input: UnpackInput,
    expected: LayerExpectation,
    onTar: (piece: Uint8Array, readBytes: number) => Promise<void>,
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const progress = new SharedArrayBuffer(8);
    const readBytes = new Float64Array(progress);
    const answer = Promise.withResolvers<UnpackAnswer>();
    answer.promise.catch(() => {}); // Awaited below, or replaced by another error.
    this.#answer = answer;
    const tar = createRing(TAR_RING_BYTES);
    using reader = new RingReader(tar);
    this.#release = [(error) => new RingWriter(tar).fail(error)];
    const pumping = this.#order(input, { expected, tar, progress });
    pumping.catch(() => {});
    const failure = await readTar(reader, (piece) => onTar(piece, readBytes[0] ?? 0));
    const { error } = await answer.promise;
    this.#answer = undefined;
    this.#release = [];
    if (failure !== undefined && !isDoubtful(failure.error)) throw failure.error;
    if (error !== undefined) throw reviveError(error);
    await pumping;
    if (failure !== undefined) throw failure.error;
  }

  async #order(input: UnpackInput, order: Omit<UnpackOrder, 'input'>): Promise<void> {
    if (input.kind === 'range') {
      this.#worker.post({ ...order, input: input.range });
      return;
    }
    const ring = createRing(BLOB_RING_BYTES);
    using writer = new RingWriter(ring);
    this.#release.push(() => new RingReader(ring).cancel());
    this.#worker.post({ ...order, input: { ring } });
    try {
      await input.pump((piece) => writer.writeAsync(piece));
      writer.end();
    } catch (error) {
      writer.fail(error);
      throw error;
    }
  }

  /** Ends the thread: terminates it if it is busy, otherwise lets it exit. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.cancel();
    this.#worker.post('stop');
    if (this.#answer === undefined) await this.#worker.done.catch(() => {});
    await this.#worker[Symbol.asyncDispose]();
  }
}

/** True for errors that a damaged blob may have caused. */
function isDoubtful(error: unknown): boolean {
  return isOnecopyError(error) && error.kind === 'format';
}

/**
 * Reads a tar to its end. If the listener reports a malformed tar, the rest is skipped and the blob is verified, because the blob may be
 * damaged; after any other error, reading stops.
 */
async function readTar(
  reader: RingReader,
  onTar: (piece: Uint8Array) => Promise<void>,
): Promise<{ readonly error: unknown } | undefined> {
  const turn = turnTaker({});
  let failure: { readonly error: unknown } | undefined;
  try {
    for (;;) {
      const available = await reader.peekAsync();
      if (available === undefined) return failure;
      // A thread fills the ring faster than it is read, so nothing below waits for long.
      await turn();
      const piece = available.subarray(0, PIECE_BYTES);
      try {
        if (failure === undefined) await onTar(piece);
      } catch (error) {
        failure = { error };
        if (!isDoubtful(error)) return failure;
      }
      reader.release(piece.length);
    }
  } catch (error) {
    return failure ?? { error };
  } finally {
    reader.cancel();
  }
}
