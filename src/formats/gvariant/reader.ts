import { FormatError } from '#base/errors';
import {
  alignUp,
  parseVariantType,
  VARIANT_DEPTH_MAX,
  type Variant,
  type VariantType,
} from './variant-type.ts';

/** Most values one parse may produce, so that a small hostile input cannot exhaust memory. */
export const VARIANT_VALUES_MAX = 2_000_000;
/** Longest type string inside a `v`, in bytes. */
const SIGNATURE_MAX_BYTES = 4096;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Options of `parseVariant`. */
export interface ParseVariantOptions {
  /** What the bytes are, for error messages: "commit", "summary". */
  readonly what?: string;
  /** Most values, which bounds the memory; defaults to VARIANT_VALUES_MAX. */
  readonly valuesMax?: number;
}

/**
 * Parses a serialised value and accepts only normal form: zero padding, ascending end offsets of the smallest width
 * that tile the container, booleans 0 or 1, valid UTF-8 with one NUL at the end. Encoding the result again produces the
 * same bytes (except for a NaN with a payload). Byte arrays are views of the input, not copies.
 * Source: OSTree spec 1.1 to 1.3 (the GVariant specification of GLib).
 * @throws FormatError GVARIANT_NOT_NORMAL, GVARIANT_TYPE_INVALID, GVARIANT_TOO_LARGE
 */
export function parseVariant<T>(
  bytes: Uint8Array,
  type: VariantType<T>,
  options: ParseVariantOptions = {},
): T {
  const reader = new VariantReader(bytes, options);
  return reader.read(type, 0, bytes.length, 0) as T;
}

/**
 * Bytes of each end offset in a container of `sizeBytes` bytes, offset table included: 0, 1, 2, 4 or 8.
 * Source: OSTree spec 1.2.
 */
export function offsetWidth(sizeBytes: number): number {
  if (sizeBytes === 0) return 0;
  if (sizeBytes <= 0xff) return 1;
  if (sizeBytes <= 0xffff) return 2;
  return sizeBytes <= 0xffffffff ? 4 : 8;
}

/** True when a container with `bodyBytes` and `count` end offsets cannot use offsets smaller than `width`. */
function isSmallestWidth(bodyBytes: number, count: number, width: number): boolean {
  if (width <= 1) return true;
  const smaller = width / 2;
  const reach = smaller === 1 ? 0xff : smaller === 2 ? 0xffff : 0xffffffff;
  return bodyBytes + count * smaller > reach;
}

const OBJECT_PATH_PATTERN = /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/;

class VariantReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #valuesLeft: number;

  constructor(bytes: Uint8Array, options: ParseVariantOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = options.what ?? 'GVariant';
    this.#valuesLeft = options.valuesMax ?? VARIANT_VALUES_MAX;
  }

  read(type: VariantType, start: number, end: number, depth: number): unknown {
    if (depth > VARIANT_DEPTH_MAX) this.#fail(start, `nesting of ${depth}`, 'less');
    if (--this.#valuesLeft < 0) this.#tooLarge(start);
    const size = type.fixedSizeBytes;
    if (size !== undefined && end - start !== size) {
      this.#fail(start, `${end - start} bytes of type "${type.signature}"`, `${size} bytes`);
    }
    switch (type.kind) {
      case 's':
      case 'o':
      case 'g':
        return this.#string(type, start, end);
      case 'v':
        return this.#variant(start, end, depth);
      case 'a':
        return this.#array(type, start, end, depth);
      case 'm':
        return this.#maybe(type, start, end, depth);
      case '(':
      case '{':
        return this.#tuple(type, start, end, depth);
      default:
        return this.#number(type, start);
    }
  }

  #number(type: VariantType, at: number): number | bigint | boolean {
    switch (type.kind) {
      case 'b': {
        const value = this.#view.getUint8(at);
        if (value > 1) this.#fail(at, `boolean ${value}`, '0 or 1');
        return value === 1;
      }
      case 'n':
        return this.#view.getInt16(at, true);
      case 'q':
        return this.#view.getUint16(at, true);
      case 'i':
      case 'h':
        return this.#view.getInt32(at, true);
      case 'u':
        return this.#view.getUint32(at, true);
      case 'x':
        return this.#view.getBigInt64(at, true);
      case 't':
        return this.#view.getBigUint64(at, true);
      case 'd':
        return this.#view.getFloat64(at, true);
      default:
        return this.#view.getUint8(at);
    }
  }

  #string(type: VariantType, start: number, end: number): string {
    const nul = this.#bytes.indexOf(0, start);
    if (end <= start || nul !== end - 1) this.#fail(start, 'a string', 'one NUL, at its end');
    let text: string;
    try {
      text = UTF8.decode(this.#bytes.subarray(start, end - 1));
    } catch (cause) {
      return this.#fail(start, 'other bytes', 'valid UTF-8', cause);
    }
    if (type.kind === 'o' && !OBJECT_PATH_PATTERN.test(text)) {
      this.#fail(start, `"${text.slice(0, 100)}"`, 'an object path');
    }
    if (type.kind === 'g') checkSignature(text);
    return text;
  }

  #variant(start: number, end: number, depth: number): Variant {
    const nul = this.#bytes.subarray(start, end).lastIndexOf(0);
    if (nul < 0) this.#fail(start, 'a variant', 'a NUL before its type');
    const typeAt = start + nul + 1;
    if (end - typeAt > SIGNATURE_MAX_BYTES) this.#tooLarge(typeAt);
    const signature = Buffer.from(this.#bytes.subarray(typeAt, end)).toString('latin1');
    const type = parseVariantType(signature);
    if (type.depth + depth > VARIANT_DEPTH_MAX) this.#fail(start, 'deep nesting', 'less');
    return { type, value: this.read(type, start, typeAt - 1, depth + 1) };
  }

  #array(type: VariantType, start: number, end: number, depth: number): unknown {
    const element = type.children[0] as VariantType;
    if (element.kind === 'y') return this.#bytes.subarray(start, end);
    const size = element.fixedSizeBytes;
    return size === undefined
      ? this.#variableArray(element, start, end, depth)
      : this.#fixedArray(element, size, start, end, depth);
  }

  #fixedArray(element: VariantType, size: number, start: number, end: number, depth: number) {
    if ((end - start) % size !== 0) {
      this.#fail(start, `${end - start} bytes of array`, `a multiple of ${size}`);
    }
    if ((end - start) / size > this.#valuesLeft) this.#tooLarge(start);
    const values: unknown[] = [];
    for (let at = start; at < end; at += size) {
      values.push(this.read(element, at, at + size, depth + 1));
    }
    return values;
  }

  #variableArray(element: VariantType, start: number, end: number, depth: number): unknown[] {
    if (start === end) return [];
    const width = offsetWidth(end - start);
    const table = this.#tableStart(start, end, width);
    const count = (end - table) / width;
    if (!isSmallestWidth(table - start, count, width)) {
      this.#fail(table, `end offsets of ${width} bytes`, 'the smallest width');
    }
    if (count > this.#valuesLeft) this.#tooLarge(start);
    const values: unknown[] = [];
    let at = start;
    for (let entry = table; entry < end; entry += width) {
      const from = this.#padTo(at, element.alignment, table);
      at = start + this.#uint(entry, width);
      if (at < from || at > table) this.#fail(entry, `end offset ${at - start}`, 'one in range');
      values.push(this.read(element, from, at, depth + 1));
    }
    return values;
  }

  #maybe(type: VariantType, start: number, end: number, depth: number): unknown {
    if (start === end) return null;
    const element = type.children[0] as VariantType;
    if (element.fixedSizeBytes !== undefined) {
      return { just: this.read(element, start, end, depth + 1) };
    }
    if (this.#bytes[end - 1] !== 0) this.#fail(end - 1, 'another byte', 'the NUL of a maybe');
    return { just: this.read(element, start, end - 1, depth + 1) };
  }

  #tuple(type: VariantType, start: number, end: number, depth: number): unknown[] {
    const members = type.children;
    const width = offsetWidth(end - start);
    const values: unknown[] = [];
    let table = end;
    let at = start;
    let ends = 0;
    for (let index = 0; index < members.length; index++) {
      const member = members[index] as VariantType;
      if (member.fixedSizeBytes === undefined && index < members.length - 1) ends++;
    }
    table -= ends * width;
    if (table < start || (ends > 0 && width === 0))
      this.#fail(start, `${end - start} bytes of tuple`, 'room for end offsets');
    for (let index = 0, next = end; index < members.length; index++) {
      const member = members[index] as VariantType;
      const from = this.#padTo(at, member.alignment, table);
      if (member.fixedSizeBytes !== undefined) at = from + member.fixedSizeBytes;
      else if (index === members.length - 1) at = table;
      else {
        next -= width;
        at = start + this.#uint(next, width);
      }
      if (at < from || at > table) this.#fail(from, `member end ${at - start}`, 'one in range');
      values.push(this.read(member, from, at, depth + 1));
    }
    this.#finishTuple(type, at, table);
    if (ends > 0 && !isSmallestWidth(table - start, ends, width)) {
      this.#fail(table, `end offsets of ${width} bytes`, 'the smallest width');
    }
    return values;
  }

  /** After the last member only the zero padding of a fixed-size tuple may follow. */
  #finishTuple(type: VariantType, at: number, table: number): void {
    if (at === table) return;
    if (type.fixedSizeBytes === undefined) this.#fail(at, `${table - at} unused bytes`, 'none');
    this.#zeros(at, table);
  }

  #tableStart(start: number, end: number, width: number): number {
    const table = start + this.#uint(end - width, width);
    if (table > end - width || (end - table) % width !== 0) {
      this.#fail(end - width, `table offset ${table - start}`, 'one in range');
    }
    return table;
  }

  #uint(at: number, width: number): number {
    switch (width) {
      case 1:
        return this.#view.getUint8(at);
      case 2:
        return this.#view.getUint16(at, true);
      case 4:
        return this.#view.getUint32(at, true);
      default:
        return Number(this.#view.getBigUint64(at, true));
    }
  }

  #padTo(at: number, alignment: number, limit: number): number {
    const from = alignUp(at, alignment);
    // An empty value at the end of a container needs no padding before it, but writers align it.
    if (from > limit) this.#fail(at, 'the end', `padding to ${alignment}`);
    this.#zeros(at, from);
    return from;
  }

  #zeros(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      if (this.#bytes[at] !== 0) this.#fail(at, `padding ${this.#bytes[at]}`, 'zero');
    }
  }

  #fail(offset: number, found: string, expected: string, cause?: unknown): never {
    throw new FormatError(
      'GVARIANT_NOT_NORMAL',
      `Cannot read ${this.#what} at ${offset}: expected ${expected}, found ${found}`,
      { offset, what: this.#what, expected, found },
      cause === undefined ? {} : { cause },
    );
  }

  #tooLarge(offset: number): never {
    throw new FormatError(
      'GVARIANT_TOO_LARGE',
      `Cannot read ${this.#what} at ${offset}: it holds more values than the limit`,
      { offset, what: this.#what },
    );
  }
}

/** Checks a `g`, which holds any number of complete types. */
function checkSignature(text: string): void {
  parseVariantType(`(${text})`);
}
