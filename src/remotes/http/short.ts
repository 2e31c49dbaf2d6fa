import type { TransportError } from '#base/errors';
import type { Carrier, Exchange } from './exchange.ts';
import type { Origin } from './origin.ts';
import type { ResponseHead } from './parser.ts';
import { type Attempt, type RawResponse, receiveLong } from './transport.ts';

/** A request that was sent already: `HttpClient.fetch` begins with its answer. */
export interface BegunRequest {
  /** Rejects as a first attempt fails. */
  readonly answer: Promise<RawResponse>;
}

/** Who gets the answer to a short request: exactly one of the calls is made, and neither may throw. */
export interface ShortReceiver {
  /** The whole body of an answer 200. A view, valid only during the call. */
  onBytes(bytes: Uint8Array): void;
  /** Anything else. Ask for the same URL with `fetch`, and this: nothing is asked twice. */
  onBegun(begun: BegunRequest): void;
}

/**
 * The short way to many small files of one origin: no URL, no promise and, for a body that comes in one piece, no copy. What is not
 * an answer 200 of a modest size goes on the long way, from where it is.
 */
export class ShortWay {
  readonly #origin: Origin;
  readonly #maxBytes: number;
  readonly #attemptFor: (url: URL) => Attempt;
  readonly #headerLines: string;
  readonly #root: string;

  /**
   * @param root scheme and authority, as they stand before a path
   * @param maxBytes a body above this goes the long way
   */
  constructor(
    origin: Origin,
    root: string,
    headerLines: string,
    maxBytes: number,
    attemptFor: (url: URL) => Attempt,
  ) {
    this.#origin = origin;
    this.#root = root;
    this.#headerLines = headerLines;
    this.#maxBytes = maxBytes;
    this.#attemptFor = attemptFor;
  }

  /** Sends a GET. @param target path and query as they are sent, already encoded */
  fetch(target: string, priority: number, receiver: ShortReceiver): void {
    const exchange = new ShortExchange(this.#root, target, this.#headerLines, priority);
    exchange.begin(receiver, this.#maxBytes, (status) => this.#goLong(exchange, status));
    this.#origin.submit(exchange);
  }

  /** Opens connections for as many requests as may be in flight at once; each takes a round trip, which the first requests then save. */
  connectAhead(): void {
    this.#origin.connectAhead();
  }

  #goLong(exchange: ShortExchange, status: number) {
    if (status === 429 || status === 503) this.#origin.onOverload();
    return receiveLong(this.#attemptFor(new URL(exchange.url)));
  }
}

type GoLong = (status: number) => ReturnType<typeof receiveLong>;

class ShortExchange implements Exchange {
  readonly method = 'GET';
  readonly target: string;
  readonly headerLines: string;
  readonly priority: number;
  requeues = 0;
  carrier: Carrier | undefined;
  cancelled = false;
  readonly #root: string;
  #receiver: ShortReceiver | undefined;
  #maxBytes = 0;
  #goLong: GoLong | undefined;
  #long: Exchange | undefined;
  #sizeBytes = 0;
  #body: Uint8Array = EMPTY;
  #length = 0;

  constructor(root: string, target: string, headerLines: string, priority: number) {
    this.#root = root;
    this.target = target;
    this.headerLines = headerLines;
    this.priority = priority;
  }

  begin(receiver: ShortReceiver, maxBytes: number, goLong: GoLong): void {
    this.#receiver = receiver;
    this.#maxBytes = maxBytes;
    this.#goLong = goLong;
  }

  get url(): string {
    return this.#root + this.target;
  }

  onHead(head: ResponseHead): void {
    const { status, contentLength } = head;
    if (status === 200 && contentLength !== undefined && contentLength <= this.#maxBytes) {
      this.#sizeBytes = contentLength;
    } else {
      this.#becomeLong(status)?.onHead(head);
    }
  }

  onBody(piece: Uint8Array): void {
    if (this.#long !== undefined) this.#long.onBody(piece);
    else if (piece.length === this.#sizeBytes) {
      // The end is told within the same call of the parser, so the view is still good then.
      this.#body = piece;
      this.#length = piece.length;
    } else {
      if (this.#length === 0) this.#body = new Uint8Array(this.#sizeBytes);
      this.#body.set(piece, this.#length);
      this.#length += piece.length;
    }
  }

  onEnd(): void {
    if (this.#long !== undefined) this.#long.onEnd();
    else this.#receiver?.onBytes(this.#body);
    this.#body = EMPTY;
  }

  onFail(error: TransportError): void {
    if (this.#long !== undefined) this.#long.onFail(error);
    else {
      const answer = Promise.reject(error);
      answer.catch(() => {}); // Handled by whoever goes on with it.
      this.#receiver?.onBegun({ answer });
    }
  }

  #becomeLong(status: number): Exchange | undefined {
    const { carrier } = this;
    const begun = this.#goLong?.(status);
    if (begun === undefined || carrier === undefined) return undefined;
    begun.exchange.carrier = {
      pause: () => carrier.pause(),
      resume: () => carrier.resume(),
      // The connection knows this exchange, not the one behind it.
      abandon: () => carrier.abandon(this),
    };
    this.#long = begun.exchange;
    this.#receiver?.onBegun({ answer: begun.answer });
    return this.#long;
  }
}

const EMPTY = new Uint8Array(0);
