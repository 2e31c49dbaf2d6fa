import { COLLECT_STEP_MAX_BYTES, COLLECT_STEP_MIN_BYTES } from './limits.ts';

const EMPTY = new Uint8Array(0);

/**
 * Bytes of a body that is collected. A body of known length has one array from the start. A body of unknown length has several arrays,
 * which are joined at the end: growing a single array would hold every byte three times.
 */
export class Collected {
  readonly #lengthBytes: number | undefined;
  readonly #full: Uint8Array[] = [];
  #open: Uint8Array = EMPTY;
  #used = 0;

  /** @param lengthBytes as the server states it */
  constructor(lengthBytes: number | undefined) {
    this.#lengthBytes = lengthBytes;
  }

  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#used === this.#open.length) this.#extend();
      const part = piece.subarray(at, at + this.#open.length - this.#used);
      this.#open.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  /** The complete body, in its own array. */
  take(): Uint8Array {
    const last = this.#open.subarray(0, this.#used);
    return this.#full.length === 0 ? last : Buffer.concat([...this.#full, last]);
  }

  #extend(): void {
    const next = Math.min(COLLECT_STEP_MAX_BYTES, this.#open.length * 2);
    if (this.#used > 0) this.#full.push(this.#open);
    const first = this.#full.length === 0 ? this.#lengthBytes : undefined;
    this.#open = new Uint8Array(first ?? Math.max(COLLECT_STEP_MIN_BYTES, next));
    this.#used = 0;
  }
}
