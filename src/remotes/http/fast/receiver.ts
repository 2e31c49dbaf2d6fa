import type { TransportError } from '#base/errors';
import { tooLarge } from '../errors.ts';
import { BodyStream } from './body.ts';
import type { Carrier, Exchange } from './exchange.ts';
import type { ResponseHead } from './parser.ts';

/** Who gets the response to a request: exactly one of the calls is made, and none may throw. */
export interface ResponseSink {
  /** The whole body, when it is small. A view, valid only during the call. */
  onWhole(head: ResponseHead, body: Uint8Array): void;
  /** A body that is longer than what is collected, once so much of it is there. */
  onStream(head: ResponseHead, body: AsyncIterable<Uint8Array>): void;
  onFail(error: unknown): void;
}

/** What a request asks for, and how much of the answer is collected. */
export interface FastRequest {
  readonly method: 'GET' | 'HEAD';
  /** Scheme and authority, as they stand before a path. */
  readonly root: string;
  /** Path and query as they are sent, already encoded. */
  readonly target: string;
  readonly headerLines: string;
  readonly priority: number;
  /** A body up to this size arrives as one array; a longer one streams. */
  readonly collectBytes: number;
  /** A longer body is refused; undefined for no limit. */
  readonly maxBytes: number | undefined;
}

const EMPTY = new Uint8Array(0);

/**
 * The receiver of one response. A body that comes in one piece is handed on as the view that it is; one in several
 * pieces is put together, and one that grows beyond `collectBytes` becomes a stream.
 */
export class Receiver implements Exchange {
  readonly method: 'GET' | 'HEAD';
  readonly target: string;
  readonly headerLines: string;
  readonly priority: number;
  requeues = 0;
  carrier: Carrier | undefined;
  cancelled = false;
  readonly #root: string;
  readonly #collectBytes: number;
  readonly #maxBytes: number | undefined;
  readonly #sink: ResponseSink;
  #unwatch: (() => unknown) | undefined;
  #head: ResponseHead | undefined;
  #collected: Uint8Array = EMPTY;
  #length = 0;
  #stream: BodyStream | undefined;

  constructor(request: FastRequest, sink: ResponseSink) {
    this.method = request.method;
    this.target = request.target;
    this.headerLines = request.headerLines;
    this.priority = request.priority;
    this.#root = request.root;
    this.#collectBytes = request.collectBytes;
    this.#maxBytes = request.maxBytes;
    this.#sink = sink;
  }

  get url(): string {
    return this.#root + this.target;
  }

  /** Gives the response up, with the reason as its failure, when the signal aborts. */
  watch(signal: AbortSignal): void {
    const stop = (reason: unknown) => this.#stop(reason);
    const watchers = watchersOf(signal);
    watchers.add(stop);
    this.#unwatch = () => watchers.delete(stop);
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    const { contentLength } = head;
    const maxBytes = this.#maxBytes;
    // The bound is for what was asked for; the page that comes with an error status is cut, not refused.
    if (maxBytes !== undefined && (contentLength ?? 0) > maxBytes && head.status < 300) {
      this.#stop(tooLarge(this, maxBytes));
    } else if ((contentLength ?? 0) > this.#collectBytes) this.#startStream(head);
  }

  onBody(piece: Uint8Array): void {
    const head = this.#head as ResponseHead;
    const length = this.#length + piece.length;
    if (this.#maxBytes !== undefined && length > this.#maxBytes) {
      if (head.status < 300) this.#stop(tooLarge(this, this.#maxBytes));
      else this.#cut(head);
      return;
    }
    if (this.#stream !== undefined) this.#stream.push(piece);
    else if (length > this.#collectBytes) this.#startStream(head)?.push(piece);
    // The end is told within the same call of the parser, so the view is still good then.
    else if (piece.length === head.contentLength) this.#collected = piece;
    else this.#collect(piece, length);
    this.#length = length;
  }

  onEnd(): void {
    this.#unwatch?.();
    if (this.#stream !== undefined) this.#stream.end();
    else if (this.#head !== undefined) {
      this.#sink.onWhole(this.#head, this.#collected.subarray(0, this.#length));
    }
    this.#collected = EMPTY;
  }

  onFail(error: TransportError): void {
    this.#unwatch?.();
    this.#fail(error);
  }

  #fail(reason: unknown): void {
    if (this.#stream === undefined) this.#sink.onFail(reason);
    else this.#stream.fail(reason);
  }

  #stop(reason: unknown): void {
    this.#unwatch?.();
    const { carrier } = this;
    this.cancelled = true;
    this.#fail(reason);
    carrier?.abandon(this);
  }

  /** The page that comes with an error status is long enough. */
  #cut(head: ResponseHead): void {
    this.#unwatch?.();
    const { carrier } = this;
    this.cancelled = true;
    if (this.#stream !== undefined) this.#stream.end();
    else this.#sink.onWhole(head, this.#collected.subarray(0, this.#length));
    carrier?.abandon(this);
  }

  #startStream(head: ResponseHead): BodyStream | undefined {
    const { carrier } = this;
    if (carrier === undefined) return undefined;
    const stream = new BodyStream(this, carrier);
    this.#stream = stream;
    if (this.#length > 0) stream.push(this.#collected.subarray(0, this.#length));
    this.#collected = EMPTY;
    this.#sink.onStream(head, stream);
    return stream;
  }

  #collect(piece: Uint8Array, length: number): void {
    if (length > this.#collected.length) {
      const roomBytes = this.#head?.contentLength ?? Math.max(this.#collected.length * 2, 4096);
      const grown = new Uint8Array(Math.max(length, roomBytes));
      grown.set(this.#collected.subarray(0, this.#length));
      this.#collected = grown;
    }
    this.#collected.set(piece, this.#length);
  }
}

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
