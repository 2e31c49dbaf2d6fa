import { COLLECT_BYTES } from '../limits.ts';
import type { BegunRequest } from '../request.ts';
import { responseOf } from '../transport.ts';
import { Exchange } from './exchange.ts';
import type { Origin } from './origin.ts';

/** Who gets the answer to a short request: exactly one of the calls is made, and neither may throw. */
export interface ShortReceiver {
  /** The whole body of an answer 200. A view, valid only during the call. */
  onBytes(bytes: Uint8Array): void;
  /** Anything else. Ask for the same URL with `fetch`, and this: nothing is asked twice. */
  onBegun(begun: BegunRequest): void;
}

/**
 * The short way to many small files of one origin: no URL, no promise and, for a body that comes in one piece, no copy.
 * What is not an answer 200 of a modest size goes on with `HttpClient.fetch`, from where it is.
 */
export class ShortWay {
  readonly #origin: Origin;
  readonly #root: string;
  readonly #headerLines: string;
  readonly #signal: AbortSignal | undefined;

  /** @param root scheme and authority, as they stand before a path */
  constructor(origin: Origin, root: string, headerLines: string, signal: AbortSignal | undefined) {
    this.#origin = origin;
    this.#root = root;
    this.#headerLines = headerLines;
    this.#signal = signal;
  }

  /** Sends a GET. @param target path and query as they are sent, already encoded */
  fetch(target: string, priority: number, receiver: ShortReceiver): void {
    const request = {
      method: 'GET',
      root: this.#root,
      target,
      headerLines: this.#headerLines,
      priority,
      collectBytes: COLLECT_BYTES,
      maxBytes: undefined,
    } as const;
    const exchange = new Exchange(request, {
      onWhole: (head, body) => {
        if (head.status === 200) receiver.onBytes(body);
        else receiver.onBegun({ answer: Promise.resolve(responseOf(head, new Uint8Array(body))) });
      },
      onStream: (head, body) => {
        // Nobody waits for this request but the reader of the stream.
        if (this.#signal !== undefined) exchange.watch(this.#signal);
        receiver.onBegun({ answer: Promise.resolve(responseOf(head, body)) });
      },
      onFail: (error) => {
        const answer = Promise.reject(error);
        answer.catch(() => {}); // Handled by whoever goes on with it.
        receiver.onBegun({ answer });
      },
    });
    this.#origin.submit(exchange);
  }

  /** Opens connections for as many requests as may be in flight at once; each takes a round trip, which the first requests then save. */
  connectAhead(): void {
    this.#origin.connectAhead();
  }
}
