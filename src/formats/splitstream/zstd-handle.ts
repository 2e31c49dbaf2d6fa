import assert from 'node:assert';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

/**
 * Synchronous streaming zstd. Node has no public API for it: its streams need the event loop, which a blocking worker does not run,
 * and its one-shot calls record the size and so produce other bytes. Only this file uses the internals of a stream object, and only
 * after a known-answer test passed. If the test fails, writers use the public stream and readers the public one-shot call.
 */

/** The internals of Node's zstd stream object that this file uses. */
interface StreamInside {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void;
    close(): void;
    onerror: (message: string, errno: number, code: string) => void;
  };
  /** Bytes of output and of input left after a call. */
  readonly _writeState: Uint32Array;
}

const NOTHING = new Uint8Array(0);

/** One zstd context, used without the event loop. Dispose frees its memory at once. */
export class ZstdHandle {
  readonly #inside: StreamInside;
  readonly #output: Uint8Array;
  #failure: string | undefined;
  #closed = false;

  private constructor(stream: unknown, outputBytes: number) {
    this.#inside = stream as StreamInside;
    this.#output = new Uint8Array(outputBytes);
    this.#inside._handle.onerror = (message) => {
      this.#failure = message;
    };
  }

  /** Level 3, no checksum, no size in the header: these settings determine splitstream ids. */
  static compressor(): ZstdHandle {
    return new ZstdHandle(createZstdCompress(), 64 * 1024);
  }

  /** The output holds more than one zstd block (128 KiB), so the last input byte never fills it. */
  static decompressor(): ZstdHandle {
    return new ZstdHandle(createZstdDecompress(), 192 * 1024);
  }

  /**
   * Feeds input and yields output; each piece is overwritten by the next. `end` marks the last input.
   * @throws Error with the text of libzstd
   */
  *run(input: Uint8Array, end: boolean): Generator<Uint8Array> {
    // Node would abort the process.
    if (this.#closed) assert.fail('a zstd context was used after it was freed');
    const flush = end ? constants.ZSTD_e_end : constants.ZSTD_e_continue;
    const output = this.#output;
    const state = this.#inside._writeState;
    let at = 0;
    for (;;) {
      const left = input.length - at;
      this.#inside._handle.writeSync(flush, input, at, left, output, 0, output.length);
      if (this.#failure !== undefined) throw new Error(this.#failure);
      const outputLeft = state[0] ?? 0;
      at = input.length - (state[1] ?? 0);
      if (outputLeft < output.length) yield output.subarray(0, output.length - outputLeft);
      if (outputLeft > 0) break;
    }
    if (at < input.length) throw new Error('bytes after the end of the frame');
  }

  /** Ends a compressed frame. */
  end(): Generator<Uint8Array> {
    return this.run(NOTHING, true);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inside._handle.close();
  }
}

/** One inline chunk `hello` as libzstd 1.5.x frames it without a size. */
const PROBE_BODY = Buffer.from('fbffffffffffffff68656c6c6f', 'hex');
const PROBE_FRAME = Buffer.from('28b52ffd0058690000fbffffffffffffff68656c6c6f', 'hex');

function probe(): boolean {
  try {
    using compressor = ZstdHandle.compressor();
    const frame = collect(compressor.run(PROBE_BODY, false), compressor.end());
    using decompressor = ZstdHandle.decompressor();
    const body = collect(decompressor.run(PROBE_FRAME, true));
    return frame.equals(PROBE_FRAME) && body.equals(PROBE_BODY);
  } catch {
    return false; // The internals of this Node differ: use the public API.
  }
}

function collect(...outputs: Iterable<Uint8Array>[]): Buffer {
  const pieces: Uint8Array[] = [];
  for (const output of outputs) for (const piece of output) pieces.push(new Uint8Array(piece));
  return Buffer.concat(pieces);
}

let available: boolean | undefined;

/** True when a ZstdHandle passes the known-answer test on this Node; probed once. */
export function hasZstdHandle(): boolean {
  available ??= probe();
  return available;
}
