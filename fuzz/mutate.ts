/** Seeded randomness and the ways in which an input is damaged. The same seed gives the same inputs. */

/** A small generator of 32-bit numbers (xorshift32); enough to choose damage with. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % Math.max(1, limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** Longest input: a mutation that would make a longer one is cut. */
export const INPUT_BYTES_MAX = 2 ** 20;

const BYTES = [0x00, 0x01, 0x20, 0x2e, 0x2f, 0x30, 0x37, 0x39, 0x3a, 0x7f, 0x80, 0xfe, 0xff];
const WORDS = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x1000n,
  0x7fffffffn,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

type Mutation = (bytes: Buffer, random: Random, other: Uint8Array) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    return bytes;
  },
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.pick(BYTES);
    return bytes;
  },
  (bytes, random) => {
    const at = random.below(bytes.length);
    bytes[at] = ((bytes[at] ?? 0) + random.pick([1, 255])) % 256;
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length < 8) return bytes;
    const at = random.below(bytes.length - 7);
    const word = random.pick(WORDS);
    if (random.below(2) === 0) bytes.writeBigUInt64LE(word, at);
    else bytes.writeUInt32LE(Number(word % 2n ** 32n), at);
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => {
    const [start, end] = span(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  (bytes, random) => {
    const [start, end] = span(bytes, random);
    const piece = bytes.subarray(start, end);
    return Buffer.concat([bytes.subarray(0, end), piece, bytes.subarray(end)]);
  },
  (bytes, random) => {
    const at = random.below(bytes.length + 1);
    const piece = Buffer.alloc(random.below(16) + 1, random.pick(BYTES));
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  },
  (bytes, random, other) => {
    const [start, end] = span(other, random);
    const at = random.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(start, end), bytes.subarray(at)]);
  },
];

function span(bytes: Uint8Array, random: Random): [start: number, end: number] {
  const start = random.below(bytes.length + 1);
  const longest = random.pick([4, 64, 512, 4096]);
  return [start, Math.min(bytes.length, start + 1 + random.below(longest))];
}

/** A damaged copy: one to eight mutations of one input, with pieces of another. */
export function mutate(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = Buffer.from(input);
  for (let left = 1 + random.below(8); left > 0; left -= 1) {
    bytes = random.pick(MUTATIONS)(Buffer.from(bytes), random, other);
  }
  return bytes.subarray(0, INPUT_BYTES_MAX);
}
