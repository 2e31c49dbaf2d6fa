import { failTar } from './fault.ts';
import { FIELD, GNU_MAGIC, TAR_BLOCK_BYTES, TYPE_FLAG, USTAR_MAGIC } from './layout.ts';

/** Which rules a header follows: POSIX has a prefix, old GNU and POSIX have extensions, V7 has neither. */
export type HeaderDialect = 'ustar' | 'gnu' | 'v7';

const SPACE = 0x20;

/** One header block, its checksum verified. Fields are decoded when asked for. */
export class HeaderBlock {
  readonly bytes = Buffer.from(new ArrayBuffer(TAR_BLOCK_BYTES));
  readonly #words = new Int32Array(this.bytes.buffer);
  /** Offset of the block in the tar, for messages. */
  offset = 0;

  /**
   * True when the block is a header, false when it is all zeros.
   * @throws FormatError TAR_HEADER_CHECKSUM, TAR_FIELD_INVALID
   */
  verify(): boolean {
    const sum = this.#sum();
    if (sum === 0) return false;
    let field = 0;
    const [start, length] = FIELD.checksum;
    for (let at = start; at < start + length; at += 1) field += this.bytes[at] ?? 0;
    // The checksum counts its own field as spaces.
    const expected = sum - field + length * SPACE;
    const found = this.#octal(start, length, 'checksum');
    if (found !== expected) {
      const reason = `expected ${expected}, found ${found}`;
      failTar('TAR_HEADER_CHECKSUM', 'header checksum', this.offset, reason);
    }
    return true;
  }

  /** Sum of all bytes, four at a time in two 16-bit lanes: 128 words of two bytes a lane stay below 2^16. */
  #sum(): number {
    const words = this.#words;
    let lanes = 0;
    for (let index = 0; index < TAR_BLOCK_BYTES / 4; index += 1) {
      const word = words[index] ?? 0;
      lanes = (lanes + (word & 0x00ff00ff) + ((word >>> 8) & 0x00ff00ff)) | 0;
    }
    return (lanes & 0xffff) + (lanes >>> 16);
  }

  get typeFlag(): number {
    return this.bytes[FIELD.typeFlag[0]] ?? 0;
  }

  dialect(): HeaderDialect {
    const magic = this.bytes.toString('latin1', FIELD.magic[0], FIELD.magic[0] + 8);
    if (magic === USTAR_MAGIC) return 'ustar';
    return magic === GNU_MAGIC ? 'gnu' : 'v7';
  }

  /** A text field up to its first NUL, one character a byte. */
  text(name: 'name' | 'linkName' | 'prefix'): string {
    const [start, length] = FIELD[name];
    let end = start;
    while (end < start + length && this.bytes[end] !== 0) end += 1;
    return end === start ? '' : this.bytes.toString('latin1', start, end);
  }

  /** A number that must be a safe, non-negative one. @throws FormatError TAR_FIELD_INVALID */
  number(name: keyof typeof FIELD): number {
    const [start, length] = FIELD[name];
    return this.numberAt(start, length, name);
  }

  numberAt(start: number, length: number, name: string): number {
    if ((this.bytes[start] ?? 0) < 0x80) return this.#octal(start, length, name);
    const value = this.#base256(start, length);
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#fail(name, start, `expected 0 to 2^53 - 1, found ${value}`);
    }
    return Number(value);
  }

  /** An id; of a base-256 number the low 32 bits count, as in composefs-rs. @throws FormatError TAR_FIELD_INVALID */
  id(name: 'uid' | 'gid'): number {
    const [start, length] = FIELD[name];
    if ((this.bytes[start] ?? 0) < 0x80) return this.#octal(start, length, name);
    return this.bytes.readUInt32BE(start + length - 4);
  }

  /** A number of up to 64 bits, negative ones included. @throws FormatError TAR_FIELD_INVALID */
  bigint(name: 'mtime'): bigint {
    const [start, length] = FIELD[name];
    if ((this.bytes[start] ?? 0) < 0x80) return BigInt(this.#octal(start, length, name));
    const value = this.#base256(start, length);
    if (BigInt.asIntN(64, value) !== value) {
      this.#fail(name, start, `expected a signed 64-bit number, found ${value}`);
    }
    return value;
  }

  /** Octal digits between spaces, up to a NUL or the end of the field. No digits are zero. */
  #octal(start: number, length: number, name: string): number {
    const { bytes } = this;
    const end = start + length;
    let at = start;
    while (at < end && bytes[at] === SPACE) at += 1;
    let value = 0;
    for (; at < end; at += 1) {
      const digit = (bytes[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 7) break;
      value = value * 8 + digit;
    }
    while (at < end && bytes[at] === SPACE) at += 1;
    if (at < end && bytes[at] !== 0) {
      this.#fail(name, start, `expected an octal digit, found byte ${bytes[at]}`);
    }
    return value;
  }

  /** Big-endian two's complement below the marker bit. Source: GNU tar manual, "Extensions to tar", base-256. */
  #base256(start: number, length: number): bigint {
    let value = 0n;
    for (let at = start; at < start + length; at += 1) {
      value = value * 256n + BigInt(this.bytes[at] ?? 0);
    }
    return BigInt.asIntN(length * 8 - 1, value);
  }

  #fail(name: string, start: number, reason: string): never {
    return failTar('TAR_FIELD_INVALID', `header field ${name}`, this.offset + start, reason);
  }
}

/** True for the three flags of a file with content. */
export function isRegularFlag(flag: number): boolean {
  return (
    flag === TYPE_FLAG.regular || flag === TYPE_FLAG.regularOld || flag === TYPE_FLAG.contiguous
  );
}
