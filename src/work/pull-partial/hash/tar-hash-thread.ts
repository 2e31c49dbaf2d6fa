import type { ContentDigest, ObjectId } from '#base/digest';
import { startWorker, type WorkerHandle } from '#host';
import type { ObjectReaderSeed } from '#stores/composefs';
import { orderBytes, putBytes, putObject } from './orders.ts';
import type { TarHash } from './tar-hash.ts';

/** Orders to carry out, or the end. */
export type HashOrders = Uint8Array<ArrayBuffer> | 'end';
/** Bytes of orders that were carried out. */
export type HashAnswer = number;

const ORDERS_BYTES = 256 * 1024;
/** Orders for more bytes are not sent before earlier ones were carried out. */
const WAITING_BYTES_MAX = 8 * 2 ** 20;
const ID_BYTES_MAX = 64;

/** Hashes in another thread, which also reads the objects. */
export class TarHashThread implements TarHash {
  readonly #worker: WorkerHandle<HashOrders, ContentDigest>;
  #orders = Buffer.from(new ArrayBuffer(ORDERS_BYTES));
  #usedBytes = 0;
  #waitingBytes = 0;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(seed: ObjectReaderSeed) {
    const module = new URL('./tar-hash-worker.ts', import.meta.url);
    this.#worker = startWorker<ObjectReaderSeed, HashOrders, HashAnswer, ContentDigest>(
      module,
      seed,
      {
        name: 'onecopy-hash',
        youngHeapMb: 2,
        onMessage: (doneBytes) => {
          this.#waitingBytes -= doneBytes;
          this.#wake?.();
        },
      },
    );
    this.#worker.done.catch((error: unknown) => {
      this.#failure = { error };
      this.#wake?.();
    });
  }

  bytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#usedBytes + orderBytes(1) > ORDERS_BYTES) this.#send();
      const room = ORDERS_BYTES - this.#usedBytes - orderBytes(0);
      const piece = bytes.subarray(at, at + room);
      this.#usedBytes = putBytes(this.#orders, this.#usedBytes, piece);
      at += piece.length;
    }
  }

  object(id: ObjectId): void {
    if (this.#usedBytes + orderBytes(ID_BYTES_MAX) > ORDERS_BYTES) this.#send();
    this.#usedBytes = putObject(this.#orders, this.#usedBytes, id);
  }

  ready(): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#waitingBytes > WAITING_BYTES_MAX ? this.#room() : undefined;
  }

  async #room(): Promise<void> {
    while (this.#waitingBytes > WAITING_BYTES_MAX && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async finish(): Promise<ContentDigest> {
    this.#send();
    this.#worker.post('end');
    return await this.#worker.done;
  }

  #send(): void {
    const orders = this.#orders.subarray(0, this.#usedBytes);
    this.#waitingBytes += this.#usedBytes;
    this.#worker.post(new Uint8Array(orders.buffer, 0, orders.length), [orders.buffer]);
    this.#orders = Buffer.from(new ArrayBuffer(ORDERS_BYTES));
    this.#usedBytes = 0;
  }

  /** The thread closes what it has open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.cancel();
    this.#worker.post('end');
    await this.#worker.done.catch(() => {});
    await this.#worker[Symbol.asyncDispose]();
  }
}
