import { createHash, type Hash } from 'node:crypto';
import type { ContentDigest } from '#base/digest';
import { type ChunkSink, ContentChunker } from '#formats/chunker';
import type { FrameCutter } from './frame-cutter.ts';
import { FRAME_BYTES_MAX } from './layout.ts';
import type { FrameRun } from './toc-text.ts';

const ZEROS = new Uint8Array(FRAME_BYTES_MAX);

/** Cuts the content of one file into chunks and their frames; hashes the file and its chunks. */
export class FileChunks {
  readonly #cutter: FrameCutter;
  readonly #chunker = new ContentChunker();
  readonly #file = createHash('sha256');
  readonly #runs: FrameRun[] = [];
  /** Hash of the current chunk; the first chunk is hashed with the file. */
  #chunk: Hash | undefined;
  #firstFrame: number;
  #fileOffset = 0;
  #openBytes = 0;
  readonly #sink: ChunkSink = {
    data: (bytes) => this.#data(bytes),
    cut: () => this.#endChunk(false),
    zeros: (lengthBytes) => this.#zeros(lengthBytes),
  };

  /** Cut the current frame of `cutter` first. */
  constructor(cutter: FrameCutter) {
    this.#cutter = cutter;
    this.#firstFrame = cutter.count;
  }

  /** Reads the next bytes of the content. */
  push(bytes: Uint8Array): void {
    this.#chunker.push(bytes, this.#sink);
  }

  /** Call after the last bytes of the content. */
  finish(): { readonly digest: ContentDigest; readonly runs: readonly FrameRun[] } {
    this.#chunker.end(this.#sink);
    return { digest: digestOf(this.#file), runs: this.#runs };
  }

  #data(bytes: Uint8Array): void {
    this.#file.update(bytes);
    this.#chunk?.update(bytes);
    this.#cutter.add(bytes);
    this.#openBytes += bytes.length;
  }

  #zeros(lengthBytes: number): void {
    for (let left = lengthBytes; left > 0; left -= ZEROS.length)
      this.#data(ZEROS.subarray(0, left));
    this.#endChunk(true);
  }

  #endChunk(isZeros: boolean): void {
    this.#cutter.cut();
    this.#runs.push({
      firstFrame: this.#firstFrame,
      sizeBytes: this.#openBytes,
      fileOffset: this.#fileOffset,
      digest: digestOf(this.#chunk ?? this.#file.copy()),
      isZeros,
    });
    this.#fileOffset += this.#openBytes;
    this.#openBytes = 0;
    this.#firstFrame = this.#cutter.count;
    this.#chunk = createHash('sha256');
  }
}

function digestOf(hash: Hash): ContentDigest {
  return `sha256:${hash.digest('hex')}` as ContentDigest;
}
