import { failFrame, failMagic, isSkippable, requireBlock } from './frames.ts';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  hasChecksum,
  headerRestBytes,
  ZSTD_MAGIC,
} from './layout.ts';

/** Bytes of a frame, in order; skippable frames are omitted. */
export interface FramePart {
  readonly bytes: Uint8Array;
  /** True when the frame ends with these bytes. */
  readonly isLast: boolean;
  /** Upper bound of the inflated size of the blocks seen so far in the frame. */
  readonly inflatedMax: number;
}

type State =
  | 'magic'
  | 'skip-length'
  | 'skip-body'
  | 'descriptor'
  | 'header'
  | 'block-header'
  | 'block'
  | 'checksum';

/** States whose bytes are parsed as a number; bytes of other states are skipped. */
const NUMBERS: ReadonlySet<State> = new Set(['magic', 'skip-length', 'descriptor', 'block-header']);
const MAGIC_BYTES = 4;
const LENGTH_BYTES = 4;
const FRAME: readonly [State, number] = ['magic', MAGIC_BYTES];
const BLOCK: readonly [State, number] = ['block-header', BLOCK_HEADER_BYTES];
const MAGIC = new Uint8Array(Uint32Array.of(ZSTD_MAGIC).buffer);

/**
 * Finds the ends of the frames of zstd data that arrives in pieces, by the headers of frames and blocks alone. Keeps only the bytes of
 * a number that continues in the next piece. Source: RFC 8878, sections 3.1.1 and 3.1.2.
 */
export class ZstdFrameSplitter {
  #state: State = 'magic';
  /** Remaining bytes of the state. */
  #left = MAGIC_BYTES;
  #number = 0;
  #numberBytes = 0;
  /** Bytes read so far, in all pieces. */
  #offset = 0;
  #frameOffset = 0;
  #hasChecksum = false;
  #isLastBlock = false;
  #inflatedMax = 0;

  /**
   * The parts of a piece; they are views of it, except for a magic.
   * @throws FormatError ZSTD_FRAME_INVALID
   */
  *push(piece: Uint8Array): Generator<FramePart> {
    let at = 0;
    let from = 0;
    while (at < piece.length) {
      at = this.#pass(piece, at);
      while (this.#left === 0) {
        const before = this.#state;
        this.#advance();
        if (before === 'magic' && this.#state === 'descriptor') {
          from = at;
          yield this.#part(MAGIC, false);
        } else if (this.#state === 'magic' && before !== 'skip-body') {
          yield this.#part(piece.subarray(from, at), true);
        }
      }
    }
    if (this.#isInFrame && from < at) yield this.#part(piece.subarray(from), false);
  }

  /** Call after the last piece. @throws FormatError ZSTD_FRAME_INVALID in the middle of a frame */
  finish(): void {
    if (this.#state === 'magic' && this.#left === MAGIC_BYTES) return;
    failFrame(this.#frameOffset, `expected more bytes, found the end at ${this.#offset}`);
  }

  get #isInFrame(): boolean {
    return this.#state !== 'magic' && this.#state !== 'skip-length' && this.#state !== 'skip-body';
  }

  #part(bytes: Uint8Array, isLast: boolean): FramePart {
    return { bytes, isLast, inflatedMax: this.#inflatedMax };
  }

  /** Reads bytes of the current state; returns the position after them. */
  #pass(piece: Uint8Array, at: number): number {
    const end = Math.min(piece.length, at + this.#left);
    if (NUMBERS.has(this.#state)) {
      for (let index = at; index < end; index += 1) {
        this.#number += (piece[index] ?? 0) * 0x100 ** this.#numberBytes;
        this.#numberBytes += 1;
      }
    }
    this.#left -= end - at;
    this.#offset += end - at;
    return end;
  }

  #advance(): void {
    [this.#state, this.#left] = this.#next(this.#number);
    this.#number = 0;
    this.#numberBytes = 0;
  }

  /** The next state, and its length in bytes. */
  #next(number: number): readonly [State, number] {
    switch (this.#state) {
      case 'magic':
        return this.#beginFrame(number);
      case 'skip-length':
        return ['skip-body', number];
      case 'descriptor':
        this.#hasChecksum = hasChecksum(number);
        return ['header', headerRestBytes(number)];
      case 'block-header':
        return this.#beginBlock(number);
      case 'block':
        if (this.#isLastBlock) return this.#hasChecksum ? ['checksum', CHECKSUM_BYTES] : FRAME;
        return BLOCK;
      case 'header':
        return BLOCK;
      default:
        return FRAME;
    }
  }

  #beginFrame(magic: number): readonly [State, number] {
    this.#frameOffset = this.#offset - MAGIC_BYTES;
    this.#inflatedMax = 0;
    if (magic === ZSTD_MAGIC) return ['descriptor', 1];
    if (isSkippable(magic)) return ['skip-length', LENGTH_BYTES];
    return failMagic(this.#frameOffset, magic);
  }

  #beginBlock(header: number): readonly [State, number] {
    const { isLast, storedBytes, inflatedMax } = requireBlock(header, this.#frameOffset);
    this.#isLastBlock = isLast;
    this.#inflatedMax += inflatedMax;
    return ['block', storedBytes];
  }
}
