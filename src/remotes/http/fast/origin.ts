import type { TransportError } from '#base/errors';
import { transportError } from '../errors.ts';
import { Pace, Punctuality } from '../progress.ts';
import { Connection, type ConnectionOwner, type Endpoint } from './connection.ts';
import { type Exchange, ExchangeQueue } from './exchange.ts';
import { Limiter, type LimiterBounds } from './limiter.ts';
import { MAX_REQUEUES } from './limits.ts';

/** Limits of the connections to one origin. */
export interface OriginOptions {
  readonly inFlight: LimiterBounds;
  readonly maxConnections: number;
  /**
   * Number of pipelined requests on one connection to a fast server; 1 = no pipelining. A slow server gets more connections instead,
   * because it may process the requests of one connection sequentially.
   */
  readonly pipelineDepth: number;
  readonly connectTimeoutMs: number;
  readonly noDataTimeoutMs: number;
  /** An idle connection is closed after this time. */
  readonly idleTimeoutMs: number;
  /** Shortest response time of the server for other clients; infinite if not known. */
  readonly quickestMs: number;
}

/** Number of connections that may be opened at once: a small listen backlog drops others, which costs a second each. */
const MAX_CONNECTING = 8;
/** A server counts as fast if its shortest response time is below this. */
const FAST_ANSWER_MS = 3;
/** Number of connections to a fast server, each with several requests. */
const FAST_CONNECTIONS = 8;
/** Number of broken pipelines after which the origin gets none. */
const BROKEN_PIPELINES_MAX = 2;
/** Time for which a pool with open connections opens no other after a refused connection. */
const CONNECT_PAUSE_MS = 1000;

/** The connections to one scheme, host and port: a queue, a pool, and a limit that adapts to the server. */
export class Origin implements ConnectionOwner, Disposable {
  readonly #endpoint: Endpoint;
  readonly #options: OriginOptions;
  readonly #limiter: Limiter;
  readonly #queue = new ExchangeQueue();
  readonly #idle: Connection[] = [];
  readonly #connections = new Set<Connection>();
  readonly #connecting = new Map<Connection, number>();
  #inFlight = 0;
  #maxInFlight: number;
  #connectAgainMs = 0;
  /** Number of connections to open before requests need them. */
  #ahead = 0;
  #quickestMs: number;
  readonly #pace: Pace;
  #brokenPipelines = 0;
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(endpoint: Endpoint, options: OriginOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#limiter = new Limiter(options.inFlight);
    this.#maxInFlight = options.inFlight.max;
    this.#quickestMs = options.quickestMs;
    this.#pace = new Pace(options.noDataTimeoutMs, performance.now());
  }

  /** Number of requests that may be in flight now; adapts to successes and failures. */
  get limit(): number {
    return this.#limiter.limit;
  }

  /** Shortest response time of requests that were alone on a connection; infinite before the first. */
  get quickestMs(): number {
    return this.#quickestMs;
  }

  /** Opens all connections that may be used at once, before requests need them. */
  connectAhead(): void {
    this.#ahead = Math.min(this.limit, this.#maxConnections);
    this.#connectMore();
    this.#watch();
  }

  /** Lowers the upper bound of requests in flight. */
  narrow(max: number): void {
    this.#maxInFlight = Math.min(this.#maxInFlight, max);
    this.#limiter.narrow(max);
  }

  /** Queues a request; its receiver always gets `onEnd` or `onFail`, unless it is cancelled. */
  submit(exchange: Exchange): void {
    this.#queue.push(exchange);
    this.#dispatch();
    this.#watch();
  }

  onBytes(count: number): void {
    this.#pace.onBytes(count);
  }

  onStatus(status: number): void {
    // A well-formed response that requests less load.
    if (status === 429 || status === 503) this.#limiter.onTrouble(performance.now());
  }

  onOpen(connection: Connection): void {
    this.#connecting.delete(connection);
    this.#connections.add(connection);
    this.#idle.push(connection);
    this.#dispatch();
  }

