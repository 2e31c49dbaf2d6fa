import { isUtf8 } from 'node:buffer';
import { TOC_ENTRY_BYTES_MAX } from '../layout.ts';
import { UnusableToc } from '../verdict.ts';
import { ENTRY_KEYS, type RawTocEntry, type TocKey } from './entry-keys.ts';
import { PlainEntryReader } from './plain-entry.ts';

const KNOWN_KEYS: ReadonlySet<string> = new Set(ENTRY_KEYS);
const KEY_OF_LOWER: ReadonlyMap<string, TocKey> = new Map(
  ENTRY_KEYS.map((key) => [key.toLowerCase(), key]),
);

/** Receives the parts of a TOC document in order. */
export interface TocJsonSink {
  /** A member of the document other than its entries. */
  field(key: string, value: unknown): void;
  /** `entry`: valid until the next call. */
  entry(entry: RawTocEntry): void;
}

const CODE = {
  tab: 0x09,
  newline: 0x0a,
  return: 0x0d,
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  point: 0x2e,
  colon: 0x3a,
  upperE: 0x45,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  lowerE: 0x65,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/** What may follow in the document, between values. */
type Phase =
  | 'start'
  | 'firstKey'
  | 'key'
  | 'colon'
  | 'value'
  | 'afterValue'
  | 'firstElement'
  | 'element'
  | 'afterElement'
  | 'end';

/** Kind of the value that is being collected. */
type Span = 'none' | 'string' | 'brackets' | 'literal';

/**
 * Reads a TOC document in pieces of any size. The outer object and plain entries are parsed here, other values by JSON.parse once complete:
 * only one entry is held, never the document. Stricter than JSON in two points, as Go's reader: numbers are
 * integers, and keys are not empty. Any other document throws UnusableToc.
 * Source: containers-storage pkg/chunked (jsoniter), spec of zstd:chunked 1.4.
 */
export class TocJsonParser {
  readonly #sink: TocJsonSink;
  readonly #plain = new PlainEntryReader();
  #phase: Phase = 'start';
  #span: Span = 'none';
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #previous = 0;
  #key = '';
  #hasEntries = false;

  constructor(sink: TocJsonSink) {
    this.#sink = sink;
  }

  /** Reads the next bytes of the document. */
  push(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    let start = 0;
    for (let at = 0; at < piece.length; ) {
      if (this.#span === 'none') {
        start = at;
        at = this.#plainEntry(bytes, at) ?? this.#between(piece, at);
        continue;
      }
      const end = this.#endOfSpan(piece, at);
      if (end < 0) break;
      this.#complete(piece.subarray(start, end));
      at = end;
      start = end;
    }
    if (this.#span !== 'none') this.#hold(piece.slice(start));
  }

  /** Call after the last bytes of the document. */
  end(): void {
    if (this.#phase !== 'end') fail('the document ends early');
  }

  /** Reads an entry at once if it is plain; the offset behind it. */
  #plainEntry(bytes: Buffer, at: number): number | undefined {
    if (this.#phase !== 'firstElement' && this.#phase !== 'element') return undefined;
    const entry = this.#plain.read(bytes, at);
    if (entry === undefined) return undefined;
    this.#sink.entry(entry);
    this.#phase = 'afterElement';
    return this.#plain.end;
  }

  /** Passes one byte between values; at the start of a value, only notes its position. */
  #between(piece: Uint8Array, at: number): number {
    const code = piece[at] as number;
    if (isBlank(code)) return at + 1;
    switch (this.#phase) {
      case 'start':
        return this.#expect(code, CODE.openBrace, 'firstKey', at);
      case 'firstKey':
      case 'key':
        if (code === CODE.closeBrace && this.#phase === 'firstKey') return this.#to('end', at);
        if (code !== CODE.quote) fail(`a key is expected, found byte ${code}`);
        return this.#begin('string', at);
      case 'colon':
        return this.#expect(code, CODE.colon, 'value', at);
      case 'value':
        if (code === CODE.openBracket && this.#key === 'entries')
          return this.#to('firstElement', at);
        return this.#beginValue(code, at);
      case 'afterValue':
        if (code === CODE.closeBrace) return this.#to('end', at);
        return this.#expect(code, CODE.comma, 'key', at);
      case 'firstElement':
      case 'element':
        if (code === CODE.closeBracket && this.#phase === 'firstElement') {
          return this.#to('afterValue', at);
        }
        if (code !== CODE.openBrace) fail(`an entry is expected, found byte ${code}`);
        return this.#begin('brackets', at);
      case 'afterElement':
        if (code === CODE.closeBracket) return this.#to('afterValue', at);
        return this.#expect(code, CODE.comma, 'element', at);
      case 'end':
        return fail('something follows the document');
    }
  }

  #expect(code: number, expected: number, next: Phase, at: number): number {
    if (code !== expected) {
      fail(`"${String.fromCharCode(expected)}" is expected, found byte ${code}`);
    }
    return this.#to(next, at);
  }

  #to(next: Phase, at: number): number {
    this.#phase = next;
    return at + 1;
  }

  #beginValue(code: number, at: number): number {
    if (code === CODE.quote) return this.#begin('string', at);
    const isOpen = code === CODE.openBrace || code === CODE.openBracket;
    return this.#begin(isOpen ? 'brackets' : 'literal', at);
  }

  #begin(span: Span, at: number): number {
    this.#span = span;
    this.#depth = 0;
    this.#inString = false;
    this.#isEscaped = false;
    this.#previous = 0;
    return at;
  }

  /** End of the current value in the piece; -1 when the value continues in the next one. */
  #endOfSpan(piece: Uint8Array, from: number): number {
    let { 0: inString, 1: isEscaped } = [this.#inString, this.#isEscaped];
    let depth = this.#depth;
    let previous = this.#previous;
    const span = this.#span;
    for (let at = from; at < piece.length; at += 1) {
      const code = piece[at] as number;
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (code === CODE.backslash) isEscaped = true;
        else if (code === CODE.quote) {
          inString = false;
          if (span === 'string') return at + 1;
        }
      } else if (code === CODE.quote) inString = true;
      else if (span === 'literal') {
        if (isBlank(code) || code === CODE.comma || code === CODE.closeBrace) return at;
      } else if (code === CODE.openBrace || code === CODE.openBracket) depth += 1;
      else if (code === CODE.closeBrace || code === CODE.closeBracket) {
        depth -= 1;
        if (depth === 0) return at + 1;
      } else if (isFraction(code, previous)) fail('a number is not an integer');
      previous = code;
    }
    this.#inString = inString;
    this.#isEscaped = isEscaped;
    this.#depth = depth;
    this.#previous = previous;
    return -1;
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > TOC_ENTRY_BYTES_MAX) {
      throw new UnusableToc('too-large', `an entry is longer than ${TOC_ENTRY_BYTES_MAX} bytes`);
    }
  }

  #complete(tail: Uint8Array): void {
    const bytes = this.#held.length === 0 ? tail : Buffer.concat([...this.#held, tail]);
    this.#held = [];
    this.#heldBytes = 0;
    this.#span = 'none';
    const value = parseJson(bytes);
    if (this.#phase === 'firstKey' || this.#phase === 'key') {
      this.#key = lowerKey(String(value));
      this.#phase = 'colon';
      if (this.#key === 'entries' && this.#hasEntries) fail('there are two lists of entries');
      this.#hasEntries ||= this.#key === 'entries';
    } else if (this.#phase === 'value') {
      if (this.#key !== 'entries') this.#sink.field(this.#key, value);
      else if (value !== null) fail('the entries are no list');
      this.#phase = 'afterValue';
    } else {
      this.#sink.entry(entryOf(value as object));
      this.#phase = 'afterElement';
    }
  }
}

