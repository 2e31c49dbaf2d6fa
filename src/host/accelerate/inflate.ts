import { readFileSync } from 'node:fs';
import {
  ADDRESS,
  addressOf,
  allocatePinned,
  type Signatures,
  type Slab,
  tryOpenLibrary,
} from '../ffi/ffi.ts';

/**
 * ISA-L, a library of the host that inflates about twice as fast as zlib, without a stream object for each small file. Debian calls its
 * package libisal2. Callers need a fallback for hosts without it.
 */
const LIBRARY_NAMES = ['libisal.so.2'];
/** Newest minor release with a known struct layout; it is part of the file name. A later release may have another layout. */
const NEWEST_MINOR = 31;

interface Isal {
  isal_inflate_init(state: number): void;
  isal_inflate_reset(state: number): void;
  isal_inflate(state: number): number;
  isal_inflate_stateless(state: number): number;
}

const SIGNATURES: Signatures<Isal> = {
  isal_inflate_init: ['void', ADDRESS],
  isal_inflate_reset: ['void', ADDRESS],
  isal_inflate: ['int', ADDRESS],
  isal_inflate_stateless: ['int', ADDRESS],
};

/** Offsets in struct inflate_state, on 64-bit hosts. Source: ISA-L 2.30 and 2.31, igzip_lib.h. */
const STATE = {
  nextOut: 0,
  availOut: 8,
  nextIn: 16,
  availIn: 32,
  /** Bits that were read from the input and not consumed. */
  readInLength: 36,
  blockState: 21160,
  crcFlag: 21172,
  crc: 21176,
} as const;
/** Size of the memory for the struct, which has 87,368 bytes in the known versions. */
const STATE_BYTES = 131_072;
/** Value of `blockState` at the end of the output. */
const ISAL_BLOCK_FINISH = 5;
/** Values of `crcFlag` for a deflate stream: compute nothing, or compute the CRC-32 without comparing it. */
const ISAL_DEFLATE = 0;
const ISAL_GZIP_NO_HDR = 2;
/** Results below zero. Source: igzip_lib.h. */
const DAMAGE: Readonly<Record<number, string>> = {
  [-1]: 'invalid block',
  [-2]: 'invalid symbol',
  [-3]: 'invalid distance too far back',
};

/** Largest number of bytes of one call: the counters of the library have 32 bits. */
const STEP_BYTES_MAX = 1 << 30;
/** Up to this size, in bytes, both sides of a whole stream go through pinned memory: a copy costs less than looking up an address. */
const SMALL_BYTES = 65_536;

/** What a step did. */
export interface InflateStep {
  /**
   * Bytes of the input that were consumed. At the end of the stream it may be negative: bytes of an earlier input that do not belong to the
   * stream.
   */
  readonly usedBytes: number;
  /** Bytes at the start of the output that are valid now. */
  readonly madeBytes: number;
  /** `more`: the output is full, or the input is used up. A damaged stream cannot be continued. */
  readonly state: 'more' | 'end' | 'damaged';
  /** Why it is damaged. */
  readonly reason: string | undefined;
}

/** Inflates raw deflate streams, one after the other. Every call blocks. Disposing releases the memory for the next inflater. */
export class Inflater implements Disposable {
  readonly #library: Isal;
  readonly #state: Slab = allocatePinned(STATE_BYTES);
  readonly #small: Slab = allocatePinned(2 * SMALL_BYTES);

  constructor(library: Isal) {
    this.#library = library;
    library.isal_inflate_init(this.#state.address);
  }

  /** Begins a new stream and discards the state of the previous one. */
  begin(): void {
    this.#reset(ISAL_GZIP_NO_HDR);
  }

  /**
   * Inflates the next bytes of the stream until they are consumed, the output is full, or the stream ends. Nothing is written outside
   * `output`; bytes of `output` after the valid bytes may have changed.
   */
  step(input: Uint8Array, output: Uint8Array): InflateStep {
    const { view } = this.#state;
    const inputBytes = Math.min(input.length, STEP_BYTES_MAX);
    const outputBytes = Math.min(output.length, STEP_BYTES_MAX);
    this.#aim(addressIn(input), inputBytes, addressIn(output), outputBytes);
    const result = this.#library.isal_inflate(this.#state.address);
    const madeBytes = outputBytes - view.getUint32(STATE.availOut, true);
    let usedBytes = inputBytes - view.getUint32(STATE.availIn, true);
    if (result !== 0) {
      const reason = DAMAGE[result] ?? `result ${result}`;
      return { usedBytes, madeBytes, state: 'damaged', reason };
    }
    if (view.getInt32(STATE.blockState, true) !== ISAL_BLOCK_FINISH) {
      return { usedBytes, madeBytes, state: 'more', reason: undefined };
    }
    usedBytes -= Math.floor(view.getInt32(STATE.readInLength, true) / 8);
    return { usedBytes, madeBytes, state: 'end', reason: undefined };
  }

  /** CRC-32 of the output, after the end of the stream. */
  get crc32(): number {
    return this.#state.view.getUint32(STATE.crc, true);
  }

  /**
   * Inflates a stream that is in memory. False when the stream is incomplete, does not fill `output` exactly, or is followed by other
   * bytes. Then the output is undefined, and the caller uses another inflater to get the error.
   */
  inflateWhole(input: Uint8Array, output: Uint8Array): boolean {
    if (input.length > STEP_BYTES_MAX || output.length > STEP_BYTES_MAX) return false;
    const { address, bytes } = this.#small;
    const isSmallInput = input.length <= SMALL_BYTES;
    const isSmallOutput = output.length <= SMALL_BYTES;
    if (isSmallInput) bytes.set(input);
    this.#reset(ISAL_DEFLATE);
    this.#aim(
      isSmallInput ? address : addressIn(input),
      input.length,
      isSmallOutput ? address + SMALL_BYTES : addressIn(output),
      output.length,
    );
    if (this.#library.isal_inflate_stateless(this.#state.address) !== 0) return false;
    const { view } = this.#state;
    if (view.getUint32(STATE.availOut, true) !== 0) return false;
    const unusedBits = view.getInt32(STATE.readInLength, true);
    if (view.getUint32(STATE.availIn, true) > 0 || unusedBits >= 8) return false;
    if (isSmallOutput) output.set(bytes.subarray(SMALL_BYTES, SMALL_BYTES + output.length));
    return view.getInt32(STATE.blockState, true) === ISAL_BLOCK_FINISH;
  }

  #reset(crcFlag: number): void {
    this.#library.isal_inflate_reset(this.#state.address);
    this.#state.view.setUint32(STATE.crcFlag, crcFlag, true);
  }