  onFree(connection: Connection): void {
    this.#inFlight--;
    this.#quickestMs = Math.min(this.#quickestMs, connection.answerMs);
    this.#limiter.onSuccess();
    if (connection.load === 0) this.#idle.push(connection);
    this.#dispatch();
  }

  onClose(connection: Connection, unanswered: readonly Exchange[], error: TransportError): void {
    const wasConnecting = this.#connecting.delete(connection);
    this.#connections.delete(connection);
    // A closed connection is replaced only when a request needs it.
    this.#ahead = 0;
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#recount();
    if (
      error.code !== 'CONNECTION_LOST' ||
      (error.details['reason'] !== 'closed' && !this.#disposed)
    ) {
      this.#limiter.onTrouble(performance.now());
    }
    if (unanswered.length > 1) this.#brokenPipelines++;
    this.#requeue(connection, unanswered, error);
    if (wasConnecting) this.#onConnectFailure(error);
    else if (!this.#disposed) this.#dispatch();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearInterval(this.#timer);
    for (const connection of [...this.#connecting.keys(), ...this.#connections]) {
      connection.destroy();
    }
    this.#failQueue((exchange) =>
      transportError('CONNECTION_LOST', exchange, 'the client was closed', {
        retryable: false,
        details: { reason: 'disposed' },
      }),
    );
  }

  /** Number of requests that one connection may carry now. */
  get #depth(): number {
    const isFast =
      this.#quickestMs < FAST_ANSWER_MS && this.#brokenPipelines <= BROKEN_PIPELINES_MAX;
    return isFast ? this.#options.pipelineDepth : 1;
  }

  get #maxConnections(): number {
    const { maxConnections } = this.#options;
    const depth = this.#depth;
    // Only as many connections as can be filled: with one request per connection, each request would cost a write.
    return depth > 1
      ? Math.min(FAST_CONNECTIONS, Math.ceil(this.#maxInFlight / depth), maxConnections)
      : maxConnections;
  }

  #dispatch(): void {
    while (this.#inFlight < this.#limiter.limit && this.#queue.size > 0) {
      const connection = this.#free() ?? this.#pipelined();
      if (connection === undefined) break;
      if (!connection.isOpen) continue;
      this.#fill(connection);
    }
    this.#connectMore();
  }

  /** Sends up to the pipeline depth in one write. */
  #fill(connection: Connection): void {
    const room = this.#limiter.limit - this.#inFlight;
    const others = Math.max(0, Math.min(this.#idle.length, this.#spare));
    const fair = Math.ceil(this.#queue.size / (1 + others));
    let count = Math.min(this.#depth - connection.load, room, fair);
    const corked = count > 1;
    if (corked) connection.cork();
    while (count-- > 0) {
      const exchange = this.#next();
      if (exchange === undefined) break;
      this.#inFlight++;
      connection.send(exchange);
    }
    if (corked) connection.uncork();
    if (connection.load === 0) this.#idle.push(connection);
  }

  #next(): Exchange | undefined {
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      if (!item.cancelled) return item;
    }
    return undefined;
  }

  /**
   * An idle connection, unless enough connections are busy: connections that were opened before the server was known to be fast stay idle.
   */
  #free(): Connection | undefined {
    return this.#spare > 0 ? this.#idle.pop() : undefined;
  }

  /** Number of further connections that may get requests; negative if too many have some. */
  get #spare(): number {
    return this.#maxConnections - (this.#connections.size - this.#idle.length);
  }

  #pipelined(): Connection | undefined {
    const depth = this.#depth;
    const total = this.#connections.size + this.#connecting.size;
    if (depth === 1 || total < this.#maxConnections || this.#spare < 0) return undefined;
    let best: Connection | undefined;
    for (const connection of this.#connections) {
      const { isOpen, isPaused, load, served } = connection;
      if (!isOpen || isPaused || load === 0 || served === 0) continue;
      // Refill a connection only when it is half empty: adding single requests costs one write for each response.
      if (load * 2 > depth) continue;
      if (best === undefined || load < best.load) best = connection;
    }
    return best;
  }

