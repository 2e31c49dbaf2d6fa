import { isOnecopyError } from '#base/errors';
import type { BlobRange } from '#base/flow';
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

/** A layer to unpack. Plain data. */
export interface UnpackOrder {
  readonly input: BlobRange | { readonly ring: Ring };
  readonly expected: LayerExpectation;
  /** Where the tar goes. */
  readonly tar: Ring;
  /** One number (Float64): bytes of the blob that were read. */
  readonly progress: SharedArrayBuffer;
}

/** Said when an order is done; without an error both digests were right. */
export interface UnpackAnswer {
  readonly error: CarriedError | undefined;
}

/** Tar bytes that may wait for the splitter, and blob bytes for the unpacker. */
const TAR_RING_BYTES = 2 << 20;
const BLOB_RING_BYTES = 1 << 20;

/** What a layer is unpacked from. */
export type UnpackInput =
  | { readonly kind: 'range'; readonly range: BlobRange }
  /** Bytes that only this thread can get; they are passed on. */
  | { readonly kind: 'pump'; readonly pump: (write: TarListener) => Promise<void> };

/**
 * A thread that reads and unpacks layers, one after the other. Its heap is small, so the pieces that come out of zlib cost little to
 * collect, and the splitter gets them through shared memory.
 */
export class UnpackThread implements AsyncDisposable {
  readonly #worker: WorkerHandle<UnpackOrder | 'stop', void>;
  /** What is awaited of the thread; undefined while it has nothing to do. */
  #answer: PromiseWithResolvers<UnpackAnswer> | undefined;

  constructor() {
    const module = new URL('./unpack-worker.ts', import.meta.url);
    this.#worker = startWorker<null, UnpackOrder | 'stop', UnpackAnswer, void>(module, null, {
      name: 'onecopy-unpack',
      youngHeapMb: 4,
      onMessage: (answer) => this.#answer?.resolve(answer),
    });
    this.#worker.done.catch((error: unknown) => this.#answer?.reject(error));
  }

  /**
   * Unpacks one layer; `onTar` gets the tar in pieces. Both digests are right when this resolves. An error of `onTar` is thrown only
   * when the blob turns out to be right.
   * @throws as `unpackLayer`
   */
  async unpack(
    input: UnpackInput,
    expected: LayerExpectation,
    onTar: (piece: Uint8Array, readBytes: number) => Promise<void>,
  ): Promise<void> {
    const progress = new SharedArrayBuffer(8);
    const readBytes = new Float64Array(progress);
    const answer = Promise.withResolvers<UnpackAnswer>();
    answer.promise.catch(() => {}); // Awaited below, or overtaken by another error.
    this.#answer = answer;
    const tar = createRing(TAR_RING_BYTES);
    using reader = new RingReader(tar);
    const pumping = this.#order(input, { expected, tar, progress });
    pumping.catch(() => {});
    const failure = await readTar(reader, (piece) => onTar(piece, readBytes[0] ?? 0));
    const { error } = await answer.promise;
    this.#answer = undefined;
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
    this.#worker.post({ ...order, input: { ring } });
    try {
      await input.pump((piece) => writer.writeAsync(piece));
      writer.end();
    } catch (error) {
      writer.fail(error);
      throw error;
    }
  }

  /** Ends the thread: at once when it is in the middle of something, else by letting it come to its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.cancel();
    this.#worker.post('stop');
    if (this.#answer === undefined) await this.#worker.done.catch(() => {});
    await this.#worker[Symbol.asyncDispose]();
  }
}

/** True for errors that a damaged blob may have led to. */
function isDoubtful(error: unknown): boolean {
  return isOnecopyError(error) && error.kind === 'format';
}

/**
 * Reads a tar to its end. When the listener finds it malformed, the rest is passed over, because the blob may be to blame; after any
 * other failure no more is wanted.
 */
async function readTar(
  reader: RingReader,
  onTar: (piece: Uint8Array) => Promise<void>,
): Promise<{ readonly error: unknown } | undefined> {
  let failure: { readonly error: unknown } | undefined;
  try {
    for (;;) {
      const piece = await reader.peekAsync();
      if (piece === undefined) return failure;
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
