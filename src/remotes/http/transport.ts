import type { TransportError } from '#base/errors';
import { BodyStream } from './body.ts';
import { transportError } from './errors.ts';
import type { Carrier, Exchange } from './exchange.ts';
import { MAX_DRAIN_BYTES } from './limits.ts';
import type { Origin } from './origin.ts';
import type { ResponseHead } from './parser.ts';

/** One attempt at one request, without retry or redirect. */
export interface Attempt {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names; values without line ends. */
  readonly headers: ReadonlyMap<string, string>;
  /** True when a redirect led to another origin than the one that was asked: it gets no client certificate. */
  readonly foreign: boolean;
  readonly priority: number;
  /** A body up to this size arrives as one array; 0 streams every body. */
  readonly collectBytes: number;
  /** A longer body is refused; undefined for no limit. */
  readonly maxBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Body to send; only the general transport sends one. */
  readonly content?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

/** A response as a transport delivers it. */
export interface RawResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Size the server states for the body, in bytes. */
  readonly sizeBytes: number | undefined;
  /** The whole body when it was collected, else a source to iterate once. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Sends one attempt over the connections of `origin`. */
export function sendFast(origin: Origin, attempt: Attempt): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const receiver = new Receiver(attempt, resolve, reject);
    const { signal } = attempt;
    if (signal !== undefined) receiver.watch(signal);
    origin.submit(receiver);
  });
}

/** The receiver of an attempt that is on its way already, and its answer. */
export function receiveLong(attempt: Attempt): {
  readonly exchange: Exchange;
  readonly answer: Promise<RawResponse>;
} {
  const { promise: answer, resolve, reject } = Promise.withResolvers<RawResponse>();
  answer.catch(() => {}); // Handled by whoever goes on with it, perhaps a little later.
  const exchange = new Receiver(attempt, resolve, reject);
  if (attempt.signal !== undefined) exchange.watch(attempt.signal);
  return { exchange, answer };
}

const EMPTY = new Uint8Array(0);

type Stop = (reason: unknown) => void;
const watchedSignals = new WeakMap<AbortSignal, Set<Stop>>();

/** Those to be told when a signal aborts: one listener for all requests of an operation, because adding one is slow. */
function watchersOf(signal: AbortSignal): Set<Stop> {
  const known = watchedSignals.get(signal);
  if (known !== undefined) return known;
  const watchers = new Set<Stop>();
  watchedSignals.set(signal, watchers);
  signal.addEventListener(
    'abort',
    () => {
      for (const stop of [...watchers]) stop(signal.reason);
    },
    { once: true },
  );
  return watchers;
}

class Receiver implements Exchange {
  readonly method: 'GET' | 'HEAD';
  readonly url: string;
  readonly target: string;
  readonly headerLines: string;
  readonly priority: number;
  requeues = 0;
  carrier: Carrier | undefined;
  cancelled = false;
  readonly #attempt: Attempt;
  readonly #resolve: (response: RawResponse) => void;
  readonly #reject: (error: unknown) => void;
  #unwatch: (() => unknown) | undefined;
  #head: ResponseHead | undefined;
  #collected: Uint8Array = EMPTY;
  #length = 0;
  #stream: BodyStream | undefined;

  constructor(
    attempt: Attempt,
    resolve: (response: RawResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.method = attempt.method === 'HEAD' ? 'HEAD' : 'GET';
    this.url = attempt.url.href;
    this.target = attempt.url.pathname + attempt.url.search;
    this.headerLines = headerLines(attempt.headers);
    this.priority = attempt.priority;
    this.#attempt = attempt;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  watch(signal: AbortSignal): void {
    const stop = (reason: unknown) => this.#stop(reason);
    const watchers = watchersOf(signal);
    watchers.add(stop);
    this.#unwatch = () => watchers.delete(stop);
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    const size = head.contentLength;
    const { maxBytes, collectBytes } = this.#attempt;
    // The bound is for what was asked for; the page that comes with an error status is cut, not refused.
    if (maxBytes !== undefined && size !== undefined && size > maxBytes && head.status < 300) {
      this.#stop(this.#tooLarge(maxBytes));
    } else if (collectBytes > 0 && (size === undefined || size <= collectBytes)) {
      this.#collected = size === undefined ? EMPTY : new Uint8Array(size);
    } else {
      this.#startStream();
    }
  }

  onBody(piece: Uint8Array): void {
    const { maxBytes, collectBytes } = this.#attempt;
    const length = this.#length + piece.length;
    if (maxBytes !== undefined && length > maxBytes) {
      if (this.#isSuccess()) this.#stop(this.#tooLarge(maxBytes));
      return;
    }
    if (this.#stream !== undefined) {
      this.#stream.push(piece);
    } else if (length > collectBytes && length > this.#collected.length) {
      this.#startStream()?.push(piece);
    } else {
      if (length > this.#collected.length) this.#grow(length);
      this.#collected.set(piece, this.#length);
    }
    this.#length = length;
  }

  onEnd(): void {
    this.#unwatch?.();
    if (this.#stream !== undefined) this.#stream.end();
    else if (this.#head !== undefined) {
      this.#resolve(this.#response(this.#collected.subarray(0, this.#length)));
    }
  }

  onFail(error: TransportError): void {
    this.#unwatch?.();
    if (this.#stream === undefined) this.#reject(error);
    else this.#stream.fail(error);
  }

  #isSuccess(): boolean {
    return this.#head !== undefined && this.#head.status < 300;
  }

  #startStream(): BodyStream | undefined {
    const { carrier } = this;
    if (carrier === undefined) return undefined;
    const stream = new BodyStream(this, carrier);
    this.#stream = stream;
    if (this.#length > 0) stream.push(this.#collected.subarray(0, this.#length));
    this.#collected = EMPTY;
    this.#resolve(this.#response(stream));
    return stream;
  }

  #grow(length: number): void {
    const grown = new Uint8Array(Math.max(length, this.#collected.length * 2, 4096));
    grown.set(this.#collected.subarray(0, this.#length));
    this.#collected = grown;
  }

  #response(body: Uint8Array | AsyncIterable<Uint8Array>): RawResponse {
    const { status, headers, contentLength } = this.#head as ResponseHead;
    return { status, headers, sizeBytes: contentLength, body };
  }

  #tooLarge(limitBytes: number): TransportError {
    return transportError(
      'RESPONSE_TOO_LARGE',
      this,
      `the body is longer than ${limitBytes} bytes`,
      {
        retryable: false,
        details: { limitBytes },
      },
    );
  }

  #stop(reason: unknown): void {
    this.#unwatch?.();
    const { carrier } = this;
    this.cancelled = true;
    if (this.#stream === undefined) this.#reject(reason);
    else this.#stream.fail(reason as TransportError);
    carrier?.abandon(this);
  }
}

/** @throws TypeError for a name or value that could break out of its line: a bug of the caller, not an input */
export function headerLines(headers: ReadonlyMap<string, string>): string {
  let lines = '';
  for (const [name, value] of headers) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new TypeError(`Header "${name}" holds characters that no header may hold`);
    }
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** Reads and drops a body that nobody wants, up to a bound, so that its connection can be used again. */
export async function drain(response: RawResponse): Promise<void> {
  if (response.body instanceof Uint8Array) return;
  let length = 0;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > MAX_DRAIN_BYTES) return;
  }
}
