import { FormatError } from '#base/errors';
import type { Output } from './output.ts';

/*
 * The LZMA decoder. Names and numbers follow the LZMA specification in the 7-Zip SDK (lzma-specification.txt, 2015):
 * a binary range coder whose adaptive probabilities depend on a state of 12 values, on the position and on the previous
 * byte. All probabilities are in one array; the constants below are the offsets of the groups.
 */
const STATES = 12;
const POS_STATES_MAX = 16;
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POS_STATES_MAX;
const IS_REP_G0 = IS_REP + STATES;
const IS_REP_G1 = IS_REP_G0 + STATES;
const IS_REP_G2 = IS_REP_G1 + STATES;
const IS_REP0_LONG = IS_REP_G2 + STATES;
const POS_SLOT = IS_REP0_LONG + STATES * POS_STATES_MAX;
const POS_SPECIAL = POS_SLOT + 4 * 64;
const ALIGN = POS_SPECIAL + 128 - 14;
const MATCH_LENGTH = ALIGN + 16;
/** Offsets in a length coder: choice, choice2, 16 × 8 low, 16 × 8 middle, 256 high. */
const LENGTH_LOW = 2;
const LENGTH_MIDDLE = LENGTH_LOW + 16 * 8;
const LENGTH_HIGH = LENGTH_MIDDLE + 16 * 8;
const LENGTH_SIZE = LENGTH_HIGH + 256;
const REP_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERAL = REP_LENGTH + LENGTH_SIZE;
/** lc + lp is at most 4 in LZMA2. */
const PROBABILITIES = LITERAL + (0x300 << 4);
/** One half, in 11 bits. */
const PROBABILITY_START = 1024;
/** Normalisation keeps the range at or above this value. */
const TOP = 0x1000000;
const MATCH_MIN = 2;

/** Decodes LZMA chunks of an LZMA2 stream into an output that is also the dictionary. */
export class LzmaDecoder {
  readonly #input: Uint8Array;
  readonly #output: Output;
  readonly #probabilities = new Uint16Array(PROBABILITIES);
  #at = 0;
  /**
   * Range and code are 32-bit unsigned values, stored as signed: V8 keeps signed values unboxed, which doubles the speed.
   */
  #range = 0;
  #code = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  #literalContextBits = 0;
  #literalPosMask = 0;
  #posMask = 0;
  #dictionaryStart = 0;

  constructor(input: Uint8Array, output: Output) {
    this.#input = input;
    this.#output = output;
  }

  /** Resets the dictionary: matches cannot reach earlier output. */
  resetDictionary(): void {
    this.#dictionaryStart = this.#output.length;
  }

  /** Reads lc, lp and pb from a properties byte; returns false when LZMA2 forbids the values. */
  setProperties(properties: number): boolean {
    const pb = Math.floor(properties / 45);
    const lp = Math.floor((properties % 45) / 9);
    const lc = properties % 9;
    if (lc + lp > 4) return false;
    this.#literalContextBits = lc;
    this.#literalPosMask = 2 ** lp - 1;
    this.#posMask = 2 ** pb - 1;
    return true;
  }

  /** Resets probabilities, state and last distances. */
  resetState(): void {
    this.#probabilities.fill(PROBABILITY_START);
    this.#state = 0;
    this.#rep0 = 0;
    this.#rep1 = 0;
    this.#rep2 = 0;
    this.#rep3 = 0;
  }

