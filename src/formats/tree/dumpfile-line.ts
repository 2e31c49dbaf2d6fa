import { type ByteString, byteStringOf } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { unescapeField } from './dumpfile-escape.ts';
import { type DialectRules, FILE_SIZE_LIMIT } from './dumpfile-layout.ts';

const SPACE = 0x20;
const DASH = 0x2d;
const PLUS = 0x2b;
const SLASH = 0x2f;

/** Class of a byte as hex digit: 1 lower case or decimal, 2 upper case, 0 not a hex digit. */
const HEX_CASE = new Uint8Array(256);
for (const digit of '0123456789abcdef') HEX_CASE[digit.charCodeAt(0)] = 1;
for (const digit of 'ABCDEF') HEX_CASE[digit.charCodeAt(0)] = 2;

/**
 * The current line of a parser: a range of a larger text, so that fields are found and compared without copying.
 * Positions are positions in that text.
 */
export class DumpLine {
  readonly rules: DialectRules;
  readonly fail = (reason: string): never => {
    throw this.error(reason);
  };
  /** Bytes that hold the line, possibly among others, and the same as text: bytes are faster to scan, text faster to keep. */
  bytes: Uint8Array = new Uint8Array(0);
  text = '';
  /** Line number, from 1, and byte offset in the dumpfile; for messages. */
  number = 0;
  offset = 0;
  readonly #digestLength: number;
  /** First backslash at or after the start of the line, or the length of the text; -1 when unknown. */
  #backslash = -1;
  /** True when the bytes contain a NUL. */
  #hasNul = false;

  constructor(rules: DialectRules, digestLength: number) {
    this.rules = rules;
    this.#digestLength = digestLength;
  }

  /** Hex characters of a digest. */
  get digestLength(): number {
    return this.#digestLength;
  }

  /** Sets the bytes to parse; they must not change until the next call. */
  setBytes(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.text = byteStringOf(bytes);
    this.#backslash = -1;
    this.#hasNul = bytes.includes(0);
  }

  /** Moves to the line at `start`; `offset` is the offset of the text in the dumpfile. */
  begin(start: number, offset: number): void {
    this.number += 1;
    this.offset = offset + start;
    if (this.#backslash >= start) return;
    const found = this.text.indexOf('\\', start);
    this.#backslash = found < 0 ? this.text.length : found;
  }

  /** True when the line, which ends at `end` or later, has no escape before `end`. */
  isPlain(end: number): boolean {
    return this.#backslash >= end;
  }

  /** False when no field that ends before `end` can contain a NUL byte, escaped or not. */
  mayHoldNul(end: number): boolean {
    return this.#hasNul || !this.isPlain(end);
  }

  /** True when the bytes at `from` are `expected`. */
  startsWith(expected: Uint8Array, from: number): boolean {
    const { bytes } = this;
    const { length } = expected;
    let at = 0;
    while (at < length && bytes[from + at] === expected[at]) at += 1;
    return at === length;
  }

  /** A copy of a range of the bytes. */
  copy(from: number, end: number): Uint8Array {
    return new Uint8Array(this.bytes.subarray(from, end));
  }

  /** Returns an error that names the line. */
  error(reason: string): FormatError {
    return new FormatError(
      'DUMPFILE_INVALID',
      `Cannot parse dumpfile line ${this.number}: ${reason}`,
      { offset: this.offset, what: 'dumpfile', line: this.number },
    );
  }

  /** Returns the end of the field that starts at `from`; a space must follow every field except the last of a line. */
  fieldEnd(from: number, lineEnd: number, name: string): number {
    if (from > lineEnd) throw this.error(`expected ${name}, found the end of the line`);
    const { bytes } = this;
    let at = from;
    while (at < lineEnd && bytes[at] !== SPACE) at += 1;
    return at;
  }

  /** True when a field is a lone dash, which stands for "absent". */
  isDash(from: number, end: number): boolean {
    return end - from === 1 && this.bytes[from] === DASH;
  }

  /** Unescapes a field. Most lines have no escapes; one look-up per line detects this. */
  unescape(from: number, end: number): ByteString {
    const field = this.text.slice(from, end);
    return this.#backslash >= end
      ? (field as ByteString)
      : unescapeField(field, !this.rules.lenient, this.fail);
  }

  /** Parses SIZE, a decimal. */
  size(from: number, end: number): number {
    const { bytes, text } = this;
    let at = bytes[from] === PLUS ? from + 1 : from;
    if (at >= end) throw this.error('expected SIZE, found nothing');
    let size = 0;
    for (; at < end; at += 1) {
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) throw this.error(`invalid SIZE "${text.slice(from, end)}"`);
      size = size * 10 + digit;
    }
    // The next larger number is rounded to the limit itself.
    const isAbove = size === FILE_SIZE_LIMIT && BigInt(text.slice(from, end)) > FILE_SIZE_LIMIT;
    if (size > FILE_SIZE_LIMIT || isAbove) {
      throw this.error(`SIZE ${text.slice(from, end)} is above 2^53`);
    }
    return size;
  }

  /** C ends strings at a NUL byte; composefs-rs refuses them. */
  cutAtNul(value: ByteString, field: string): ByteString {
    const nul = value.indexOf('\0');
    if (nul < 0) return value;
    if (!this.rules.lenient) throw this.error(`${field} holds a NUL byte`);
    return value.slice(0, nul) as ByteString;
  }

  /** Parses DIGEST, hex of the length of the algorithm, to lower case. */
  digest(from: number, end: number): ObjectId {
    const id = this.text.slice(from, end);
    if (end - from !== this.#digestLength) {
      throw this.error(
        `expected a digest of ${this.#digestLength} characters, found ${Math.max(0, end - from)}`,
      );
    }
    const { bytes } = this;
    let isUpper = false;
    for (let at = from; at < end; at += 1) {
      const digit = HEX_CASE[bytes[at] as number] as number;
      if (digit === 0) throw this.error(`digest "${id}" is not hex`);
      if (digit === 2) isUpper = true;
    }
    return (isUpper ? id.toLowerCase() : id) as ObjectId;
  }

  /** True when the field `[from, end)` is the lower-case object path `xx/rest` of the hex at `digestFrom`. */
  isObjectPath(from: number, end: number, digestFrom: number): boolean {
    const { bytes } = this;
    if (end - from !== this.#digestLength + 1 || bytes[from + 2] !== SLASH) return false;
    for (let at = 0; at < this.#digestLength; at += 1) {
      const byte = bytes[from + (at < 2 ? at : at + 1)] as number;
      if (byte !== bytes[digestFrom + at] || HEX_CASE[byte] !== 1) return false;
    }
    return true;
  }
}
