import type { Dispatcher } from 'undici';
import type { TransportError } from '#base/errors';
import { isTrustFailure, type Missing, timeOutError, transportError } from './errors.ts';
import type { ProgressGuard, Watched } from './guard.ts';
import { SEND_PIECE_BYTES } from './limits.ts';
import { CRUMB_BYTES_MIN, CRUMBS_MIN, MAX_INTERIM_HEADS } from './progress.ts';
import { Receiver, type ResponseSink } from './receiver.ts';
import type { Attempt } from './transport.ts';

/** One request of the general transport: the handler of undici, and a transfer for the guard. */
export class GeneralExchange extends Receiver implements Dispatcher.DispatchHandler, Watched {
  readonly method: string;
  readonly url: string;
  readonly origin: string;
  lastMs = 0;
  sinceMs = 0;
  isPaused = false;
  isHeadless = true;
  readonly #guard: ProgressGuard;
  #controller: Dispatcher.DispatchController | undefined;
  #interim = 0;
  #pieces = 0;
  #bytes = 0;
  /** The reason why this side ended the request; undici then reports a failure. */
  #reason: { readonly error: unknown } | undefined;

  constructor(attempt: Attempt, guard: ProgressGuard, sink: ResponseSink) {
    super(attempt, sink);
    this.method = attempt.method;
    this.url = attempt.url.href;
    this.origin = attempt.url.origin;
    this.#guard = guard;
  }

  /** The body to send, in pieces, each of which is progress. */
  async *paced(content: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of content instanceof Uint8Array ? [content] : content) {
      for (let at = 0; at < piece.length; at += SEND_PIECE_BYTES) {
        const part = piece.subarray(at, at + SEND_PIECE_BYTES);
        this.isPaused = false;
        yield part;
        this.#guard.onBytes(this, part.length);
      }
      // While the next piece is not available, the delay is on this side.
      this.isPaused = true;
    }
    this.isPaused = false;
    this.lastMs = this.sinceMs = performance.now();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.carrier = {
      pause: () => {
        this.isPaused = true;
        controller.pause();
      },
      resume: () => {
        if (!this.isPaused) return;
        this.isPaused = false;
        this.lastMs = this.sinceMs = performance.now();
        controller.resume();
      },
      abandon: () => this.#end(new Error('given up')),
    };
    if (this.cancelled) controller.abort(new Error('given up'));
    else this.#guard.begin(this);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    fields: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) {
      if (++this.#interim > MAX_INTERIM_HEADS) {
        this.#end(this.#broken(`more than ${MAX_INTERIM_HEADS} interim heads`));
      }
      return;
    }
    this.isHeadless = false;
    this.#guard.onBytes(this, 0);
    const headers = new Map<string, string>();
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    this.onHead({ status, headers, contentLength: this.#lengthOf(status, headers) });
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Uint8Array): void {
    this.#guard.onBytes(this, piece.length);
    this.#pieces++;
    this.#bytes += piece.length;
    if (this.#pieces > CRUMBS_MIN && this.#bytes < this.#pieces * CRUMB_BYTES_MIN) {
      this.#end(this.#broken('a body in very small chunks'));
    } else this.onBody(piece);
  }

  onResponseEnd(): void {
    this.#guard.end(this);
    this.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#guard.end(this);
    if (this.cancelled) return;
    this.onFail((this.#reason?.error ?? this.#wrap(error)) as TransportError);
  }

  onStall(missing: Missing, waitedMs: number): void {
    this.#end(timeOutError(this, missing, waitedMs));
  }

  #end(error: Error): void {
    this.#reason ??= { error };
    this.#guard.end(this);
    this.#controller?.abort(error);
  }

  #lengthOf(status: number, headers: ReadonlyMap<string, string>): number | undefined {
    if (this.method === 'HEAD' || status === 204 || status === 304) return 0;
    const declared = headers.get('content-length') ?? '';
    return /^[0-9]{1,15}$/.test(declared) ? Number(declared) : undefined;
  }

  #broken(problem: string): TransportError {
    return transportError('PROTOCOL_BROKEN', this, problem, { retryable: true });
  }

  #wrap(error: Error): unknown {
    if ('kind' in error) return error;
    const code = (error as { code?: string }).code ?? error.name;
    const context = { url: this.url, method: this.method };
    if (isTrustFailure(code)) {
      return transportError(
        'TLS_UNTRUSTED',
        context,
        `the certificate was not accepted (${code})`,
        { retryable: false, cause: error },
      );
    }
    if (code === 'UND_ERR_CONNECT_TIMEOUT') {
      const details = { missing: 'connection' };
      const problem = 'no connection in time';
      return transportError('TIMEOUT', context, problem, {
        retryable: true,
        cause: error,
        details,
      });
    }
    if (/^HPE_|^HTTPParserError$|^UND_ERR_HEADERS_OVERFLOW$/.test(code)) {
      return transportError('PROTOCOL_BROKEN', context, 'the response is not HTTP/1.1', {
        retryable: true,
        cause: error,
      });
    }
    return transportError('CONNECTION_LOST', context, `the connection failed (${code})`, {
      retryable: true,
      cause: error,
      details: { reason: code },
    });
  }
}
