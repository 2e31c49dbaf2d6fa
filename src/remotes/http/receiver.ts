import type { TransportError } from '#base/errors';
import { BodyStream } from './body.ts';
import { Collected } from './collected.ts';
import { tooLarge } from './errors.ts';

/** Status line and headers of one final response (never 1xx). Header names are lower-case, repeats joined by `, `. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of body that follow; 0 when there is none, undefined when only the end of the body tells. */
  readonly contentLength: number | undefined;
}

/** What a receiver may ask of whatever carries its response. */
export interface Carrier {
  pause(): void;
  resume(): void;
  /** Gives the response up: the connection is closed unless only a little is left to read. */
  abandon(receiver: Receiver): void;
}

/** Who gets the response to a request: exactly one of the calls is made, and none may throw. */
export interface ResponseSink {
  /** The whole body, when it is small. As a view it is valid only during the call. */
  onWhole(head: ResponseHead, body: Uint8Array, isView: boolean): void;
  /** A body that is longer than what is collected, once so much of it is there. */
  onStream(head: ResponseHead, body: AsyncIterable<Uint8Array>): void;
  onFail(error: unknown): void;
}

/** How much of a body is taken, and how. */
export interface BodyBounds {
  /** A body up to this size arrives as one array; a longer one streams. */
  readonly collectBytes: number;
  /** A longer body is refused; undefined for no limit. */
  readonly maxBytes: number | undefined;
}

const EMPTY = new Uint8Array(0);

/**
 * The receiver of one response, of either road. Calls come in this order: onHead, onBody…, onEnd; or onFail. A body that comes in one piece is handed on as the view that it is; one in several
 * pieces is put together, and one that grows beyond `collectBytes` becomes a stream.
 */
export abstract class Receiver {
  abstract readonly method: string;
  abstract readonly url: string;
  /** Set by whatever carries the response, so that the receiver can pause or abandon it. */
  carrier: Carrier | undefined;
  /** True once the caller lost interest; a queued request is then dropped, a running one abandoned. */
  cancelled = false;
  readonly #bounds: BodyBounds;
  readonly #sink: ResponseSink;
  #unwatch: (() => unknown) | undefined;
  #head: ResponseHead | undefined;
  /** The whole body, when it came in one piece. */
  #view: Uint8Array | undefined;
  #collected: Collected | undefined;
  #length = 0;
  #stream: BodyStream | undefined;

  constructor(bounds: BodyBounds, sink: ResponseSink) {
    this.#bounds = bounds;
    this.#sink = sink;
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
    // docker-registry 2.8.2 states the length of the whole blob for a page of 33 bytes: whoever reads on waits for ever.
    if (head.status === 416) this.#cut(head);
    else this.#expect(head);
  }

  #expect(head: ResponseHead): void {
    const { contentLength } = head;
    const { maxBytes, collectBytes } = this.#bounds;
    // The bound is for what was asked for; the page that comes with an error status is cut, not refused.
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
    // The end is told within the same call of the parser, so the view is still good then.
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

  /** The page that comes with an error status is long enough. */
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

  /** Tells the sink what came, as a view or as an array of its own. */
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
