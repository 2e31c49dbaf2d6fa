import { type CarriedError, carryError, reviveError } from './carried-error.ts';

/**
 * Words of the control block (Int32). Positions count bytes modulo 2^32; the capacity is a power of two, so they also index. Each side has
 * an event word that is incremented whenever the other side must check again, so a wake-up between checking and waiting is not lost.
 */
const WORD = {
  written: 0,
  read: 1,
  producerEvents: 2,
  consumerEvents: 3,
  /** 0 flowing, 1 ended, 2 failed; set by the producer. */
  end: 4,
  /** 0 wanted, 1 cancelled; set by the consumer. */
  cancelled: 5,
  errorBytes: 6,
} as const;
const FLOWING = 0;
const ENDED = 1;
const FAILED = 2;
const CONTROL_BYTES = 64;
/** Room for the error of the producer, as JSON, in bytes. */
const ERROR_BYTES = 16384;
const HEADER_BYTES = CONTROL_BYTES + ERROR_BYTES;

/** Smallest and largest capacity of a ring, in bytes. */
export const RING_BYTES_MIN = 4096;
export const RING_BYTES_MAX = 1 << 30;

/** A ring as plain data: post it to the other thread, which wraps it in a `RingReader` or `RingWriter`. */
export interface Ring {
  readonly shared: SharedArrayBuffer;
}

/**
 * Creates a byte queue between exactly one producer and one consumer in different threads. The producer waits while the ring is full, and
 * the consumer waits while it is empty, so memory is bounded.
 * @param capacityBytes is rounded up to a power of two
 */
export function createRing(capacityBytes: number): Ring {
  let rounded = RING_BYTES_MIN;
  while (rounded < capacityBytes && rounded < RING_BYTES_MAX) rounded *= 2;
  return { shared: new SharedArrayBuffer(HEADER_BYTES + rounded) };
}

interface Parts {
  readonly words: Int32Array;
  readonly error: Uint8Array;
  readonly data: Uint8Array;
}

function partsOf(ring: Ring): Parts {
  return {
    words: new Int32Array(ring.shared, 0, CONTROL_BYTES / 4),
    error: new Uint8Array(ring.shared, CONTROL_BYTES, ERROR_BYTES),
    data: new Uint8Array(ring.shared, HEADER_BYTES),
  };
}

function announce(words: Int32Array, word: number): void {
  Atomics.add(words, word, 1);
  Atomics.notify(words, word);
}

function waitFor(words: Int32Array, word: number, seen: number): Promise<unknown> {
  const waiting = Atomics.waitAsync(words, word, seen);
  return waiting.async ? waiting.value : Promise.resolve();
}

/** Bytes that are written, but not read yet. */
function usedBytes(words: Int32Array): number {
  return (Atomics.load(words, WORD.written) - Atomics.load(words, WORD.read)) >>> 0;
}

/**
 * The producing end. `write` and `reserve` block the thread; `writeAsync` lets the event loop run, for the main thread. Disposing without
 * `end` fails the stream, so that a consumer does not treat an abandoned stream as complete.
 */
export class RingWriter implements Disposable {
  readonly #parts: Parts;

  constructor(ring: Ring) {
    this.#parts = partsOf(ring);
  }

  /** True when the consumer has cancelled. */
  get cancelled(): boolean {
    return Atomics.load(this.#parts.words, WORD.cancelled) !== 0;
  }

  /**
   * A contiguous writable view of free space (it may be shorter than all free space); waits until there is some. Fill a prefix of it and
   * `commit` its length. Undefined when the consumer has cancelled.
   */
  reserve(): Uint8Array | undefined {
    const { words } = this.#parts;
    for (;;) {
      const seen = Atomics.load(words, WORD.consumerEvents);
      if (this.cancelled) return undefined;
      const free = this.#freePiece();
      if (free.length > 0) return free;
      Atomics.wait(words, WORD.consumerEvents, seen);
    }
  }

  /**
   * As `reserve`, without blocking the thread. The view has this length, unless the ring wraps before. `commit`, or `writeAsync` of the
   * same memory, passes its content to the consumer. One call at a time.
   */
  async reserveAsync(lengthBytes: number): Promise<Uint8Array | undefined> {
    const { words, data } = this.#parts;
    const start = (Atomics.load(words, WORD.written) >>> 0) % data.length;
    const wanted = Math.min(lengthBytes, data.length - start);
    for (;;) {
      const seen = Atomics.load(words, WORD.consumerEvents);
      if (this.cancelled) return undefined;
      const free = this.#freePiece();
      if (free.length >= wanted) return free.subarray(0, wanted);
      await waitFor(words, WORD.consumerEvents, seen);
    }
  }

  #freePiece(): Uint8Array {
    const { words, data } = this.#parts;
    const start = (Atomics.load(words, WORD.written) >>> 0) % data.length;
    const free = data.length - usedBytes(words);
    return data.subarray(start, Math.min(start + free, data.length));
  }

