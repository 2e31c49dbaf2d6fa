import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { encodeHex } from '#base/bytes';
import { FormatError, IntegrityError, UnsupportedError } from '#base/errors';
import { crc64 } from './crc64.ts';
import {
  CHECK_BYTES,
  CHECK_CRC32,
  CHECK_CRC64,
  CHECK_SHA256,
  FILTER_LZMA2,
  FOOTER_MAGIC,
  HEADER_MAGIC,
  STREAM_EDGE_BYTES,
} from './layout.ts';
import { decodeLzma2 } from './lzma2.ts';
import { Output } from './output.ts';

/** Options of decodeXz. */
export interface DecodeXzOptions {
  /** Largest output, in bytes; a larger output is refused before it is decoded. */
  readonly outputMaxBytes: number;
}

/**
 * Decodes an xz file: one or more streams of LZMA2 blocks; verifies every check value and the index. Memory is only the
 * output. Source: The .xz file format 1.2.0.
 * @throws FormatError XZ_INVALID, XZ_TOO_LARGE; IntegrityError XZ_DIGEST_MISMATCH; UnsupportedError XZ_UNSUPPORTED
 */
export function decodeXz(bytes: Uint8Array, options: DecodeXzOptions): Uint8Array {
  const output = new Output(options.outputMaxBytes);
  let at = new XzStream(bytes, 0, output).decode();
  while (at < bytes.length) {
    if (isPadding(bytes, at)) at += 4;
    else at = new XzStream(bytes, at, output).decode();
  }
  return output.view();
}

/** True for stream padding: zeros in units of four bytes. */
function isPadding(bytes: Uint8Array, at: number): boolean {
  return bytes.length - at >= 4 && bytes.subarray(at, at + 4).every((byte) => byte === 0);
}

/** Sizes of one block, repeated in the index. */
interface BlockSizes {
  readonly unpadded: number;
  readonly uncompressed: number;
}

/** One stream: header, blocks, index, footer. */
class XzStream {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #output: Output;
  readonly #blocks: BlockSizes[] = [];
  #at: number;
  #check = 0;

