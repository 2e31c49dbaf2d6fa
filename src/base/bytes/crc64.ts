/** A polynomial of degree 64, reflected, as two halves. */
export interface Crc64Polynomial {
  readonly high: number;
  readonly low: number;
}

/** Lookup tables of a polynomial. Create them once for each polynomial. */
export interface Crc64Tables {
  readonly highs: Int32Array;
  readonly lows: Int32Array;
}

/** Bytes taken per step. */
const SLICES = 8;

/** An incremental 64-bit CRC. Initial value and result are inverted, as in XZ and ISO 3309. */
export class Crc64 {
  readonly #tables: Crc64Tables;
  #high = 0xffffffff | 0;
  #low = 0xffffffff | 0;

  constructor(tables: Crc64Tables) {
    this.#tables = tables;
  }

  /** Tables for a polynomial. */
  static tablesOf(polynomial: Crc64Polynomial): Crc64Tables {
    return makeTables(polynomial);
  }

  /** Takes the next bytes. */
  update(bytes: Uint8Array): void {
    const { highs, lows } = this.#tables;
    let high = this.#high;
    let low = this.#low;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (const end = bytes.length - (SLICES - 1); at < end; at += SLICES) {
      const a = low ^ view.getInt32(at, true);
      const b = high ^ view.getInt32(at + 4, true);
      const i0 = 0x700 + (a & 0xff);
      const i1 = 0x600 + ((a >>> 8) & 0xff);
      const i2 = 0x500 + ((a >>> 16) & 0xff);
      const i3 = 0x400 + (a >>> 24);
      const i4 = 0x300 + (b & 0xff);
      const i5 = 0x200 + ((b >>> 8) & 0xff);
      const i6 = 0x100 + ((b >>> 16) & 0xff);
      const i7 = b >>> 24;
      low = xor4(lows, i0, i1, i2, i3) ^ xor4(lows, i4, i5, i6, i7);
      high = xor4(highs, i0, i1, i2, i3) ^ xor4(highs, i4, i5, i6, i7);
    }
    for (; at < bytes.length; at += 1) {
      const index = (low ^ (bytes[at] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (lows[index] as number);
      high = (high >>> 8) ^ (highs[index] as number);
    }
    this.#high = high;
    this.#low = low;
  }

  /** The checksum of all bytes so far, as a number of 64 bits. */
  finish(): bigint {
    return (BigInt(~this.#high >>> 0) << 32n) | BigInt(~this.#low >>> 0);
  }
}

function xor4(table: Int32Array, a: number, b: number, c: number, d: number): number {
  return (table[a] as number) ^ (table[b] as number) ^ (table[c] as number) ^ (table[d] as number);
}

/** Table k gives the effect of a byte that is followed by k zero bytes. */
function makeTables({ high: polynomialHigh, low: polynomialLow }: Crc64Polynomial): Crc64Tables {
  const highs = new Int32Array(SLICES * 256);
  const lows = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let high = 0;
    let low = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      const isSet = (low & 1) !== 0;
      low = (low >>> 1) | (high << 31);
      high = high >>> 1;
      if (isSet) {
        low ^= polynomialLow;
        high ^= polynomialHigh;
      }
    }
    highs[byte] = high;
    lows[byte] = low;
  }
  for (let at = 256; at < SLICES * 256; at += 1) {
    const high = highs[at - 256] as number;
    const low = lows[at - 256] as number;
    const index = low & 0xff;
    lows[at] = ((low >>> 8) | (high << 24)) ^ (lows[index] as number);
    highs[at] = (high >>> 8) ^ (highs[index] as number);
  }
  return { highs, lows };
}
