import type { Reading } from '#formats/tree';
import { failTar } from './fault.ts';
import { FIELD, GNU_MAGIC, GNU_TIMES, TAR_BLOCK_BYTES, TYPE_FLAG, USTAR_MAGIC } from './layout.ts';

/** Which rules a header follows: POSIX has a prefix, old GNU and POSIX have extensions, V7 has neither. */
export type HeaderDialect = 'ustar' | 'gnu' | 'v7';

const SPACE = 0x20;

/** One header block, its checksum verified. Fields are decoded on access. */
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
    if (found !== expected && found !== expected - 256 * this.#highBytes()) {
      const reason = `expected ${expected}, found ${found}`;
      failTar('TAR_HEADER_CHECKSUM', 'header checksum', this.offset, reason);
    }
    return true;
  }

  /** Bytes above 127 outside the checksum: writers on machines with signed characters subtracted 256 for each. Source: POSIX.1-2017 pax. */
  #highBytes(): number {
    const [start, length] = FIELD.checksum;
    return this.bytes.reduce((count, byte, at) => {
      return byte > 127 && (at < start || at >= start + length) ? count + 1 : count;
    }, 0);
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

  /** Detects the dialect by the magic; composefs-rs also requires the right version after the magic. */
  dialect(reading: Reading): HeaderDialect {
    const magic = this.#magic();
    if (magic === GNU_MAGIC) return 'gnu';
    const isPosix = reading === 'cfsctl' ? magic === USTAR_MAGIC : hasPosixMagic(magic);
    return isPosix ? 'ustar' : 'v7';
  }

  #magic(): string {
    return this.bytes.toString('latin1', FIELD.magic[0], FIELD.magic[0] + 8);
  }

  /**
   * The prefix of a header that is not strictly POSIX but uses one: a GNU magic with text in the fields for access and change time,
   * where Go before 1.8 (Docker up to 17.05) wrote the prefix; or a POSIX magic with another version.
   */
  strayPrefix(): string {
    const prefix = this.text('prefix');
    if (prefix === '') return '';
    const magic = this.#magic();
    if (hasPosixMagic(magic)) return magic === USTAR_MAGIC ? '' : prefix;
    const isGnu = magic === GNU_MAGIC && this.typeFlag !== TYPE_FLAG.gnuSparse;
    if (!isGnu || !/^[\x20-\x7e]*$/.test(prefix)) return '';
    return this.#isNumber(GNU_TIMES.access) && this.#isNumber(GNU_TIMES.change) ? '' : prefix;
  }

  #isNumber([start, length]: readonly [number, number]): boolean {
    const text = this.bytes.toString('latin1', start, start + length);
    return text.charCodeAt(0) >= 0x80 || /^[ \0]*[0-7]*[ \0]*$/.test(text);
  }

  /** Reads a text field up to its first NUL, one character a byte. */
  text(name: 'name' | 'linkName' | 'prefix'): string {
    const [start, length] = FIELD[name];
    let end = start;
    while (end < start + length && this.bytes[end] !== 0) end += 1;
    return end === start ? '' : this.bytes.toString('latin1', start, end);
  }

  /** Reads a safe, non-negative number. @throws FormatError TAR_FIELD_INVALID */
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

  /** Reads an id, which may exceed 32 bits; a negative id is reduced to its low 32 bits. @throws FormatError TAR_FIELD_INVALID */
  id(name: 'uid' | 'gid'): bigint {
    const [start, length] = FIELD[name];
    if ((this.bytes[start] ?? 0) < 0x80) return BigInt(this.#octal(start, length, name));
    const value = this.#base256(start, length);
    return value < 0n ? BigInt.asUintN(32, value) : value;
  }

  /** Reads a signed number of up to 64 bits. @throws FormatError TAR_FIELD_INVALID */
  bigint(name: 'mtime'): bigint {
    const [start, length] = FIELD[name];
    if ((this.bytes[start] ?? 0) < 0x80) return BigInt(this.#octal(start, length, name));
    const value = this.#base256(start, length);
    if (BigInt.asIntN(64, value) !== value) {
      this.#fail(name, start, `expected a signed 64-bit number, found ${value}`);
    }
    return value;
  }

  /** Reads octal digits between spaces, up to a NUL or the end of the field. A field without digits is 0. */
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

function hasPosixMagic(magic: string): boolean {
  return magic.startsWith(USTAR_MAGIC.slice(0, FIELD.magic[1]));
}

/** True for the three type flags of a regular file. */
export function isRegularFlag(flag: number): boolean {
  return (
    flag === TYPE_FLAG.regular || flag === TYPE_FLAG.regularOld || flag === TYPE_FLAG.contiguous
  );
}

/** Types without data, whatever their size field. Source: POSIX.1-2017 pax, "ustar Interchange Format"; Go archive/tar, isHeaderOnly. */
const HEADER_ONLY: ReadonlySet<number> = new Set([
  TYPE_FLAG.hardlink,
  TYPE_FLAG.symlink,
  TYPE_FLAG.chr,
  TYPE_FLAG.blk,
  TYPE_FLAG.directory,
  TYPE_FLAG.fifo,
]);

/** True for links, devices, directories and fifos, which have no data. */
export function isHeaderOnlyFlag(flag: number): boolean {
  return HEADER_ONLY.has(flag);
}
