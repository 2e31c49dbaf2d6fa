import { concatBytes } from '#base/bytes';
import { TAR_SPLIT_BYTES_MAX } from '#formats/chunked';
import { encodeTarSplitRecord, type TarSplitRecord } from '#formats/tar-split';
import { compressFrame } from './compress.ts';
import { TAR_SPLIT_FRAME_BYTES } from './layout.ts';

/** Writes the tar-split of a layer. Compressed every 4 MiB, so that its text is never held as a whole. */
export class TarSplitFrames {
  readonly #level: number;
  readonly #frames: Uint8Array[] = [];
  #lines: string[] = [];
  #lineBytes = 0;
  #position = 0;
  #inflatedBytes = 0;

  constructor(level: number) {
    this.#level = level;
  }

  /** True when it is longer than readers accept; further records are then dropped. */
  get isTooLarge(): boolean {
    return this.#inflatedBytes > TAR_SPLIT_BYTES_MAX;
  }

  /** Adds the next record. */
  add(record: TarSplitRecord): void {
    if (this.isTooLarge) return;
    const line = encodeTarSplitRecord(record, this.#position);
    this.#position += 1;
    this.#lines.push(line);
    this.#lineBytes += line.length;
    if (this.#lineBytes >= TAR_SPLIT_FRAME_BYTES) this.#flush();
  }

  /** The whole compressed tar-split; at least one frame. */
  finish(): { readonly bytes: Uint8Array; readonly inflatedBytes: number } {
    if (this.#lineBytes > 0 || this.#frames.length === 0) this.#flush();
    return { bytes: concatBytes(this.#frames), inflatedBytes: this.#inflatedBytes };
  }

  #flush(): void {
    const text = Buffer.from(this.#lines.join(''), 'utf8');
    this.#frames.push(compressFrame(text, this.#level));
    this.#inflatedBytes += text.length;
    this.#lines = [];
    this.#lineBytes = 0;
  }
}
