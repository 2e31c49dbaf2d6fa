import type { Carrier, Exchange } from './exchange.ts';
import { BODY_HIGH_WATER_BYTES, BODY_LOW_WATER_BYTES } from './limits.ts';

/**
 * A response body between the socket that pushes and the reader that pulls. Holds at most the high-water mark plus one
 * read buffer. Pieces belong to the reader. Iterate once; leaving the loop early gives the rest of the response up.
 */
export class BodyStream implements AsyncIterable<Uint8Array> {
  readonly #carrier: Carrier;
  readonly #exchange: Exchange;
  #pieces: Uint8Array[] = [];
  #head = 0;
  #heldBytes = 0;
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(exchange: Exchange, carrier: Carrier) {
    this.#exchange = exchange;
    this.#carrier = carrier;
  }

  /** Takes a copy of a piece from the socket. */
  push(piece: Uint8Array): void {
    this.#pieces.push(new Uint8Array(piece));
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
      if (!this.#ended && this.#failure === undefined) this.#carrier.abandon(this.#exchange);
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