  /** Hands the first `lengthBytes` of the reserved view to the consumer. */
  commit(lengthBytes: number): void {
    Atomics.add(this.#parts.words, WORD.written, lengthBytes);
    announce(this.#parts.words, WORD.producerEvents);
  }

  /** Copies all bytes into the ring, and waits for free space. False when the consumer has cancelled. */
  write(bytes: Uint8Array): boolean {
    for (let done = 0; done < bytes.length; ) {
      const free = this.reserve();
      if (free === undefined) return false;
      done += this.#put(bytes, done, free);
    }
    return !this.cancelled;
  }

  /** As `write`, without blocking the thread. Reserved memory is not copied. One call at a time. */
  async writeAsync(bytes: Uint8Array): Promise<boolean> {
    const { words, data } = this.#parts;
    if (bytes.buffer === data.buffer) {
      this.commit(bytes.length);
      return !this.cancelled;
    }
    for (let done = 0; done < bytes.length; ) {
      const seen = Atomics.load(words, WORD.consumerEvents);
      if (this.cancelled) return false;
      const free = this.#freePiece();
      if (free.length > 0) done += this.#put(bytes, done, free);
      else await waitFor(words, WORD.consumerEvents, seen);
    }
    return !this.cancelled;
  }

  #put(bytes: Uint8Array, done: number, free: Uint8Array): number {
    const count = Math.min(free.length, bytes.length - done);
    free.set(bytes.subarray(done, done + count));
    this.commit(count);
    return count;
  }

  /** Marks the stream as complete. The first call of `end` or `fail` counts. */
  end(): void {
    this.#finish(ENDED);
  }

  /** Ends the stream with an error, which the consumer throws after it has read the bytes before it. */
  fail(error: unknown): void {
    const { words, error: room } = this.#parts;
    if (Atomics.load(words, WORD.end) !== FLOWING) return;
    const bytes = encodeError(carryError(error));
    room.set(bytes);
    Atomics.store(words, WORD.errorBytes, bytes.length);
    this.#finish(FAILED);
  }

  #finish(state: number): void {
    const { words } = this.#parts;
    Atomics.compareExchange(words, WORD.end, FLOWING, state);
    announce(words, WORD.producerEvents);
  }

  /** Fails the stream unless it has ended. */
  [Symbol.dispose](): void {
    this.fail(new Error('the producer stopped before the end of the stream'));
  }
}

/** JSON that fits the error room: an error that is too long loses its stack and causes, then the end of its message. */
function encodeError(carried: CarriedError): Uint8Array {
  const whole = Buffer.from(JSON.stringify(carried));
  if (whole.length <= ERROR_BYTES) return whole;
  const { name, code, details, hint } = carried;
  const message = carried.message.slice(0, 2000);
  const short = { name, message, code, details, hint };
  const bytes = Buffer.from(JSON.stringify(short));
  return bytes.length <= ERROR_BYTES ? bytes : Buffer.from(JSON.stringify({ name, message }));
}

/**
 * The consuming end. `peek` and `read` block the thread; `peekAsync` lets the event loop run. Disposing cancels, which releases a
 * waiting producer.
 */
export class RingReader implements Disposable {
  readonly #parts: Parts;

  constructor(ring: Ring) {
    this.#parts = partsOf(ring);
  }

  /**
   * A contiguous view of the bytes that can be read, valid until `release`; waits until there are some. Call `release` for the consumed
   * bytes. Undefined at the end of the stream.
   * @throws the error that the producer failed with
   */
  peek(): Uint8Array | undefined {
    const { words } = this.#parts;
    for (;;) {
      const seen = Atomics.load(words, WORD.producerEvents);
      const piece = this.#piece();
      if (piece !== WAIT) return piece;
      Atomics.wait(words, WORD.producerEvents, seen);
    }
  }

  /** As `peek`, without blocking the thread. One call at a time. */
  async peekAsync(): Promise<Uint8Array | undefined> {
    const { words } = this.#parts;
    for (;;) {
      const seen = Atomics.load(words, WORD.producerEvents);
      const piece = this.#piece();
      if (piece !== WAIT) return piece;
      await waitFor(words, WORD.producerEvents, seen);
    }
  }

  #piece(): Uint8Array | undefined | typeof WAIT {
    const { words, data } = this.#parts;
    // Reads the end mark before the amount, so that all bytes written before the end are seen.
    const end = Atomics.load(words, WORD.end);
    const used = usedBytes(words);
    if (used > 0) {
      const start = (Atomics.load(words, WORD.read) >>> 0) % data.length;
      return data.subarray(start, Math.min(start + used, data.length));
    }
    if (end === FAILED) throw this.#error();
    return end === ENDED ? undefined : WAIT;
  }

  #error(): Error {
    const { words, error } = this.#parts;
    const bytes = Buffer.from(error.subarray(0, Atomics.load(words, WORD.errorBytes)));
    return reviveError(JSON.parse(bytes.toString()) as CarriedError);
  }

  /** Releases `lengthBytes` of the peeked view to the producer. */
  release(lengthBytes: number): void {
    Atomics.add(this.#parts.words, WORD.read, lengthBytes);
    announce(this.#parts.words, WORD.consumerEvents);
  }

  /** Copies bytes out until `into` is full or the stream ends; returns how many. @throws the error of the producer */
  read(into: Uint8Array): number {
    let done = 0;
    while (done < into.length) {
      const piece = this.peek();
      if (piece === undefined) break;
      const count = Math.min(piece.length, into.length - done);
      into.set(piece.subarray(0, count), done);
      this.release(count);
      done += count;
    }
    return done;
  }

  /** Cancels the stream: further writes of the producer return false. */
  cancel(): void {
    const { words } = this.#parts;
    Atomics.store(words, WORD.cancelled, 1);
    announce(words, WORD.consumerEvents);
  }

  /** Cancels; harmless after the end. */
  [Symbol.dispose](): void {
    this.cancel();
  }
}

const WAIT = Symbol('wait');
