import { concatBytes } from '#base/bytes';
import {
  CHAR_OFFSET,
  FIRST_SUM,
  HOLE_BYTES_MIN,
  SECOND_SUM,
  SPLIT_MASK,
  WINDOW_BYTES,
} from './layout.ts';

/** Receives the chunks of a file in order. */
export interface ChunkSink {
  /** Bytes of the current chunk: a view of memory that the chunker does not reuse. */
  data(bytes: Uint8Array): void;
  /** The current chunk is complete; it has at least one byte. */
  cut(): void;
  /** A chunk of this many zeros. */
  zeros(lengthBytes: number): void;
}

/** The rolling checksum over the last 64 bytes, and the position where its loop stopped. */
interface Rolling {
  first: number;
  second: number;
  /** True when it stopped at the end of a chunk, not before a zero or at the end of the bytes. */
  isBoundary: boolean;
  /** Zeros before this position are too few for a hole. */
  shortRunEnd: number;
}

/**
 * Cuts a file into chunks at boundaries that its content determines, as podman does: equal content produces equal chunks at any
 * offset in a file, from pieces of any size. Chunks have no minimum or maximum size, except for holes. Sans-I/O; holds 64 bytes and
 * at most 1,023 zeros besides the piece. Source: containers-storage pkg/chunked/compressor/compressor.go, rollingChecksumReader.
 */
export class ContentChunker {
  readonly #rolling: Rolling = {
    first: FIRST_SUM,
    second: SECOND_SUM,
    isBoundary: false,
    shortRunEnd: 0,
  };
  /** The last bytes that entered the checksum. */
  #history = new Uint8Array(WINDOW_BYTES);
  /** Zeros that may become a hole. */
  #carry = 0;
  /** Length of the current hole; 0 without one. */
  #hole = 0;
  /** True when the current chunk has bytes. */
  #isOpen = false;

  /** Reads the next bytes of the file. */
  push(piece: Uint8Array, sink: ChunkSink): void {
    let start = 0;
    if (this.#hole > 0) {
      start = zerosEnd(piece, 0);
      this.#hole += start;
      if (start === piece.length) return;
      this.#endHole(sink);
    }
    this.#roll(piece.subarray(start), false, sink);
  }

  /** Call after the last bytes of the file. */
  end(sink: ChunkSink): void {
    if (this.#hole > 0) this.#endHole(sink);
    this.#roll(new Uint8Array(0), true, sink);
    this.#cut(sink);
  }

  #roll(piece: Uint8Array, isEnd: boolean, sink: ChunkSink): void {
    // Contiguous memory: the bytes that leave the window are 64 before those that enter it.
    const work = concatBytes([this.#history, new Uint8Array(this.#carry), piece]);
    const rolling = this.#rolling;
    let at = WINDOW_BYTES;
    let start = at;
    this.#carry = 0;
    rolling.shortRunEnd = at;
    while (at < work.length) {
      at = rollTo(work, at, rolling);
      if (rolling.isBoundary) {
        this.#data(work.subarray(start, at), sink);
        this.#cut(sink);
        start = at;
        continue;
      }
      if (at === work.length) break;
      const runEnd = zerosEnd(work, at);
      const isAtEnd = runEnd === work.length && !isEnd;
      if (runEnd - at < HOLE_BYTES_MIN) {
        if (isAtEnd) {
          this.#carry = runEnd - at;
          break;
        }
        rolling.shortRunEnd = runEnd;
        continue;
      }
      this.#data(work.subarray(start, at), sink);
      this.#cut(sink);
      this.#hole = runEnd - at;
      if (isAtEnd) return;
      this.#endHole(sink);
      at = runEnd;
      start = at;
    }
    this.#data(work.subarray(start, at), sink);
    this.#history = work.slice(at - WINDOW_BYTES, at);
  }

  #cut(sink: ChunkSink): void {
    if (this.#isOpen) sink.cut();
    this.#isOpen = false;
  }

  #data(bytes: Uint8Array, sink: ChunkSink): void {
    if (bytes.length === 0) return;
    sink.data(bytes);
    this.#isOpen = true;
  }

  /** After this many zeros the window equals that at the start of a file. */
  #endHole(sink: ChunkSink): void {
    sink.zeros(this.#hole);
    this.#hole = 0;
    this.#rolling.first = FIRST_SUM;
    this.#rolling.second = SECOND_SUM;
    this.#history = new Uint8Array(WINDOW_BYTES);
  }
}

/** Rolls bytes up to the end of a chunk, the start of an unmeasured run of zeros, or the end of the bytes; returns that position. */
function rollTo(work: Uint8Array, from: number, rolling: Rolling): number {
  const { shortRunEnd } = rolling;
  const end = work.length;
  // Small integers throughout: they account for two thirds of the speed.
  let first = rolling.first | 0;
  let second = rolling.second | 0;
  let at = from | 0;
  let isBoundary = false;
  while (at < end) {
    const byte = work[at] as number;
    if (byte === 0 && at >= shortRunEnd) break;
    const old = work[at - WINDOW_BYTES] as number;
    first = (first + byte - old) | 0;
    second = (second + first - Math.imul(old + CHAR_OFFSET, WINDOW_BYTES)) | 0;
    at = (at + 1) | 0;
    if ((second & SPLIT_MASK) === SPLIT_MASK) {
      isBoundary = true;
      break;
    }
  }
  rolling.first = first;
  rolling.second = second;
  rolling.isBoundary = isBoundary;
  return at;
}

/** End of the run of zeros that begins at `from`. */
function zerosEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] === 0) at += 1;
  return at;
}
