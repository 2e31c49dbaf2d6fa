import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import type { TransportError } from '#base/errors';
import { isTrustFailure, type Missing, timeOutError, transportError } from '../errors.ts';
import { MAX_DRAIN_BYTES } from '../limits.ts';
import type { Carrier } from '../receiver.ts';
import type { Exchange } from './exchange.ts';
import { READ_BUFFER_BYTES } from './limits.ts';
import { type KeptHead, ResponseParser } from './parser.ts';

/** The target of a connection. */
export interface Endpoint {
  readonly secure: boolean;
  /** Host name or address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Value of the Host header. */
  readonly authority: string;
  /** Header lines of every request to this origin, each ended by CRLF. */
  readonly commonLines: string;
  /** Trust anchors and settings for TLS; undefined for those of the system. */
  readonly secureContext: SecureContext | undefined;
}

/** Events of a connection for its pool. */
export interface ConnectionOwner {
  /** Bytes came. */
  onBytes(count: number): void;
  /** The head of a response has arrived. */
  onStatus(status: number): void;
  onOpen(connection: Connection): void;
  /** An exchange ended well or was drained; the connection can take more if it is still open. */
  onFree(connection: Connection): void;
  /**
   * The connection is closed. `unanswered` are the exchanges without a byte of response. The exchange with a partial response has already
   * received `onFail`.
   */
  onClose(connection: Connection, unanswered: readonly Exchange[], error: TransportError): void;
}

/** One keep-alive HTTP/1.1 connection: requests go out in order, responses come back in order. */
export class Connection implements Carrier {
  readonly #owner: ConnectionOwner;
  readonly #endpoint: Endpoint;
  readonly #socket: Socket;
  readonly #parser: ResponseParser;
  readonly #running: Exchange[] = [];
  #headSeen: KeptHead | undefined;
  #bodyBytes = 0;
  #open = false;
  #closing = false;
  #dead = false;
  #paused = false;
  #corked: string | undefined;
  /** Responses completed on this connection. */
  served = 0;
  /** Response time of the last request that was alone on this connection; infinite before the first. */
  answerMs = Number.POSITIVE_INFINITY;
  #sentAloneMs: number | undefined;
  /** Time of the last received byte or sent request, in milliseconds of `performance.now()`. */
  lastActivityMs = performance.now();
  /** Start of the wait for the current response, or for its next part after a pause. */
  waitingSinceMs = this.lastActivityMs;