  #aim(input: number, inputBytes: number, output: number, outputBytes: number): void {
    const { view } = this.#state;
    view.setBigUint64(STATE.nextIn, BigInt(input), true);
    view.setUint32(STATE.availIn, inputBytes, true);
    view.setBigUint64(STATE.nextOut, BigInt(output), true);
    view.setUint32(STATE.availOut, outputBytes, true);
  }

  [Symbol.dispose](): void {
    if (!idle.includes(this)) idle.push(this);
  }
}

/** Unused inflaters of this thread. Their memory is never freed. */
const idle: Inflater[] = [];
let library: Isal | 'untried' | undefined = 'untried';

/**
 * An inflater of this thread; undefined if the host lacks the library, or if the library fails the self-test with a known stream (once per
 * thread).
 */
export function tryOpenInflater(): Inflater | undefined {
  if (library === 'untried') {
    library = tryOpenLibrary<Isal>(LIBRARY_NAMES, SIGNATURES);
    const isKnown =
      library !== undefined && isKnownRelease(readFileSync('/proc/self/maps', 'latin1'));
    if (library !== undefined && !(isKnown && passesSelfTest(library))) library = undefined;
  }
  return library === undefined ? undefined : (idle.pop() ?? new Inflater(library));
}

/** Whether the library in the memory map of a process has a known release. Source: proc_pid_maps(5). */
export function isKnownRelease(maps: string): boolean {
  const minor = /\/libisal\.so\.2\.0\.([0-9]+)$/m.exec(maps)?.[1];
  return minor !== undefined && Number(minor) <= NEWEST_MINOR;
}

function addressIn(bytes: Uint8Array): number {
  return addressOf(bytes.buffer) + bytes.byteOffset;
}

/** A stream with one block of each kind (stored, fixed and dynamic codes), its content, and the CRC-32 of the content. */
const KNOWN = {
  stream:
    '000a00f5ff30206f6e65636f707920000000ffff32b734b454c8cf4b4dce2fa854303634333783f3cc0d8dcc0de13c43233373031385fc3c0000' +
    '0000ffff45c9b90d80301004c0565cc22df778b71ee41493d23d12c1118e669dfb7e06343573ec6b7d3c98c6683a698e665a11d5ac40b89a53905953' +
    '49e8df17',
  content: Array.from({ length: 12 }, (_, index) => `${index * index * 7919} onecopy `).join(''),
  crc32: 0x8407bdee,
} as const;
const TAIL_BYTES = 5;
const MARK = 0xa5;

/** True when the known stream inflates correctly, at once and in pieces, and ends at the correct byte. */
function passesSelfTest(candidate: Isal): boolean {
  const inflater = new Inflater(candidate);
  const stream = Buffer.from(KNOWN.stream, 'hex');
  const content = Buffer.from(KNOWN.content);
  const room = Buffer.alloc(content.length + TAIL_BYTES, MARK);
  const whole = room.subarray(0, content.length);
  const isWhole = inflater.inflateWhole(stream, whole) && whole.equals(content);
  const isCutRefused = !inflater.inflateWhole(stream.subarray(0, -1), whole);
  const input = Buffer.concat([stream, Buffer.alloc(TAIL_BYTES)]);
  room.fill(MARK);
  inflater.begin();
  const half = inflater.step(input.subarray(0, 61), room.subarray(0, 100));
  const from = half.madeBytes;
  const rest = inflater.step(input.subarray(half.usedBytes), whole.subarray(from));
  const passed =
    isWhole &&
    isCutRefused &&
    half.state === 'more' &&
    rest.state === 'end' &&
    half.usedBytes + rest.usedBytes === stream.length &&
    whole.equals(content) &&
    room.subarray(content.length).every((byte) => byte === MARK) &&
    inflater.crc32 === KNOWN.crc32;
  if (passed) idle.push(inflater);
  return passed;
}
