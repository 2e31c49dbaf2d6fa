import type { OstreeChecksum } from '#base/digest';

/** An answer as it came. */
export interface Arrival {
  readonly checksum: OstreeChecksum;
  /** A view that is good until the next `put`. */
  readonly filez: Uint8Array;
}

/** Answers that may wait at once, in bytes. */
const CAPACITY_BYTES = 1024 * 1024;

/** Responses that wait for processing, in the order of arrival, in one buffer. */
export class Arrivals {
  #bytes: Uint8Array | undefined;
  #end = 0;
  #waiting: Arrival[] = [];
  #at = 0;

  get isEmpty(): boolean {
    return this.#at === this.#waiting.length;
  }

  /** Copies an answer. Returns false when there is no room for it before others are taken. */
  put(checksum: OstreeChecksum, filez: Uint8Array): boolean {
    if (this.isEmpty) {
      this.#waiting = [];
      this.#at = 0;
      this.#end = 0;
    }
    const end = this.#end + filez.length;
    if (end > CAPACITY_BYTES) return false;
    this.#bytes ??= new Uint8Array(CAPACITY_BYTES);
    this.#bytes.set(filez, this.#end);
    this.#waiting.push({ checksum, filez: this.#bytes.subarray(this.#end, end) });
    this.#end = end;
    return true;
  }

  /** The one that has waited longest. */
  take(): Arrival | undefined {
    const next = this.#waiting[this.#at];
    if (next !== undefined) this.#at++;
    return next;
  }
}
