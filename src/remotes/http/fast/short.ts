import { COLLECT_BYTES } from '../limits.ts';
import type { BegunRequest } from '../request.ts';
import { responseOf } from '../transport.ts';
import { Exchange } from './exchange.ts';
import type { Origin } from './origin.ts';

/** Receives the response to a short request: exactly one of the methods is called, and neither may throw. */
export interface ShortReceiver {
  /** The complete body of a response with status 200. A view, valid only during the call. */
  onBytes(bytes: Uint8Array): void;
  /** Any other result. Call `fetch` for the same URL with this value: the request is not sent twice. */
  onBegun(begun: BegunRequest): void;
}

/**
 * Requester for many small files of one origin: no URL object, no promise and, for a body in one piece, no copy. Any response but a small
 * one with status 200 is continued by `HttpClient.fetch`.
 */
export class ShortWay {
  readonly #origin: Origin;
  readonly #root: string;
  readonly #headerLines: string;
  readonly #signal: AbortSignal | undefined;

  /** @param root scheme and authority of the URL */
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
        // Only the reader of the stream waits for this request.
        if (this.#signal !== undefined) exchange.watch(this.#signal);
        receiver.onBegun({ answer: Promise.resolve(responseOf(head, body)) });
      },
      onFail: (error) => {
        const answer = Promise.reject(error);
        answer.catch(() => {}); // The continuing `fetch` handles the error.
        receiver.onBegun({ answer });
      },
    });
    this.#origin.submit(exchange);
  }

  /** Opens connections for all requests that may be in flight at once, which saves the first requests a round trip. */
  connectAhead(): void {
    this.#origin.connectAhead();
  }
}