  /**
   * Decodes one chunk of `packedBytes` at `start` into exactly `sizeBytes` bytes, for which the output has room.
   * @throws FormatError XZ_INVALID
   */
  decode(start: number, packedBytes: number, sizeBytes: number): void {
    if (packedBytes < 5) this.#fail('5 bytes of range coder', `${packedBytes}`);
    const input = this.#input;
    this.#range = -1;
    this.#code =
      ((input[start + 1] as number) << 24) |
      ((input[start + 2] as number) << 16) |
      ((input[start + 3] as number) << 8) |
      (input[start + 4] as number);
    this.#at = start + 5;
    const end = this.#output.length + sizeBytes;
    // Reading past the chunk returns bytes of another chunk or undefined; the check below always detects this.
    while (this.#output.length < end) this.#symbol(end);
    this.#normalise();
    if (this.#at !== start + packedBytes || this.#code !== 0) {
      this.#fail(`a range coder at rest at ${start + packedBytes}`, `one at ${this.#at}`);
    }
  }

  #symbol(end: number): void {
    const output = this.#output;
    const posState = (output.length - this.#dictionaryStart) & this.#posMask;
    const state = this.#state;
    if (this.#bit(IS_MATCH + state * POS_STATES_MAX + posState) === 0) {
      output.bytes[output.length] = this.#literal();
      output.length++;
      return;
    }
    let length: number;
    if (this.#bit(IS_REP + state) === 0) {
      this.#rep3 = this.#rep2;
      this.#rep2 = this.#rep1;
      this.#rep1 = this.#rep0;
      length = this.#length(MATCH_LENGTH, posState);
      this.#state = state < 7 ? 7 : 10;
      this.#rep0 = this.#distance(length);
    } else length = this.#repeated(state, posState);
    this.#copy(length, end);
  }

  /** Decodes a match with one of the four last distances, or its single-byte form. Returns the length. */
  #repeated(state: number, posState: number): number {
    if (this.#bit(IS_REP_G0 + state) === 0) {
      if (this.#bit(IS_REP0_LONG + state * POS_STATES_MAX + posState) === 0) {
        this.#state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance: number;
      if (this.#bit(IS_REP_G1 + state) === 0) distance = this.#rep1;
      else {
        if (this.#bit(IS_REP_G2 + state) === 0) distance = this.#rep2;
        else {
          distance = this.#rep3;
          this.#rep3 = this.#rep2;
        }
        this.#rep2 = this.#rep1;
      }
      this.#rep1 = this.#rep0;
      this.#rep0 = distance;
    }
    this.#state = state < 7 ? 8 : 11;
    return this.#length(REP_LENGTH, posState);
  }

  #literal(): number {
    const { bytes, length } = this.#output;
    const position = length - this.#dictionaryStart;
    const previous = position === 0 ? 0 : (bytes[length - 1] as number);
    const lc = this.#literalContextBits;
    const context = ((position & this.#literalPosMask) << lc) + (previous >> (8 - lc));
    const base = LITERAL + 0x300 * context;
    const state = this.#state;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
    let symbol = 1;
    if (state >= 7) {
      // After a match, the byte at the last distance predicts this byte, bit by bit, until the first mismatch.
      if (this.#rep0 >= position) this.#fail('a distance in the dictionary', `${this.#rep0 + 1}`);
      let match = bytes[length - this.#rep0 - 1] as number;
      do {
        const expected = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#bit(base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol & 0xff;
  }

  #length(base: number, posState: number): number {
    if (this.#bit(base) === 0) {
      return MATCH_MIN + this.#tree(base + LENGTH_LOW + posState * 8, 3);
    }
    if (this.#bit(base + 1) === 0) {
      return MATCH_MIN + 8 + this.#tree(base + LENGTH_MIDDLE + posState * 8, 3);
    }
    return MATCH_MIN + 16 + this.#tree(base + LENGTH_HIGH, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(POS_SLOT + Math.min(length - MATCH_MIN, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const distance = 2 + (slot & 1);
    if (slot < 14) {
      const high = distance << bits;
      return high + this.#reverseTree(POS_SPECIAL + high - slot - 1, bits);
    }
    const middle = (distance * 2 ** (bits - 4) + this.#direct(bits - 4)) * 16;
    return middle + this.#reverseTree(ALIGN, 4);
  }

  #copy(length: number, end: number): void {
    const output = this.#output;
    const at = output.length;
    const distance = this.#rep0 + 1;
    if (distance > at - this.#dictionaryStart) {
      this.#fail('a distance in the dictionary', String(distance));
    }
    if (length > end - at) this.#fail(`at most ${end - at} more bytes`, `a match of ${length}`);
    const { bytes } = output;
    if (distance >= length && length > 16)
      bytes.copyWithin(at, at - distance, at - distance + length);
    else for (let i = at; i < at + length; i++) bytes[i] = bytes[i - distance] as number;
    output.length = at + length;
  }

  #tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol - (1 << bits);
  }

  #reverseTree(base: number, bits: number): number {
    let symbol = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(base + symbol);
      symbol = (symbol << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** Decodes bits without a probability, highest first. At most 26 bits, so the number is exact. */
  #direct(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      this.#normalise();
      this.#range = this.#range >>> 1;
      if (this.#code >>> 0 >= this.#range) {
        this.#code = (this.#code - this.#range) | 0;
        value = value * 2 + 1;
      } else value *= 2;
    }
    return value;
  }

  #bit(index: number): number {
    this.#normalise();
    const probability = this.#probabilities[index] as number;
    const bound = Math.imul(this.#range >>> 11, probability);
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound;
      this.#probabilities[index] = probability + ((2048 - probability) >> 5);
      return 0;
    }
    this.#range = (this.#range - bound) | 0;
    this.#code = (this.#code - bound) | 0;
    this.#probabilities[index] = probability - (probability >> 5);
    return 1;
  }

  #normalise(): void {
    if (this.#range >>> 0 >= TOP) return;
    this.#range <<= 8;
    this.#code = (this.#code << 8) | (this.#input[this.#at] as number);
    this.#at++;
  }

  #fail(expected: string, found: string): never {
    throw new FormatError(
      'XZ_INVALID',
      `Cannot decode LZMA at ${this.#at}: expected ${expected}, found ${found}`,
      { offset: this.#at, what: 'LZMA', expected, found },
    );
  }
}
