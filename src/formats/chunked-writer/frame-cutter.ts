import { concatBytes } from '#base/bytes';
import { FRAME_BYTES_MAX } from './layout.ts';

const ZEROS = new Uint8Array(FRAME_BYTES_MAX);

/** Collects bytes into frame contents. Cuts every 4 MiB and at each `cut()`; the sizes of the input pieces do not matter. */
export class FrameCutter {
  #ready: Uint8Array[] = [];
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #count = 0;

  /** Frames cut so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds bytes; they are kept, not copied. */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + FRAME_BYTES_MAX - this.#bytes);
      this.#pieces.push(part);
      this.#bytes += part.length;
      at += part.length;
      if (this.#bytes === FRAME_BYTES_MAX) this.cut();
    }
  }

  /** Adds a run of zeros. */
  addZeros(lengthBytes: number): void {
    for (let left = lengthBytes; left > 0; left -= FRAME_BYTES_MAX)
      this.add(ZEROS.subarray(0, left));
  }

  /** Ends the current frame, unless it is empty. */
  cut(): void {
    if (this.#bytes === 0) return;
    const [first] = this.#pieces;
    const isOne = this.#pieces.length === 1 && first !== undefined;
    this.#ready.push(isOne ? first : concatBytes(this.#pieces));
    this.#pieces = [];
    this.#bytes = 0;
    this.#count += 1;
  }

  /** The frames cut since the last call. */
  take(): Uint8Array[] {
    const frames = this.#ready;
    this.#ready = [];
    return frames;
  }
}
