import type { ObjectId } from '#base/digest';
import {
  ALGORITHMS,
  type BlockHash,
  computeVerity,
  PlainBlockHash,
  type VerityAlgorithm,
  VerityHasher,
} from '#formats/fsverity';
import { ADDRESS, addressOf, allocatePinned, type Slab, tryOpenLibrary } from '../ffi/ffi.ts';

/**
 * Hashes with wide vector registers, one message in each lane: eight lanes of SHA-512 or sixteen of SHA-256 with AVX-512, half of that with
 * AVX2. The blocks of fs-verity are independent messages, and OpenSSL hashes one at a time. Uses the multi-buffer library of Intel (Debian:
 * libipsec-mb1, libipsec-mb2), if the host has it. Source: intel-ipsec-mb.h of releases 1.3 and 2.0, which agree in everything used here
 * but the numbers of the vector units.
 */
const LIBRARY_NAMES = ['libIPSec_MB.so.2', 'libIPSec_MB.so.1'];
/** First and last release with a known job layout: 1.3 and 2.0 with its patch releases. A later release may have another layout. */
const OLDEST_VERSION = 0x010300;
const NEWEST_VERSION = 0x0200ff;

type VectorUnit = 'avx2' | 'avx512';

/** `IMB_ARCH` by major release: the vector units that are faster than OpenSSL. */
const VECTOR_UNITS: Readonly<Record<number, Readonly<Record<number, VectorUnit>>>> = {
  1: { 4: 'avx2', 5: 'avx512' },
  2: { 2: 'avx2', 3: 'avx512' },
};

interface SetupCalls {
  imb_get_version(): number;
  imb_get_mb_mgr_size(): number;
  imb_set_pointers_mb_mgr(memory: number, flags: number, reset: number): number;
  init_mb_mgr_auto(manager: number, unit: number): void;
}
const SETUP_SIGNATURES = {
  imb_get_version: ['uint32_t'],
  imb_get_mb_mgr_size: [ADDRESS],
  imb_set_pointers_mb_mgr: [ADDRESS, ADDRESS, 'uint64_t', 'uint32_t'],
  init_mb_mgr_auto: ['void', ADDRESS, ADDRESS],
};

/** Each takes the manager and returns the address of a job, or 0. */
interface JobCalls {
  /** A job to fill in. */
  readonly next: (manager: number) => number;
  /** Submits the filled job; returns a completed job. */
  readonly submit: (manager: number) => number;
  /** Completes the oldest job, even if not all lanes are filled. */
  readonly flush: (manager: number) => number;
}

/** Offsets in struct IMB_JOB, in words of 4 bytes; pointers and lengths take two. */
const JOB = {
  source: 6,
  lengthBytes: 16,
  digest: 22,
  digestBytes: 24,
  status: 32,
  cipher: 33,
  direction: 34,
  hash: 35,
  order: 36,
  /** Bytes from the start of a job to the end of the last field used. */
  sizeBytes: 148,
} as const;
const COMPLETED = 3;
const CIPHER_NONE = 3;
const DIRECTION_ENCRYPT = 1;
const ORDER_HASH_FIRST = 2;
/** `IMB_AUTH_SHA_256` and `IMB_AUTH_SHA_512`. */
const HASH_NUMBERS: Record<VerityAlgorithm, number> = { sha256: 15, sha512: 17 };

/** The manager holds registers and must lie at a multiple of their size. */
const ALIGNMENT_BYTES = 64;

/** A job manager of the library, in memory of this program. */
interface Manager {
  readonly calls: JobCalls;
  readonly memory: Slab;
  /** Its address: the first multiple of 64 in `memory`. */
  readonly address: number;
}

