import { createZstdCompress, type ZstdCompress } from 'node:zlib';
import { concatBytes } from '#base/bytes';
import { UnsupportedError } from '#base/errors';
import { hasZstdHandle, ZstdHandle } from './zstd-handle.ts';

/**
 * Compresses a section as it grows into the exact frame of composefs-rs: data, then an end without data; when nothing was
 * written, the end alone. Source: core formats section 3.4.
 */
export interface BodyEncoder extends Disposable {
  /** Takes bytes; they may be reused afterwards. */
  write(bytes: Uint8Array): void;
  finish(): Promise<Uint8Array>;
  /** @throws UnsupportedError SPLITSTREAM_SYNC_UNAVAILABLE */
  finishSync(): Uint8Array;
}

/** Bytes gathered before the compressor is called: one zstd block, so that small writes cost nothing. */
const STAGING_BYTES = 128 * 1024;

/** The synchronous encoder where this Node has one, else the one over the public stream. */
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

  /** A call without data would make an empty first block, so nothing staged means no call. */
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

/** Compresses through the public stream; what is written waits in memory until the event loop runs. */
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
    this.#ended.catch(() => undefined); // Also without a waiter: `finish` reports it.
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
    // Node marks a write that still waits when `end` is called as the last one, which gives other bytes than an end without data.
    await Promise.race([this.#taken, this.#ended]);
    this.#stream.end();
    await this.#ended;
    return concatBytes(this.#pieces);
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
