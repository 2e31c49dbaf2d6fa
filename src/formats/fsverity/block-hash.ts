import { hash } from 'node:crypto';
import { BlockViews } from './block-views.ts';
import { VERITY_BLOCK_BYTES, type VerityAlgorithm } from './layout.ts';

/**
 * Hashes many messages, in any order and possibly several at a time: nearly all the work of fs-verity. Used by one thread.
 *
 *     attach(source, digests) · add · add · … · attach(other, digests) · add · … · finish
 */
export interface BlockHash {
  readonly algorithm: VerityAlgorithm;
  /** Sets the source of the next messages and the buffer for their digests. Neither may be changed until `finish`. */
  attach(source: Uint8Array, digests: Uint8Array): void;
  /** Adds the message of `lengthBytes` (more than 0) at `start` of the source; its digest is written at `at`. */
  add(start: number, lengthBytes: number, at: number): void;
  /** Every digest has been written when this returns. */
  finish(): void;
}

/** Hashes one message after the other, with the OpenSSL of the runtime. */
export class PlainBlockHash implements BlockHash {
  readonly algorithm: VerityAlgorithm;
  readonly #views = new BlockViews();
  #source: Uint8Array = NOTHING;
  #digests: Buffer = Buffer.alloc(0);
  /** Digests (latin1) to be written at `#at`: appending to a string costs less than writing each into a buffer. */
  #waiting = '';
  #at = 0;

  constructor(algorithm: VerityAlgorithm) {
    this.algorithm = algorithm;
  }

  attach(source: Uint8Array, digests: Uint8Array): void {
    this.finish();
    this.#source = source;
    this.#digests = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength);
  }

  add(start: number, lengthBytes: number, at: number): void {
    if (at !== this.#at + this.#waiting.length || this.#waiting.length >= VERITY_BLOCK_BYTES) {
      this.finish();
      this.#at = at;
    }
    const message =
      lengthBytes === VERITY_BLOCK_BYTES
        ? this.#views.at(this.#source, start)
        : this.#source.subarray(start, start + lengthBytes);
    this.#waiting += hash(this.algorithm, message, 'latin1');
  }

  finish(): void {
    if (this.#waiting === '') return;
    this.#digests.write(this.#waiting, this.#at, 'latin1');
    this.#waiting = '';
  }
}

const NOTHING = new Uint8Array(0);