  #connectMore(): void {
    if (this.#disposed) return;
    const nowMs = performance.now();
    if (nowMs < this.#connectAgainMs) return;
    if (this.#connections.size >= this.#ahead) this.#ahead = 0;
    const needed = Math.min(this.#queue.size, this.#limiter.limit - this.#inFlight);
    const wanted = Math.min(
      Math.max(needed, this.#ahead - this.#connections.size) - this.#connecting.size,
      MAX_CONNECTING - this.#connecting.size,
      this.#maxConnections - this.#connections.size - this.#connecting.size,
    );
    for (let index = 0; index < wanted; index++) {
      this.#connecting.set(new Connection(this.#endpoint, this), nowMs);
    }
  }

  #requeue(connection: Connection, lost: readonly Exchange[], error: TransportError): void {
    for (let index = lost.length - 1; index >= 0; index--) {
      const exchange = lost[index] as Exchange;
      if (exchange.cancelled) continue;
      // A server may close a kept connection at any time; requests without a response were not refused.
      const innocent = index > 0 || (connection.served > 0 && error.code === 'CONNECTION_LOST');
      if (!this.#disposed && innocent && exchange.requeues < MAX_REQUEUES) {
        exchange.requeues++;
        this.#queue.unshift(exchange);
      } else {
        exchange.onFail(error);
      }
    }
  }

  /**
   * Requests are not assigned to a socket before it is open, so a refused connection matters only if no other is left. While others work,
   * the pool pauses its growth, because the server may not allow more.
   */
  #onConnectFailure(error: TransportError): void {
    if (this.#disposed) return;
    if (this.#connections.size > 0) this.#connectAgainMs = performance.now() + CONNECT_PAUSE_MS;
    else if (this.#connecting.size === 0) this.#failQueue(() => error);
  }

  #failQueue(errorFor: (exchange: Exchange) => TransportError): void {
    for (let item = this.#next(); item !== undefined; item = this.#next()) {
      item.onFail(errorFor(item));
    }
  }

  #recount(): void {
    let running = 0;
    for (const connection of this.#connections) running += connection.load;
    this.#inFlight = running;
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#disposed) return;
    const { connectTimeoutMs, noDataTimeoutMs, idleTimeoutMs } = this.#options;
    const shortest = Math.min(connectTimeoutMs, noDataTimeoutMs, idleTimeoutMs);
    const punctuality = new Punctuality(shortest);
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      if (punctuality.isLate(nowMs)) this.#dispatch();
      else this.#check(nowMs);
    }, punctuality.periodMs);
  }

  #check(nowMs: number): void {
    this.#dispatch();
    const { connectTimeoutMs, noDataTimeoutMs, idleTimeoutMs } = this.#options;
    for (const [connection, sinceMs] of [...this.#connecting]) {
      if (nowMs - sinceMs > connectTimeoutMs) connection.timeOut('connection', nowMs - sinceMs);
    }
    const busy = [...this.#connections].filter((one) => one.load > 0 && !one.isPaused);
    if (busy.length === 0) this.#pace.restart(nowMs);
    const isTooSlow = this.#pace.isTooSlow(nowMs);
    for (const connection of busy) {
      const silentMs = nowMs - connection.lastActivityMs;
      const waitedMs = nowMs - connection.waitingSinceMs;
      if (silentMs > noDataTimeoutMs) connection.timeOut('data', silentMs);
      else if (waitedMs <= noDataTimeoutMs) continue;
      else if (connection.isHeadless) connection.timeOut('head', waitedMs);
      else if (isTooSlow) connection.timeOut('progress', waitedMs);
    }
    for (const connection of [...this.#connections]) {
      const idleMs = nowMs - connection.lastActivityMs;
      if (connection.load === 0 && idleMs > idleTimeoutMs) connection.destroy();
    }
    if (this.#connections.size === 0 && this.#connecting.size === 0 && this.#queue.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}
