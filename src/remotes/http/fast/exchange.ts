import { type BodyBounds, Receiver, type ResponseSink } from '../receiver.ts';

/** A request on the wire. */
export interface FastRequest extends BodyBounds {
  readonly method: 'GET' | 'HEAD';
  /** Scheme and authority of the URL. */
  readonly root: string;
  /** Path and query exactly as sent in the request line. */
  readonly target: string;
  /** Extra header lines, each ended by CRLF, validated; `''` for none. */
  readonly headerLines: string;
  /** 0 goes first, `PRIORITIES - 1` last. */
  readonly priority: number;
}

/** One request on its way and the receiver of its response. */
export class Exchange extends Receiver {
  readonly method: 'GET' | 'HEAD';
  readonly target: string;
  readonly headerLines: string;
  readonly priority: number;
  /** Number of times it was moved to another connection without a response; maintained by the origin. */
  requeues = 0;
  readonly #root: string;

  constructor(request: FastRequest, sink: ResponseSink) {
    super(request, sink);
    this.method = request.method;
    this.target = request.target;
    this.headerLines = request.headerLines;
    this.priority = request.priority;
    this.#root = request.root;
  }

  get url(): string {
    return this.#root + this.target;
  }
}

/** Number of priority levels of a queue. */
export const PRIORITIES = 4;

/** First in, first out, one lane for each priority; constant time for both ends. */
export class ExchangeQueue {
  readonly #lanes: { items: (Exchange | undefined)[]; head: number }[] = Array.from(
    { length: PRIORITIES },
    () => ({ items: [], head: 0 }),
  );
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(exchange: Exchange): void {
    this.#lane(exchange).items.push(exchange);
    this.#size++;
  }

  /** Puts an exchange back at the front of its lane, after its connection was lost. */
  unshift(exchange: Exchange): void {
    const lane = this.#lane(exchange);
    if (lane.head > 0) lane.items[--lane.head] = exchange;
    else lane.items.unshift(exchange);
    this.#size++;
  }

  shift(): Exchange | undefined {
    for (const lane of this.#lanes) {
      const item = lane.items[lane.head];
      if (item === undefined) continue;
      lane.items[lane.head++] = undefined;
      if (lane.head === lane.items.length) {
        lane.items.length = 0;
        lane.head = 0;
      } else if (lane.head > 1024 && lane.head * 2 > lane.items.length) {
        lane.items = lane.items.slice(lane.head);
        lane.head = 0;
      }
      this.#size--;
      return item;
    }
    return undefined;
  }

  #lane(exchange: Exchange): { items: (Exchange | undefined)[]; head: number } {
    const lane = this.#lanes[exchange.priority] ?? this.#lanes[PRIORITIES - 1];
    if (lane === undefined) throw new RangeError('No lane for the priority');
    return lane;
  }
}