  constructor(endpoint: Endpoint, owner: ConnectionOwner) {
    this.#endpoint = endpoint;
    this.#owner = owner;
    this.#parser = new ResponseParser({
      onHead: (head) => this.#onHead(head),
      onBody: (piece) => this.#onBody(piece),
      onEnd: () => this.#onEnd(),
    });
    this.#socket = openSocket(endpoint, (length, buffer) => this.#onRead(length, buffer));
    this.#socket.setNoDelay(true);
    this.#socket.once(endpoint.secure ? 'secureConnect' : 'connect', () => {
      this.#open = true;
      this.lastActivityMs = performance.now();
      owner.onOpen(this);
    });
    this.#socket.on('end', () => this.#onPeerEnd());
    this.#socket.on('error', (error) => this.#die(error));
    this.#socket.on('close', () => this.#die(undefined));
  }

  get isOpen(): boolean {
    return this.#open && !this.#closing && !this.#dead;
  }

  /** Requests sent whose response is not complete. */
  get load(): number {
    return this.#running.length;
  }

  /** True while the head of the next response has not arrived. */
  get isHeadless(): boolean {
    return this.#headSeen === undefined;
  }

  /** True while the reader of the current response has paused it: the delay is then not caused by the peer. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** Sends a request. May be called while others run (pipelining): the caller decides how deep. */
  send(exchange: Exchange): void {
    this.#running.push(exchange);
    exchange.carrier = this;
    this.#parser.expect(exchange.method);
    this.lastActivityMs = performance.now();
    this.#sentAloneMs = this.#running.length === 1 ? this.lastActivityMs : undefined;
    if (this.#running.length === 1) this.waitingSinceMs = this.lastActivityMs;
    const text =
      `${exchange.method} ${exchange.target} HTTP/1.1\r\nHost: ${this.#endpoint.authority}\r\n` +
      `${this.#endpoint.commonLines}${exchange.headerLines}\r\n`;
    if (this.#corked === undefined) this.#socket.write(text, 'latin1');
    else this.#corked += text;
  }

  /** Joins requests until `uncork` into one write. */
  cork(): void {
    this.#corked = '';
  }

  uncork(): void {
    const text = this.#corked;
    this.#corked = undefined;
    if (text !== undefined && text !== '' && !this.#dead) this.#socket.write(text, 'latin1');
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.lastActivityMs = performance.now();
    this.waitingSinceMs = this.lastActivityMs;
    this.#socket.resume();
  }

  abandon(exchange: Exchange): void {
    exchange.cancelled = true;
    if (this.#dead || !this.#running.includes(exchange)) return;
    const left =
      this.#headSeen !== undefined && this.#running[0] === exchange
        ? (this.#headSeen.contentLength ?? Number.POSITIVE_INFINITY) - this.#bodyBytes
        : Number.POSITIVE_INFINITY;
    if (left <= MAX_DRAIN_BYTES) this.resume();
    else this.destroy();
  }

  /** Closes immediately; running exchanges fail or return to the pool, as after a lost connection. */
  destroy(error?: TransportError): void {
    this.#die(error);
  }

  /** Closes because the peer made no progress for too long. */
  timeOut(missing: Missing, waitedMs: number): void {
    this.#die(timeOutError(this.#context(), missing, waitedMs));
  }

  #onRead(length: number, buffer: Uint8Array): boolean {
    if (this.#dead) return false;
    this.lastActivityMs = performance.now();
    this.#owner.onBytes(length);
    try {
      this.#parser.push(buffer.subarray(0, length));
    } catch (error) {
      this.#die(
        transportError('PROTOCOL_BROKEN', this.#context(), 'the response is not HTTP/1.1', {
          retryable: true,
          cause: error,
        }),
      );
    }
    return !this.#paused && !this.#dead;
  }

  #onHead(head: KeptHead): void {
    this.#headSeen = head;
    this.#bodyBytes = 0;
    if (this.#sentAloneMs !== undefined) this.answerMs = performance.now() - this.#sentAloneMs;
    this.#owner.onStatus(head.status);
    const exchange = this.#running[0];
    if (exchange !== undefined && !exchange.cancelled) exchange.onHead(head);
  }

  #onBody(piece: Uint8Array): void {
    this.#bodyBytes += piece.length;
    const exchange = this.#running[0];
    if (exchange === undefined) return;
    if (!exchange.cancelled) exchange.onBody(piece);
    else if (this.#bodyBytes > MAX_DRAIN_BYTES * 2) this.destroy();
  }

  #onEnd(): void {
    if (this.#dead) return;
    const keepAlive = this.#headSeen?.keepAlive === true;
    const exchange = this.#running.shift();
    this.#headSeen = undefined;
    this.waitingSinceMs = this.lastActivityMs;
    this.served++;
    if (!keepAlive) this.#closing = true;
    this.resume();
    if (exchange !== undefined) {
      exchange.carrier = undefined;
      if (!exchange.cancelled) exchange.onEnd();
    }
    if (keepAlive) this.#owner.onFree(this);
    else this.#die(undefined);
  }

  #onPeerEnd(): void {
    if (this.#dead) return;
    this.#parser.close();
    this.#die(undefined);
  }

  /** Runs once: fails the exchange with a partial response, and returns the others to the pool. */
  #die(reason: Error | undefined): void {
    if (this.#dead) return;
    this.#dead = true;
    const error = asTransportError(reason, this.#context(), this.#open);
    const begun = this.#headSeen === undefined ? undefined : this.#running.shift();
    const unanswered = this.#running.splice(0);
    for (const exchange of unanswered) exchange.carrier = undefined;
    if (begun !== undefined) {
      begun.carrier = undefined;
      if (!begun.cancelled) begun.onFail(error);
    }
    this.#socket.destroy();
    this.#owner.onClose(this, unanswered, error);
  }

  #context(): { url: string; method: string } {
    const exchange = this.#running[0];
    const scheme = this.#endpoint.secure ? 'https' : 'http';
    return {
      url: exchange?.url ?? `${scheme}://${this.#endpoint.authority}/`,
      method: exchange?.method ?? 'GET',
    };
  }
}

function openSocket(
  endpoint: Endpoint,
  callback: (length: number, buffer: Uint8Array) => boolean,
): Socket {
  const onread = { buffer: new Uint8Array(READ_BUFFER_BYTES), callback };
  const where = { host: endpoint.host, port: endpoint.port, onread };
  if (!endpoint.secure) return connectPlain(where);
  return connectTls({
    ...where,
    ...(isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {}),
    ...(endpoint.secureContext === undefined ? {} : { secureContext: endpoint.secureContext }),
    ALPNProtocols: ['http/1.1'],
  });
}

function asTransportError(
  reason: Error | undefined,
  context: { url: string; method: string },
  wasOpen: boolean,
): TransportError {
  if (reason !== undefined && 'kind' in reason) return reason as TransportError;
  const code = (reason as { code?: string } | undefined)?.code ?? '';
  if (isTrustFailure(code)) {
    return transportError('TLS_UNTRUSTED', context, `the certificate was not accepted (${code})`, {
      retryable: false,
      cause: reason,
      hint: 'Add the CA of the server to the trusted ones, or check the host name.',
    });
  }
  const problem = wasOpen
    ? 'the connection ended before the response was complete'
    : 'no connection could be made';
  return transportError(
    'CONNECTION_LOST',
    context,
    code === '' ? problem : `${problem} (${code})`,
    {
      retryable: true,
      ...(reason === undefined ? {} : { cause: reason }),
      details: { reason: code === '' ? 'closed' : code },
    },
  );
}
