import { requireReachable } from './address.ts';
import { isRetryable, type TransportContext, transportError } from './errors.ts';
import type { LimiterBounds } from './fast/limiter.ts';
import { FastRoad } from './fast/road.ts';
import type { ShortWay } from './fast/short.ts';
import { GeneralTransport, type Resolve, type TlsSettings } from './general.ts';
import { COLLECT_BYTES, MAX_REFUSAL_BYTES } from './limits.ts';
import { Pauses } from './pauses.ts';
import type { ProxySettings } from './proxy.ts';
import { isRedirect, redirectTarget } from './redirect.ts';
import {
  attemptOf,
  type BegunRequest,
  type HttpBytes,
  type HttpRequest,
  type HttpResponse,
  isAccepted,
  isRepeatable,
  methodOf,
  urlOf,
} from './request.ts';
import { type Answer, isExpiredLink, resumable } from './resume.ts';
import {
  DEFAULT_RETRY,
  isRetryableStatus,
  parseRetryAfter,
  type RetryPolicy,
  retryDelayMs,
  sleep,
} from './retry.ts';
import { drain, type RawResponse, readPage } from './transport.ts';

/** Settings of a client; every member has a default. */
export interface HttpClientOptions {
  readonly userAgent?: string;
  /** Header lines for every request to the original host (not sent to other hosts after a redirect). */
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsSettings;
  readonly proxy?: ProxySettings;
  readonly retry?: Partial<RetryPolicy>;
  /** Requests in flight to one origin: start, lower and upper bound. */
  readonly inFlight?: Partial<LimiterBounds>;
  readonly maxConnections?: number;
  /** Requests that may wait on one connection to a server that answers within a few milliseconds; 1 = no pipelining. */
  readonly pipelineDepth?: number;
  /** Known response time of the servers; measured if omitted. */
  readonly quickestMs?: number;
  readonly connectTimeoutMs?: number;
  /** A request fails if the peer sends no data, no complete head, or too little data for this long. */
  readonly noDataTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  /** Addresses of hosts, instead of the resolver of the system and the port of the URL. */
  readonly resolve?: Resolve;
}

/** Number of times that a request returns to the original URL for a new link, because the redirect target refused access. */
const MAX_FRESH_LINKS = 1;
const DEFAULTS = {
  userAgent: 'onecopy',
  inFlight: { start: 32, min: 2, max: 64 },
  maxConnections: 64,
  pipelineDepth: 8,
  quickestMs: Number.POSITIVE_INFINITY,
  connectTimeoutMs: 30_000,
  noDataTimeoutMs: 30_000,
  idleTimeoutMs: 15_000,
} as const;

/**
 * HTTP client: keeps connections, follows redirects, retries with back-off, resumes large bodies, and reports every failure as a
 * TransportError without credentials in it. Requests for many small objects can use the fast transport, where `priority` orders requests
 * that wait for a free slot.
 */