function isBlank(code: number): boolean {
  return code === CODE.space || code === CODE.newline || code === CODE.return || code === CODE.tab;
}

/** A point or an exponent outside a string. The `e` of true and false does not follow a digit. */
function isFraction(code: number, previous: number): boolean {
  if (code === CODE.point || code === CODE.upperE) return true;
  return code === CODE.lowerE && previous >= 0x30 && previous <= 0x39;
}

function parseJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) fail('its text is not UTF-8');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return fail('a value is not JSON');
  }
}

/** The entry with its keys in their usual spelling, which most entries have. */
function entryOf(value: object): RawTocEntry {
  const keys = Object.keys(value);
  if (keys.every((key) => KNOWN_KEYS.has(key))) return value as RawTocEntry;
  const fields = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    const known = KEY_OF_LOWER.get(lowerKey(key)) ?? key;
    if (fields.has(known)) fail('an entry has a key twice');
    fields.set(known, field);
  }
  return Object.fromEntries(fields) as RawTocEntry;
}

/** Upstream ignores the case of ASCII letters in keys; an empty key ends its parse. */
function lowerKey(key: string): string {
  if (key === '') fail('a key is empty');
  return key.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function fail(reason: string): never {
  throw new UnusableToc('json', `it is no document of its form: ${reason}`);
}
