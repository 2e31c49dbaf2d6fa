import type { TransportError } from '#base/errors';
import { BodyStream } from './body.ts';
import { Collected } from './collected.ts';
import { tooLarge } from './errors.ts';

/** Status line and headers of one final response (never 1xx). Header names are lower-case, repeats joined by `, `. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Length of the body in bytes; 0 without a body, undefined if only the end of the body defines it. */
  readonly contentLength: number | undefined;
}

/** Control of a response by its receiver. */
export interface Carrier {
  pause(): void;
  resume(): void;
  /** Cancels the response: the connection is closed unless only a little is left to read. */
  abandon(receiver: Receiver): void;
}

/** Receives the response to a request: exactly one of the methods is called, and none may throw. */
export interface ResponseSink {
  /** The complete body, if it is small. A view, valid only during the call. */
  onWhole(head: ResponseHead, body: Uint8Array, isView: boolean): void;
  /** A body that is too long to be collected, when its first part has arrived. */
  onStream(head: ResponseHead, body: AsyncIterable<Uint8Array>): void;
  onFail(error: unknown): void;
}

/** Limits for a body. */
export interface BodyBounds {
  /** A body up to this size arrives as one array; a longer one is streamed. */
  readonly collectBytes: number;
  /** A longer body is refused; undefined for no limit. */
  readonly maxBytes: number | undefined;
}

const EMPTY = new Uint8Array(0);

/**
 * The receiver of one response, for both transports. The order of calls is: onHead, onBody…, onEnd; or onFail. A body in one piece is
 * passed on as a view, a body in several pieces is collected, and a body beyond `collectBytes` becomes a stream.
 */
export abstract class Receiver {
  abstract readonly method: string;
  abstract readonly url: string;
  /** Set by the transport, so that the receiver can pause or cancel the response. */
  carrier: Carrier | undefined;
  /** True after the caller has cancelled; a queued request is then dropped, a running one is aborted. */
  cancelled = false;
  readonly #bounds: BodyBounds;
  readonly #sink: ResponseSink;
  #unwatch: (() => unknown) | undefined;
  #head: ResponseHead | undefined;
  /** The complete body, if it arrived in one piece. */
  #view: Uint8Array | undefined;
  #collected: Collected | undefined;
  #length = 0;
  #stream: BodyStream | undefined;

  constructor(bounds: BodyBounds, sink: ResponseSink) {
    this.#bounds = bounds;
    this.#sink = sink;
  }

  /** Cancels the response with the reason of the signal when the signal aborts. */
  watch(signal: AbortSignal): void {
    const stop = (reason: unknown) => this.#stop(reason);
    const watchers = watchersOf(signal);
    watchers.add(stop);
    this.#unwatch = () => watchers.delete(stop);
  }

  onHead(head: ResponseHead): void {
    this.#head = head;
    // docker-registry 2.8.2 states the length of the blob for a page of 33 bytes: a reader would wait forever.
    if (head.status === 416) this.#cut(head);
    else this.#expect(head);
  }

  #expect(head: ResponseHead): void {
    const { contentLength } = head;
    const { maxBytes, collectBytes } = this.#bounds;
    // The limit applies to the requested body; the page of an error status is truncated, not refused.
    if (maxBytes !== undefined && (contentLength ?? 0) > maxBytes && head.status < 300) {
      this.#stop(tooLarge(this, maxBytes));
    } else if ((contentLength ?? 0) > collectBytes) this.#startStream(head);
  }

  /** @param piece valid only during the call */
  onBody(piece: Uint8Array): void {
    const { maxBytes, collectBytes } = this.#bounds;
    const head = this.#head as ResponseHead;
    const length = this.#length + piece.length;
    if (maxBytes !== undefined && length > maxBytes) {
      if (head.status < 300) this.#stop(tooLarge(this, maxBytes));
      else this.#cut(head);
      return;
    }
    if (this.#stream !== undefined) this.#stream.push(piece);
    else if (length > collectBytes) this.#startStream(head)?.push(piece);
    // The end is reported within the same call of the parser, so the view is still valid.
    else if (piece.length === head.contentLength) this.#view = piece;
    else this.#collect(piece);
    this.#length = length;
  }

  onEnd(): void {
    this.#unwatch?.();
    if (this.#stream !== undefined) this.#stream.end();
    else if (this.#head !== undefined) {
      this.#hand(this.#head);
    }
    this.#view = undefined;
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

  /** Enough of the page of an error status has arrived. */
  #cut(head: ResponseHead): void {
    this.#unwatch?.();
    const { carrier } = this;
    this.cancelled = true;
    if (this.#stream !== undefined) this.#stream.end();
    else this.#hand(head);
    carrier?.abandon(this);
  }

  #startStream(head: ResponseHead): BodyStream | undefined {
    const { carrier } = this;
    if (carrier === undefined) return undefined;
    const stream = new BodyStream(this, carrier);
    this.#stream = stream;
    if (this.#collected !== undefined) stream.push(this.#collected.take());
    this.#collected = undefined;
    this.#sink.onStream(head, stream);
    return stream;
  }

  /** Passes the body to the sink, as a view or as a separate array. */
  #hand(head: ResponseHead): void {
    const view = this.#view;
    if (view !== undefined) this.#sink.onWhole(head, view, true);
    else this.#sink.onWhole(head, this.#collected?.take() ?? EMPTY, false);
    this.#collected = undefined;
  }

  #collect(piece: Uint8Array): void {
    this.#collected ??= new Collected(this.#head?.contentLength);
    this.#collected.push(piece);
  }
}

type Stop = (reason: unknown) => void;
const watchedSignals = new WeakMap<AbortSignal, Set<Stop>>();

/** The callbacks for an aborted signal: one listener for all requests of an operation, because adding a listener is slow. */
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
