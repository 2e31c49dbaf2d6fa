import { createZstdCompress, type ZstdCompress } from 'node:zlib';
import { concatBytes } from '#base/bytes';
import { UnsupportedError } from '#base/errors';
import { hasZstdHandle, ZstdHandle } from './zstd-handle.ts';

/**
 * Compresses a section as it grows into the same frame as composefs-rs: the data, then an end call without data. When nothing
 * was written: the end call alone. Source: core formats section 3.4.
 */
export interface BodyEncoder extends Disposable {
  /** Appends bytes; the caller may reuse them afterwards. */
  write(bytes: Uint8Array): void;
  finish(): Promise<Uint8Array>;
  /** @throws UnsupportedError SPLITSTREAM_SYNC_UNAVAILABLE */
  finishSync(): Uint8Array;
}

/** Bytes buffered before the compressor is called: one zstd block, so that small writes are cheap. */
const STAGING_BYTES = 128 * 1024;

/** Returns the synchronous encoder where this Node supports it, otherwise the encoder over the public stream. */
export function createBodyEncoder(): BodyEncoder {
  return hasZstdHandle() ? new HandleEncoder() : new StreamEncoder();
}

/** Compresses at once; memory is one block plus the compressed bytes. */
export class HandleEncoder implements BodyEncoder {
  readonly #handle = ZstdHandle.compressor();
  readonly #pieces: Uint8Array[] = [];
  #staging = new Uint8Array(1024);
  #stagedBytes = 0;

  write(bytes: Uint8Array): void {
    if (bytes.length >= STAGING_BYTES) {
      this.#flush();
      this.#keep(this.#handle.run(bytes, false));
      return;
    }
    if (this.#stagedBytes + bytes.length > STAGING_BYTES) this.#flush();
    if (this.#stagedBytes + bytes.length > this.#staging.length) this.#grow(bytes.length);
    this.#staging.set(bytes, this.#stagedBytes);
    this.#stagedBytes += bytes.length;
  }

  finishSync(): Uint8Array {
    this.#flush();
    this.#keep(this.#handle.end());
    this[Symbol.dispose]();
    return concatBytes(this.#pieces);
  }

  async finish(): Promise<Uint8Array> {
    return this.finishSync();
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]();
  }

  /** Does nothing when no bytes are staged: a call without data would write an empty first block. */
  #flush(): void {
    if (this.#stagedBytes === 0) return;
    this.#keep(this.#handle.run(this.#staging.subarray(0, this.#stagedBytes), false));
    this.#stagedBytes = 0;
  }

  #keep(output: Iterable<Uint8Array>): void {
    for (const piece of output) this.#pieces.push(new Uint8Array(piece));
  }

  #grow(extraBytes: number): void {
    const wanted = Math.max((this.#stagedBytes + extraBytes) * 2, 16 * 1024);
    const larger = new Uint8Array(Math.min(wanted, STAGING_BYTES));
    larger.set(this.#staging.subarray(0, this.#stagedBytes));
    this.#staging = larger;
  }
}

/** Compresses through the public stream; written bytes stay in memory until the event loop runs. */
export class StreamEncoder implements BodyEncoder {
  readonly #stream: ZstdCompress = createZstdCompress();
  readonly #pieces: Uint8Array[] = [];
  readonly #ended: Promise<void>;
  #taken: Promise<void> = Promise.resolve();

  constructor() {
    this.#ended = new Promise((resolve, reject) => {
      this.#stream.on('data', (piece: Uint8Array) => this.#pieces.push(piece));
      this.#stream.once('end', resolve).once('error', reject);
    });
    this.#ended.catch(() => undefined); // No unhandled rejection: `finish` reports the error.
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#taken = new Promise((resolve) => {
      this.#stream.write(new Uint8Array(bytes), () => resolve());
    });
  }

  finishSync(): Uint8Array {
    throw new UnsupportedError(
      'SPLITSTREAM_SYNC_UNAVAILABLE',
      'Cannot finish a splitstream without waiting: expected a synchronous zstd encoder, found none',
      {},
      { hint: 'Use the asynchronous finish, or a Node version that this package supports' },
    );
  }

  async finish(): Promise<Uint8Array> {
    // Node treats a write pending at `end` as the last one, which produces other bytes than an end without data.
    await Promise.race([this.#taken, this.#ended]);
    this.#stream.end();
    await this.#ended;
    return concatBytes(this.#pieces);
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