  constructor(bytes: Uint8Array, start: number, output: Output) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#start = start;
    this.#at = start;
    this.#output = output;
  }

  /** Returns the offset after the stream. */
  decode(): number {
    this.#header();
    while (this.#peek() !== 0) this.#block();
    const indexBytes = this.#index();
    this.#footer(indexBytes);
    return this.#at;
  }

  #header(): void {
    this.#need(STREAM_EDGE_BYTES);
    this.#magic(HEADER_MAGIC);
    const flagsAt = this.#at;
    const reserved = this.#byte();
    const check = this.#byte();
    if (reserved !== 0 || !CHECK_BYTES.has(check)) unsupported('check', check);
    this.#check = check;
    this.#crc32(flagsAt);
  }

  #block(): void {
    const start = this.#at;
    const headerBytes = (this.#byte() + 1) * 4;
    this.#at = start;
    this.#need(headerBytes);
    const sizes = this.#blockHeader(start + headerBytes - 4);
    const dataAt = this.#at;
    const outputAt = this.#output.length;
    this.#at = decodeLzma2(this.#bytes, dataAt, this.#output);
    const packed = this.#at - dataAt;
    const uncompressed = this.#output.length - outputAt;
    this.#expect('packed size', sizes.packed ?? packed, packed);
    this.#expect('uncompressed size', sizes.uncompressed ?? uncompressed, uncompressed);
    const unpadded = headerBytes + packed + (CHECK_BYTES.get(this.#check) ?? 0);
    this.#zerosTo4(dataAt);
    this.#verifyCheck(this.#output.bytes.subarray(outputAt, this.#output.length));
    this.#blocks.push({ unpadded, uncompressed });
  }

  /** Reads the block header, including the checksum at `crcAt`. */
  #blockHeader(crcAt: number): { packed?: number; uncompressed?: number } {
    const start = this.#at;
    this.#byte();
    const flags = this.#byte();
    const filters = (flags % 4) + 1;
    if (Math.floor(flags / 4) % 16 !== 0) unsupported('block flags', flags);
    const sizes: { packed?: number; uncompressed?: number } = {};
    if (Math.floor(flags / 64) % 2 === 1) sizes.packed = this.#vli(crcAt);
    if (flags >= 128) sizes.uncompressed = this.#vli(crcAt);
    const filter = this.#vli(crcAt);
    if (filters !== 1 || filter !== FILTER_LZMA2) unsupported('filter', filter);
    this.#expect('size of filter properties', 1, this.#vli(crcAt));
    const dictionary = this.#byte();
    if (dictionary > 40) this.#fail('a dictionary size', String(dictionary));
    this.#zeros(crcAt);
    this.#crc32(start);
    return sizes;
  }

  /** Reads the index and compares it with the blocks seen; returns its size in bytes. */
  #index(): number {
    const start = this.#at;
    this.#byte();
    this.#expect('number of blocks', this.#blocks.length, this.#vli(this.#bytes.length));
    for (const block of this.#blocks) {
      this.#expect('unpadded size', block.unpadded, this.#vli(this.#bytes.length));
      this.#expect('uncompressed size', block.uncompressed, this.#vli(this.#bytes.length));
    }
    this.#zerosTo4(start);
    this.#crc32(start);
    return this.#at - start;
  }

  #footer(indexBytes: number): void {
    this.#need(STREAM_EDGE_BYTES);
    const stored = this.#u32();
    const start = this.#at;
    this.#expect('size of index', indexBytes, (this.#u32() + 1) * 4);
    this.#expect('flags of footer', 0, this.#byte());
    this.#expect('check of footer', this.#check, this.#byte());
    this.#requireCrc32(stored, start, this.#at);
    this.#magic(FOOTER_MAGIC);
  }

  #verifyCheck(content: Uint8Array): void {
    const length = CHECK_BYTES.get(this.#check) ?? 0;
    this.#need(length);
    const stored = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    const expected = encodeHex(stored);
    const found = checkOf(this.#check, content);
    if (expected !== found) mismatch(expected, found, 'content of xz block');
  }

  #crc32(start: number): void {
    const end = this.#at;
    this.#requireCrc32(this.#u32(), start, end);
  }

  #requireCrc32(stored: number, start: number, end: number): void {
    const found = crc32(this.#bytes.subarray(start, end));
    if (stored !== found) mismatch(stored.toString(16), found.toString(16), 'xz header');
  }

  /** Reads a number in 7-bit groups, lowest first: at most 9 groups, in the shortest encoding. */
  #vli(limit: number): number {
    let value = 0;
    for (let scale = 1, i = 0; i < 9; i++, scale *= 128) {
      if (this.#at >= limit) this.#fail('a number', 'the end');
      const byte = this.#byte();
      value += (byte % 128) * scale;
      if (byte >= 128) continue;
      if (byte === 0 && i > 0) this.#fail('a number of minimal length', 'a zero at its end');
      if (!Number.isSafeInteger(value)) this.#fail('a size', String(value));
      return value;
    }
    return this.#fail('a number of at most 9 bytes', 'more');
  }

  #zerosTo4(start: number): void {
    while ((this.#at - start) % 4 !== 0) this.#expect('padding', 0, this.#byte());
  }

  #zeros(end: number): void {
    while (this.#at < end) this.#expect('padding', 0, this.#byte());
    if (this.#at !== end) this.#fail('a shorter block header', 'a longer one');
  }

  #magic(magic: readonly number[]): void {
    for (const byte of magic) this.#expect('magic', byte, this.#byte());
  }

  #byte(): number {
    this.#need(1);
    return this.#bytes[this.#at++] as number;
  }

  #peek(): number {
    this.#need(1);
    return this.#bytes[this.#at] as number;
  }

  #u32(): number {
    this.#need(4);
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #need(count: number): void {
    if (this.#bytes.length - this.#at < count) this.#fail(`${count} more bytes`, 'the end');
  }

  #expect(what: string, expected: number, found: number): void {
    if (expected !== found) this.#fail(`${what} ${expected}`, String(found));
  }

  #fail(expected: string, found: string): never {
    const offset = this.#at - this.#start;
    throw new FormatError(
      'XZ_INVALID',
      `Cannot read xz at ${offset}: expected ${expected}, found ${found}`,
      { offset, what: 'xz', expected, found },
    );
  }
}

/** Computes the check value of content, as hex of its stored bytes. */
function checkOf(check: number, content: Uint8Array): string {
  if (check === CHECK_SHA256) return createHash('sha256').update(content).digest('hex');
  const bytes = new Uint8Array(CHECK_BYTES.get(check) ?? 0);
  const view = new DataView(bytes.buffer);
  if (check === CHECK_CRC32) view.setUint32(0, crc32(content), true);
  if (check === CHECK_CRC64) view.setBigUint64(0, crc64(content), true);
  return encodeHex(bytes);
}

function mismatch(expected: string, found: string, what: string): never {
  throw new IntegrityError(
    'XZ_DIGEST_MISMATCH',
    `Cannot accept ${what}: expected check value ${expected}, found ${found}`,
    { expected, found, what },
  );
}

function unsupported(what: string, found: number): never {
  throw new UnsupportedError(
    'XZ_UNSUPPORTED',
    `Cannot decode xz: expected a known ${what}, found ${found}`,
    { what, found },
  );
}