/** All functions come from one library: the two releases must not share memory. */
function openManager(library: string): Manager | undefined {
  const setup = tryOpenLibrary<SetupCalls>([library], SETUP_SIGNATURES);
  if (setup === undefined) return undefined;
  const version = setup.imb_get_version();
  const units = unitsOf(version);
  if (units === undefined) return undefined;
  const memory = allocatePinned(setup.imb_get_mb_mgr_size() + 2 * ALIGNMENT_BYTES);
  const address = Math.ceil(memory.address / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  setup.imb_set_pointers_mb_mgr(address, 0, 1);
  // The number of the vector unit is stored after the manager.
  const unitOffset = memory.bytes.length - 4;
  setup.init_mb_mgr_auto(address, memory.address + unitOffset);
  const unit = units[memory.view.getUint32(unitOffset, true)];
  const calls = unit === undefined ? undefined : openJobCalls(library, unit);
  return calls === undefined ? undefined : { calls, memory, address };
}

/** The vector units of a release by number; undefined for an unknown release. */
export function unitsOf(version: number): Readonly<Record<number, VectorUnit>> | undefined {
  if (version < OLDEST_VERSION || version > NEWEST_VERSION) return undefined;
  return VECTOR_UNITS[Math.floor(version / 0x10000)];
}

function openJobCalls(library: string, unit: VectorUnit): JobCalls | undefined {
  const type = [ADDRESS, ADDRESS];
  const [next, submit, flush] = ['get_next_job', 'submit_job', 'flush_job'].map(
    (name) => `${name}_${unit}`,
  ) as [string, string, string];
  const calls = tryOpenLibrary<Record<string, (manager: number) => number>>([library], {
    [next]: type,
    [submit]: type,
    [flush]: type,
  });
  if (calls === undefined) return undefined;
  return { next: calls[next], submit: calls[submit], flush: calls[flush] } as JobCalls;
}

class LaneHash implements BlockHash {
  readonly algorithm: VerityAlgorithm;
  readonly #calls: JobCalls;
  readonly #manager: number;
  /** The memory of the manager, in words; jobs are somewhere in it. */
  readonly #words: Uint32Array;
  readonly #base: number;
  readonly #digestBytes: number;
  /** Buffers that the jobs in the lanes read and write, referenced here because addresses keep nothing alive. */
  readonly #held: Uint8Array[] = [];
  readonly #sources = new LastAddress();
  readonly #targets = new LastAddress();
  #source = 0;
  #sourceEnd = 0;
  #digests = 0;
  #digestsEnd = 0;
  #pending = 0;

  constructor(algorithm: VerityAlgorithm, { calls, memory, address }: Manager) {
    this.algorithm = algorithm;
    this.#calls = calls;
    this.#manager = address;
    this.#base = memory.address;
    this.#words = new Uint32Array(memory.bytes.buffer, 0, Math.floor(memory.bytes.length / 4));
    this.#digestBytes = ALGORITHMS[algorithm].digestBytes;
  }

  attach(source: Uint8Array, digests: Uint8Array): void {
    this.#held.push(source, digests);
    this.#source = this.#sources.addressOf(source);
    this.#sourceEnd = this.#source + source.length;
    this.#digests = this.#targets.addressOf(digests);
    this.#digestsEnd = this.#digests + digests.length;
  }

  add(start: number, lengthBytes: number, at: number): void {
    const source = this.#source + start;
    const digest = this.#digests + at;
    const fits =
      start >= 0 &&
      at >= 0 &&
      lengthBytes > 0 &&
      source + lengthBytes <= this.#sourceEnd &&
      digest + this.#digestBytes <= this.#digestsEnd;
    if (!fits) throw new RangeError('a message or its digest lies outside of its buffer');
    const words = this.#words;
    const job = this.#wordOf(this.#calls.next(this.#manager));
    if (words[job + JOB.hash] !== HASH_NUMBERS[this.algorithm]) this.#prepare(job);
    // Storing into a word keeps the low 32 bits of the value.
    words[job + JOB.source] = source;
    words[job + JOB.source + 1] = Math.floor(source / 2 ** 32);
    words[job + JOB.lengthBytes] = lengthBytes;
    words[job + JOB.digest] = digest;
    words[job + JOB.digest + 1] = Math.floor(digest / 2 ** 32);
    this.#pending += 1;
    this.#complete(this.#calls.submit(this.#manager));
  }

  finish(): void {
    while (this.#pending > 0) {
      const job = this.#calls.flush(this.#manager);
      if (job === 0) throw new Error('the library lost a message');
      this.#complete(job);
    }
    this.#held.length = 0;
  }

  /** Fills the constant fields of a job slot; all other fields are zero. */
  #prepare(job: number): void {
    const words = this.#words;
    words[job + JOB.digestBytes] = this.#digestBytes;
    words[job + JOB.cipher] = CIPHER_NONE;
    words[job + JOB.direction] = DIRECTION_ENCRYPT;
    words[job + JOB.order] = ORDER_HASH_FIRST;
    words[job + JOB.hash] = HASH_NUMBERS[this.algorithm];
  }

  #complete(address: number): void {
    if (address === 0) return;
    const status = this.#words[this.#wordOf(address) + JOB.status];
    if (status !== COMPLETED) throw new Error('the library refused a message');
    this.#pending -= 1;
  }

  #wordOf(address: number): number {
    const offset = address - this.#base;
    if (offset % 4 !== 0 || offset < 0 || offset + JOB.sizeBytes > this.#words.length * 4) {
      throw new Error('the library answers with a job outside of its memory');
    }
    return offset / 4;
  }
}

