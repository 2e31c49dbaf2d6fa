import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { unescapeField } from './dumpfile-escape.ts';
import { type DialectRules, FILE_SIZE_LIMIT } from './dumpfile-layout.ts';

const SPACE = 0x20;
const DASH = 0x2d;

/**
 * The line that a parser is at: a range of a larger text, so that fields are found and compared without being cut out.
 * Positions are those of the text.
 */
export class DumpLine {
  readonly rules: DialectRules;
  readonly fail = (reason: string): never => {
    throw this.error(reason);
  };
  /** Text that holds the line, and perhaps others. */
  text = '';
  /** Number of the line, from 1, and its byte offset in the dumpfile; for messages. */
  number = 0;
  offset = 0;
  readonly #digestLength: number;
  /** First backslash at or after the start of the line, or the length of the text; -1 when not known. */
  #backslash = -1;

  constructor(rules: DialectRules, digestLength: number) {
    this.rules = rules;
    this.#digestLength = digestLength;
  }

  /** Hex characters of a digest. */
  get digestLength(): number {
    return this.#digestLength;
  }

  /** Goes on with another text. */
  setText(text: string): void {
    this.text = text;
    this.#backslash = -1;
  }

  /** Goes to the line that begins at `start`; `offset` is where the text begins in the dumpfile. */
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

  /** An error that names the line. */
  error(reason: string): FormatError {
    return new FormatError(
      'DUMPFILE_INVALID',
      `Cannot parse dumpfile line ${this.number}: ${reason}`,
      { offset: this.offset, what: 'dumpfile', line: this.number },
    );
  }

  /** End of the field that starts at `from`; a field must be followed by a space, except the last of a line. */
  fieldEnd(from: number, lineEnd: number, name: string): number {
    if (from > lineEnd) throw this.error(`expected ${name}, found the end of the line`);
    const text = this.text;
    let at = from;
    while (at < lineEnd && text.charCodeAt(at) !== SPACE) at += 1;
    return at;
  }

  /** True when a field is a lone dash, which stands for "absent". */
  isDash(from: number, end: number): boolean {
    return end - from === 1 && this.text.charCodeAt(from) === DASH;
  }

  /** A field without its escapes; most lines have none, which one look-up per line settles. */
  unescape(from: number, end: number): ByteString {
    const field = this.text.slice(from, end);
    return this.#backslash >= end
      ? (field as ByteString)
      : unescapeField(field, !this.rules.lenient, this.fail);
  }

  /** The decimal of SIZE. */
  size(from: number, end: number): number {
    const text = this.text;
    let at = text.charCodeAt(from) === 0x2b ? from + 1 : from;
    if (at >= end) throw this.error('expected SIZE, found nothing');
    let size = 0;
    for (; at < end; at += 1) {
      const digit = text.charCodeAt(at) - 0x30;
      if (digit < 0 || digit > 9) throw this.error(`invalid SIZE "${text.slice(from, end)}"`);
      size = size * 10 + digit;
    }
    if (size > FILE_SIZE_LIMIT) throw this.error(`SIZE ${text.slice(from, end)} is above 2^53`);
    return size;
  }

  /** C ends strings at a NUL byte; composefs-rs refuses them. */
  cutAtNul(value: ByteString, field: string): ByteString {
    const nul = value.indexOf('\0');
    if (nul < 0) return value;
    if (!this.rules.lenient) throw this.error(`${field} holds a NUL byte`);
    return value.slice(0, nul) as ByteString;
  }

  /** DIGEST: hex of the length of the algorithm, as lower case. */
  digest(from: number, end: number): ObjectId {
    const id = this.text.slice(from, end);
    if (end - from !== this.#digestLength) {
      throw this.error(
        `expected a digest of ${this.#digestLength} characters, found ${end - from}`,
      );
    }
    let upper = false;
    for (let at = from; at < end; at += 1) {
      const code = this.text.charCodeAt(at);
      if ((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66)) continue;
      if (code < 0x41 || code > 0x46) throw this.error(`digest "${id}" is not hex`);
      upper = true;
    }
    return (upper ? id.toLowerCase() : id) as ObjectId;
  }
}
