import { BODY_HIGH_WATER_BYTES, BODY_LOW_WATER_BYTES, CRUMB_BUFFER_BYTES } from './limits.ts';
import type { Carrier, Receiver } from './receiver.ts';

const EMPTY = new Uint8Array(0);

/**
 * A response body between the socket that pushes and the reader that pulls. Holds at most the high-water mark plus one read buffer. Pieces
 * belong to the reader. Iterate once; leaving the loop early cancels the rest of the response.
 */
export class BodyStream implements AsyncIterable<Uint8Array> {
  readonly #carrier: Carrier;
  readonly #receiver: Receiver;
  #pieces: Uint8Array[] = [];
  #head = 0;
  #heldBytes = 0;
  /** Number of bytes of this buffer that the last queued piece uses; 0 if the last piece has its own memory. */
  #gathered = 0;
  #buffer: Uint8Array = EMPTY;
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(receiver: Receiver, carrier: Carrier) {
    this.#receiver = receiver;
    this.#carrier = carrier;
  }

  /** Queues a copy of a piece from the socket. Small pieces are joined, so that memory is bounded for any number of them. */
  push(piece: Uint8Array): void {
    if (piece.length < CRUMB_BUFFER_BYTES) this.#gather(piece);
    else {
      this.#gathered = 0;
      this.#pieces.push(new Uint8Array(piece));
    }
    this.#heldBytes += piece.length;
    if (this.#heldBytes >= BODY_HIGH_WATER_BYTES) this.#carrier.pause();
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  fail(reason: unknown): void {
    this.#failure = { reason };
    this.#notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      while (true) {
        const piece = this.#pieces[this.#head];
        if (piece !== undefined) {
          this.#take(piece.length);
          yield piece;
        } else if (this.#failure !== undefined) {
          throw this.#failure.reason;
        } else if (this.#ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!this.#ended && this.#failure === undefined) this.#carrier.abandon(this.#receiver);
    }
  }

  /** Appends to the last queued piece, if it has free space. */
  #gather(piece: Uint8Array): void {
    const last = this.#pieces.length - 1;
    const length = this.#gathered + piece.length;
    if (this.#gathered === 0 || last < this.#head || length > CRUMB_BUFFER_BYTES) {
      this.#buffer = new Uint8Array(CRUMB_BUFFER_BYTES);
      this.#buffer.set(piece);
      this.#pieces.push(this.#buffer.subarray(0, piece.length));
      this.#gathered = piece.length;
    } else {
      this.#buffer.set(piece, this.#gathered);
      this.#pieces[last] = this.#buffer.subarray(0, length);
      this.#gathered = length;
    }
  }

  #take(length: number): void {
    this.#head++;
    this.#heldBytes -= length;
    if (this.#head === this.#pieces.length) {
      this.#pieces = [];
      this.#head = 0;
    }
    if (this.#heldBytes <= BODY_LOW_WATER_BYTES && !this.#ended) this.#carrier.resume();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
