import { type ByteString, byteStringOf } from '#base/bytes';
import { FormatError } from '#base/errors';
import { HEAD_BYTES, LITERAL_BYTES_MAX, NAME_BYTES_MAX, TAG } from './layout.ts';

/** The next part of the tar. */
export type SplitdirfdRecord =
  /** Headers, padding and trailer; a chunk may be split into several of these. */
  | { readonly kind: 'structure'; readonly bytes: Uint8Array }
  /** The whole content of a file. */
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      readonly sizeBytes: number;
      /** Index of the directory. */
      readonly directory: number;
      /** Path below the directory: neither absolute nor with `..`. */
      readonly name: ByteString;
    };

/**
 * Reads a splitdirfdstream from pieces of any size. Sans-I/O; holds one inline content, at most 256 MiB. Memory grows with the received bytes,
 * not with the claimed length.
 */
export class SplitdirfdReader {
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Offset in the stream of the held bytes. */
  #offset = 0;
  /** Bytes of a structure that were not returned yet. */
  #structureLeft = 0;

  /**
   * Adds the next bytes and yields the records that they complete. Bytes of records belong to the receiver.
   * @throws FormatError SPLIT_STREAM_INVALID
   */
  *push(piece: Uint8Array): Generator<SplitdirfdRecord> {
    if (piece.length === 0) return;
    // Copied: the piece belongs to the caller.
    this.#held.push(Uint8Array.prototype.slice.call(piece));
    this.#heldBytes += piece.length;
    while (this.#heldBytes > 0) {
      if (this.#structureLeft > 0) {
        const bytes = this.#take(Math.min(this.#structureLeft, this.#heldBytes));
        this.#structureLeft -= bytes.length;
        yield { kind: 'structure', bytes };
        continue;
      }
      const needed = this.#neededBytes();
      if (needed > this.#heldBytes) return;
      const record = this.#next(needed);
      if (record !== undefined) yield record;
    }
  }

  /** Ends the stream. @throws FormatError SPLIT_STREAM_INVALID when it ends inside a chunk */
  end(): void {
    if (this.#heldBytes === 0 && this.#structureLeft === 0) return;
    this.#fail('a whole chunk', `${this.#heldBytes} bytes of one`);
  }

  /** Bytes required before a chunk, or the head of a structure, can be parsed. */
  #neededBytes(): number {
    const tag = this.#peek(1)[0];
    if (tag === TAG.file) {
      if (this.#heldBytes < HEAD_BYTES.file) return HEAD_BYTES.file;
      const nameBytes = this.#peek(HEAD_BYTES.file).readUInt32LE(13);
      if (nameBytes > NAME_BYTES_MAX) {
        this.#fail(`a name of at most ${NAME_BYTES_MAX} bytes`, `${nameBytes}`);
      }
      return HEAD_BYTES.file + nameBytes;
    }
    if (tag !== TAG.structure && tag !== TAG.inline) this.#fail('the tag 0, 1 or 2', `${tag}`);
    if (this.#heldBytes < HEAD_BYTES.literal) return HEAD_BYTES.literal;
    const length = this.#peek(HEAD_BYTES.literal).readUInt32LE(1);
    if (length > LITERAL_BYTES_MAX) this.#fail(`at most ${LITERAL_BYTES_MAX} bytes`, `${length}`);
    return tag === TAG.structure ? HEAD_BYTES.literal : HEAD_BYTES.literal + length;
  }

  #next(chunkBytes: number): SplitdirfdRecord | undefined {
    const tag = this.#peek(1)[0];
    if (tag === TAG.structure) {
      this.#structureLeft = this.#take(chunkBytes).readUInt32LE(1);
      return undefined;
    }
    if (tag === TAG.inline) {
      return { kind: 'inline', bytes: this.#take(chunkBytes).subarray(HEAD_BYTES.literal) };
    }
    const head = this.#peek(HEAD_BYTES.file);
    const size = head.readBigUInt64LE(1);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) this.#fail('a size below 2^53', `${size}`);
    const directory = head.readUInt32LE(9);
    const name = byteStringOf(this.#peek(chunkBytes).subarray(HEAD_BYTES.file));
    if (!isBelow(name)) this.#fail('a name below its directory', JSON.stringify(name));
    this.#take(chunkBytes);
    return { kind: 'file', sizeBytes: Number(size), directory, name };
  }

  /** The first held bytes; the caller ensures that they exist. */
  #peek(bytes: number): Buffer {
    const [first] = this.#held;
    if (first === undefined || first.length < bytes) this.#held = [Buffer.concat(this.#held)];
    const whole = this.#held[0] as Uint8Array;
    return Buffer.from(whole.buffer, whole.byteOffset, bytes);
  }

  #take(bytes: number): Buffer {
    const taken = this.#peek(bytes);
    const first = this.#held.shift() as Uint8Array;
    if (first.length > bytes) this.#held.unshift(first.subarray(bytes));
    this.#heldBytes -= bytes;
    this.#offset += bytes;
    return taken;
  }

  #fail(expected: string, found: string): never {
    throw new FormatError(
      'SPLIT_STREAM_INVALID',
      `Cannot read layer stream: chunk at ${this.#offset}: expected ${expected}, found ${found}`,
      { offset: this.#offset, what: 'splitdirfdstream', expected, found },
    );
  }
}

/** Not empty, not absolute, without NUL and without a part `..`. */
function isBelow(name: ByteString): boolean {
  const parts = name.split('/');
  return name !== '' && parts[0] !== '' && !name.includes('\0') && !parts.includes('..');
}
