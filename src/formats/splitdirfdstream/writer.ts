import { type ByteString, bytesOf } from '#base/bytes';
import { FIELD, HEAD_BYTES, LITERAL_BYTES_MAX, NAME_BYTES_MAX, TAG } from './layout.ts';

/** Structure is collected up to this size, in bytes, before it is written, although more may follow. Upstream never splits below the limit. */
const GATHER_BYTES_MAX = LITERAL_BYTES_MAX;

/**
 * Writes a splitdirfdstream. Neighbouring pieces of structure become one chunk, as in upstream. Sans-I/O; holds the structure between two files.
 */
export class SplitdirfdWriter {
  #structure: Uint8Array[] = [];
  #structureBytes = 0;

  /** Adds headers, padding or the trailer, which are copied; returns the bytes to write first. */
  structure(bytes: Uint8Array): Uint8Array {
    const before = this.#structureBytes + bytes.length > GATHER_BYTES_MAX ? this.end() : EMPTY;
    this.#structure.push(Uint8Array.prototype.slice.call(bytes));
    this.#structureBytes += bytes.length;
    return before;
  }

  /**
   * Starts structure that the caller writes after this head, so that it need not be held.
   * @throws RangeError for more than a literal can hold, see `canInline`
   */
  structureHead(sizeBytes: number): Uint8Array {
    if (!SplitdirfdWriter.canInline(sizeBytes)) throw new RangeError(`${sizeBytes} is too large`);
    return Buffer.concat([this.end(), literalHead(TAG.structure, sizeBytes)]);
  }

  /**
   * Starts the content of a file that is sent as bytes; empty for an empty file. The caller writes the head, then the `sizeBytes` bytes.
   * @throws RangeError for a content larger than a literal, see `canInline`
   */
  inlineHead(sizeBytes: number): Uint8Array {
    if (sizeBytes === 0) return EMPTY;
    if (!SplitdirfdWriter.canInline(sizeBytes)) throw new RangeError(`${sizeBytes} is too large`);
    return Buffer.concat([this.end(), literalHead(TAG.inline, sizeBytes)]);
  }

  /** Writes the content of a file by its name below a directory; empty for an empty file. */
  file(sizeBytes: number, directory: number, name: ByteString): Uint8Array {
    if (sizeBytes === 0) return EMPTY;
    const bytes = bytesOf(name);
    if (bytes.length > NAME_BYTES_MAX) throw new RangeError(`a name of ${bytes.length} bytes`);
    const head = Buffer.alloc(HEAD_BYTES.file);
    head.writeUInt8(TAG.file);
    head.writeBigUInt64LE(BigInt(sizeBytes), FIELD.tag);
    head.writeUInt32LE(directory, FIELD.tag + FIELD.fileSize);
    head.writeUInt32LE(bytes.length, HEAD_BYTES.file - FIELD.nameLength);
    return Buffer.concat([this.end(), head, bytes]);
  }

  /** Returns the held bytes. The writer can be used further. */
  end(): Uint8Array {
    if (this.#structureBytes === 0) return EMPTY;
    const held = [literalHead(TAG.structure, this.#structureBytes), ...this.#structure];
    this.#structure = [];
    this.#structureBytes = 0;
    return Buffer.concat(held);
  }

  /** True when a content of this size can be sent as bytes. */
  static canInline(sizeBytes: number): boolean {
    return sizeBytes <= LITERAL_BYTES_MAX;
  }
}

const EMPTY = new Uint8Array(0);

function literalHead(tag: number, length: number): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES.literal);
  head.writeUInt8(tag);
  head.writeUInt32LE(length, FIELD.tag);
  return head;
}