/**
 * Caches the address of the last buffer: many messages come from the same buffer, and looking up an address costs as much as adding a
 * message.
 */
class LastAddress {
  #buffer: ArrayBufferLike | undefined;
  #address = 0;

  addressOf({ buffer, byteOffset }: Uint8Array): number {
    if (this.#buffer !== buffer) {
      this.#address = addressOf(buffer);
      this.#buffer = buffer;
    }
    return this.#address + byteOffset;
  }
}

/** One per algorithm and thread; undefined if the library is missing. */
const kept = new Map<VerityAlgorithm, LaneHash | undefined>();

/**
 * The fastest block hasher of this thread: lanes if the host supports them, otherwise the plain one. The first use takes some milliseconds,
 * so small work should not use lanes.
 */
export function openBlockHash(algorithm: VerityAlgorithm): BlockHash {
  return tryOpenLaneHash(algorithm) ?? new PlainBlockHash(algorithm);
}

/** A hasher for a file that arrives in pieces, with the fastest block hasher of this thread. */
export function openVerityHasher(algorithm: VerityAlgorithm): VerityHasher {
  return new VerityHasher(algorithm, openBlockHash(algorithm));
}

/** Smallest content for which lanes are opened, in bytes: hashing less is faster than opening lanes. */
const OPEN_BYTES = 2 << 20;
/** Smallest content for which open lanes are faster, in bytes. */
const USE_BYTES = 16 << 10;

/** The fs-verity digest of bytes in memory: `computeVerity`, with lanes if they are faster. */
export function hashContent(bytes: Uint8Array, algorithm: VerityAlgorithm): ObjectId {
  const wanted = kept.has(algorithm) ? bytes.length >= USE_BYTES : bytes.length >= OPEN_BYTES;
  return computeVerity(bytes, algorithm, wanted ? tryOpenLaneHash(algorithm) : undefined);
}

/** The hash with lanes; undefined if the host has no library for it, or if the library fails the self-test. */
export function tryOpenLaneHash(algorithm: VerityAlgorithm): BlockHash | undefined {
  if (kept.has(algorithm)) return kept.get(algorithm);
  let usable: LaneHash | undefined;
  for (const library of LIBRARY_NAMES) {
    const manager = usable === undefined ? openManager(library) : undefined;
    const opened = manager === undefined ? undefined : new LaneHash(algorithm, manager);
    if (opened !== undefined && answersRight(opened)) usable = opened;
  }
  kept.set(algorithm, usable);
  return usable;
}

/** Compares with OpenSSL: messages of all lengths around the padding, more than there are lanes. */
function answersRight(lanes: BlockHash): boolean {
  const { digestBytes } = ALGORITHMS[lanes.algorithm];
  const lengths = [1, 55, 56, 63, 64, 111, 112, 127, 128, 129, 256, 4095, 4096, 4096, 4096, 4096];
  const messages = [...lengths, ...lengths, 256];
  const source = new Uint8Array(4096 + messages.length).map((_, index) => (index * 167) % 251);
  const [found, expected] = [lanes, new PlainBlockHash(lanes.algorithm)].map((each) => {
    const digests = Buffer.alloc(messages.length * digestBytes);
    each.attach(source, digests);
    for (const [index, length] of messages.entries()) each.add(index, length, index * digestBytes);
    each.finish();
    return digests.toString('latin1');
  });
  return found === expected;
}