export class HttpClient implements AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #retry: RetryPolicy;
  readonly #fast: FastRoad;
  readonly #general: GeneralTransport;
  readonly #pauses: Pauses;
  #maxInFlight: number;

  constructor(options: HttpClientOptions = {}) {
    this.#options = options;
    this.#retry = { ...DEFAULT_RETRY, ...options.retry };
    const set = { ...DEFAULTS, tls: {}, proxy: {}, ...options };
    const settings = { ...set, inFlight: { ...DEFAULTS.inFlight, ...options.inFlight } };
    this.#fast = new FastRoad(settings);
    this.#general = new GeneralTransport(settings);
    this.#pauses = new Pauses(this.#retry.maxRetryAfterMs);
    this.#maxInFlight = settings.inFlight.max;
  }

  /** Upper bound of useful concurrency on the fast transport: more requests only wait in the queue. */
  get maxInFlight(): number {
    return this.#maxInFlight;
  }

  /** Shortest response time of the fast transport so far; infinite before the first response. */
  get quickestMs(): number {
    return this.#fast.quickestMs;
  }

  /**
   * Options (plain data) for clients of other threads for the same origins. Each client, this one included, then uses only its part of the
   * limits, so that all `parts` together load a server like one client.
   */
  share(parts: number): HttpClientOptions {
    const { inFlight, maxConnections = DEFAULTS.maxConnections } = this.#options;
    const { min, max } = { ...DEFAULTS.inFlight, ...inFlight };
    const part = (count: number) => Math.max(1, Math.ceil(count / parts));
    const bounds = {
      // The measured concurrency of the servers is passed on.
      inFlight: { start: part(this.#fast.borne), min: part(min), max: part(max) },
      maxConnections: part(maxConnections),
      quickestMs: this.quickestMs,
    };
    this.#fast.narrow(bounds);
    this.#maxInFlight = bounds.inFlight.max;
    return { ...this.#options, ...bounds };
  }

  /**
   * Sends a request and returns when the head of an accepted response has arrived. Bodies up to 256 KiB arrive as a whole; longer ones are
   * streamed, and resumed after a break if the server allows it.
   * @throws TransportError CONNECTION_LOST, HTTP_DENIED, HTTP_STATUS, PROTOCOL_BROKEN, RATE_LIMITED, REDIRECT_REFUSED,
   * RESPONSE_TOO_LARGE, TIMEOUT, TLS_UNTRUSTED; the reason of `signal`
   */
  async fetch(request: HttpRequest): Promise<HttpResponse> {
    const { response, url } = await this.#repeat(request, urlOf(request), COLLECT_BYTES);
    const isWhole = response.body instanceof Uint8Array && request.range === undefined;
    if (isWhole) return { ...response, url: url.href };
    const body = resumable({
      request,
      first: { response, url },
      policy: this.#retry,
      again: ({ rest }) => {
        const { range: _, ...plain } = request;
        const again = rest === undefined ? plain : { ...request, rest };
        return this.#authorized(again, urlOf(request), 0, undefined);
      },
    });
    return { ...response, body, url: url.href };
  }

  /**
   * Sends a request and reads the complete body; `maxBytes` bounds the memory.
   * @throws as `fetch`
   */
  async fetchBytes(request: HttpRequest & { readonly maxBytes: number }): Promise<HttpBytes> {
    const { response, url } = await this.#repeat(request, urlOf(request), request.maxBytes);
    const { body } = response;
    if (body instanceof Uint8Array) return { ...response, body, url: url.href };
    // Reached only by an error page that is longer than the requested range and whose status was accepted.
    await drain(response);
    return { ...response, body: new Uint8Array(0), url: url.href };
  }

  /**
   * A requester for small files of the same scheme and host as `base`; undefined if the fast transport cannot be used.
   * @param namedBy as in a request
   */
  openShort(base: URL, signal: AbortSignal | undefined, namedBy?: URL): ShortWay | undefined {
    if (!this.#fast.takes({ method: 'GET', url: base })) return undefined;
    const { headers = {} } = this.#options;
    const foreign = namedBy === undefined || namedBy.origin === base.origin ? undefined : namedBy;
    if (foreign !== undefined) requireReachable(foreign, base, 'GET');
    const sample = attemptOf({ url: base }, base, COLLECT_BYTES, headers, foreign);
    return this.#fast.openShort(base, sample.headers, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fast[Symbol.asyncDispose]();
    await this.#general[Symbol.asyncDispose]();
  }

  /** Waits before attempt `next` (2, 3, …) of something that takes several requests, as before that of one. @throws the reason of the signal */
  async pause(next: number, signal: AbortSignal | undefined): Promise<void> {
    await sleep(retryDelayMs(this.#retry, next, undefined), signal);
  }

  /** Repeats attempts until an accepted response, a final error, or the end of the retry policy. */
  async #repeat(request: HttpRequest, start: URL, collectBytes: number): Promise<Answer> {
    const patience = request.content === undefined ? this.#retry.attempts : 1;
    const attempts = isRepeatable(request) ? (request.attempts ?? patience) : 1;
    let freshLinks = 0;
    for (let attempt = 1; ; attempt++) {
      request.signal?.throwIfAborted();
      const begun = attempt === 1 ? request.begun : undefined;
      const answer = await this.#authorized(request, start, collectBytes, begun).catch(
        (error: unknown) => {
          if (attempt >= attempts || !isRetryable(error)) throw error;
          return undefined;
        },
      );
      const retryAfterMs = parseRetryAfter(answer?.response.headers.get('retry-after'), Date.now());
      if (answer !== undefined) {
        const { status } = answer.response;
        if (isAccepted(request, status)) return answer;
        const patient = (retryAfterMs ?? 0) <= this.#retry.maxRetryAfterMs;
        const fresh = isExpiredLink(start, answer) && freshLinks++ < MAX_FRESH_LINKS;
        const again = fresh || isRetryableStatus(status);
        if (attempt >= attempts || !patient || !again)
          throw await refusal(request, answer, attempt);
        await drain(answer.response);
      }
      await sleep(retryDelayMs(this.#retry, attempt + 1, retryAfterMs), request.signal);
    }
  }

  /** One attempt, and a second one if the original origin requires other credentials and there are some. */
  async #authorized(
    request: HttpRequest,
    start: URL,
    collectBytes: number,
    begun: BegunRequest | undefined,
  ): Promise<Answer> {
    const { authorizer, signal } = request;
    if (authorizer === undefined) return await this.#follow(request, start, collectBytes, begun);
    const attempt = async () => {
      const headers = { ...request.headers, ...(await authorizer.headers(signal)) };
      return await this.#follow({ ...request, headers }, start, collectBytes, begun);
    };
    const answer = await attempt();
    const { response, url } = answer;
    if (response.status !== 401 || url.origin !== start.origin || !isRepeatable(request)) {
      return answer;
    }
    if (!(await authorizer.onDenied(response.headers, signal))) return answer;
    await drain(response);
    return await attempt();
  }

  async #follow(
    request: HttpRequest,
    start: URL,
    collectBytes: number,
    begun: BegunRequest | undefined,
  ): Promise<Answer> {
    const method = methodOf(request);
    const asked = request.namedBy ?? start;
    let url = start;
    let foreign = start.origin === asked.origin ? undefined : asked;
    if (foreign !== undefined) requireReachable(asked, start, method);
    request.onSent?.();
    for (let hop = 0; ; hop++) {
      const answer = hop === 0 ? begun?.answer : undefined;
      const response = await (answer ?? this.#once(request, url, collectBytes, foreign));
      const { status, headers } = response;
      const location = headers.get('location');
      const stays = !isRedirect(status) || location === undefined || isAccepted(request, status);
      if (stays || location === undefined || !isRepeatable(request)) return { response, url };
      await drain(response);
      const insecure = this.#options.tls?.permissive === true;
      const staysHome = request.staysHome === true;
      url = redirectTarget({
        from: url,
        location,
        status,
        hop,
        asked,
        method,
        insecure,
        staysHome,
      });
      // A redirect to another host and back carries no credentials: the other host chose this URL.
      if (url.origin !== asked.origin) foreign = asked;
    }
  }

  async #once(
    request: HttpRequest,
    url: URL,
    collectBytes: number,
    foreign: URL | undefined,
  ): Promise<RawResponse> {
    await this.#pauses.wait(url.origin, request.signal);
    const attempt = attemptOf(request, url, collectBytes, this.#options.headers ?? {}, foreign);
    const isRedirected = foreign !== undefined && url.origin !== urlOf(request).origin;
    const isSmall = request.small === true && request.rest === undefined && !isRedirected;
    const road = isSmall && this.#fast.takes(attempt) ? this.#fast : this.#general;
    const response = await road.send(attempt);
    this.#pauses.onAnswer(url.origin, response.status, response.headers.get('retry-after'));
    return response;
  }
}

/** The error for an answer that is final and not accepted. */
async function refusal(request: HttpRequest, { response, url }: Answer, attempts: number) {
  if (request.onRefused === undefined) {
    await drain(response);
    return statusError({ url: url.href, method: methodOf(request) }, response, attempts);
  }
  const body = await readPage(response, MAX_REFUSAL_BYTES);
  return request.onRefused({ ...response, body, url: url.href }, attempts);
}

function statusError(context: TransportContext, response: RawResponse, attempts: number) {
  const { status } = response;
  const retryable = isRetryableStatus(status);
  const extras = { retryable, details: { status, attempts } };
  if (status === 429) {
    return transportError('RATE_LIMITED', context, 'the server asks to slow down (429)', extras);
  }
  if (status === 401 || status === 403 || status === 407) {
    return transportError('HTTP_DENIED', context, `the server refused access (${status})`, extras);
  }
  const tries = attempts > 1 ? ` in ${attempts} attempts` : '';
  return transportError('HTTP_STATUS', context, `the server answered ${status}${tries}`, extras);
}
