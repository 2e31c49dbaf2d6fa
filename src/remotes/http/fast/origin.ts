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
   * Requests that may wait for their response on one connection while the server answers fast; 1 = never. A server that takes its
   * time is asked over more connections instead, because it may answer those of one connection one after the other.
   */
  readonly pipelineDepth: number;
  readonly connectTimeoutMs: number;
  readonly noDataTimeoutMs: number;
  /** A kept connection without work is closed after this time. */
  readonly idleTimeoutMs: number;
  /** The quickest answer that the server gave to others; infinite when nobody has asked. */
  readonly quickestMs: number;
}

/** Sockets that may be under construction at once: a small listen backlog drops the rest, which costs a second each. */
const MAX_CONNECTING = 8;
/** A server counts as fast when its quickest answer took less than this. */
const FAST_ANSWER_MS = 3;
/** Connections to a fast server: they carry several requests each. */
const FAST_CONNECTIONS = 8;
/** Pipelines that may break before the origin gets none any more. */
const BROKEN_PIPELINES_MAX = 2;
/** How long a pool with open connections opens no other after one was refused. */
const CONNECT_PAUSE_MS = 1000;

/** The connections to one scheme, host and port: a queue, a pool and a limit that follows what the server bears. */
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
  /** Connections that are to be there before requests need them. */
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

  /** Requests that may be in flight now; moves with success and trouble. */
  get limit(): number {
    return this.#limiter.limit;
  }

  /** Time that the quickest answer took, of those that were asked for alone; infinite before the first. */
  get quickestMs(): number {
    return this.#quickestMs;
  }

  /** Opens as many connections as may be used at once, before requests need them. */
  connectAhead(): void {
    this.#ahead = Math.min(this.limit, this.#maxConnections);
    this.#connectMore();
    this.#watch();
  }

  /** Lowers the number of requests that may ever be in flight. */
  narrow(max: number): void {
    this.#maxInFlight = Math.min(this.#maxInFlight, max);
    this.#limiter.narrow(max);
  }

  /** Queues a request; its receiver is always told, by `onEnd` or `onFail`, unless it is cancelled. */
  submit(exchange: Exchange): void {
    this.#queue.push(exchange);
    this.#dispatch();
    this.#watch();
  }

  onBytes(count: number): void {
    this.#pace.onBytes(count);
  }

  onStatus(status: number): void {
    // Well formed, and it asks for less load.
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
    // One that ends is only replaced when a request needs it.
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

  /** Requests that one connection may carry now. */
  get #depth(): number {
    const isFast =
      this.#quickestMs < FAST_ANSWER_MS && this.#brokenPipelines <= BROKEN_PIPELINES_MAX;
    return isFast ? this.#options.pipelineDepth : 1;
  }

  get #maxConnections(): number {
    const { maxConnections } = this.#options;
    const depth = this.#depth;
    // No more than can be filled: connections with one request each would cost a write for each.
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

  /** Sends up to the pipeline depth, as one write. */
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

  /** A connection without work, unless enough have some: those that were opened before the server was known to be fast stay idle. */
  #free(): Connection | undefined {
    return this.#spare > 0 ? this.#idle.pop() : undefined;
  }

  /** Connections that may get work beside those that have some; negative when fewer should have any. */
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
      // Refill a connection only when it is half empty: topping up by one costs one write for each response.
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
      // A server may close a kept connection at any time; the requests it never began to answer were not refused.
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
   * Requests belong to no socket before it is open, so a refused connection only matters when no other is left. While
   * others serve, the pool stops growing for a moment: the server may allow no more.
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
