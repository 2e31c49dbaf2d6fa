import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsSettings } from '../general.ts';
import { type ProxySettings, proxyFor } from '../proxy.ts';
import {
  type Attempt,
  headerLines,
  type RawResponse,
  responseOf,
  type Transport,
} from '../transport.ts';
import type { Endpoint } from './connection.ts';
import { Exchange } from './exchange.ts';
import { Origin, type OriginOptions } from './origin.ts';
import { ShortWay } from './short.ts';

/** Settings of the fast transport. */
export interface FastSettings extends OriginOptions {
  readonly userAgent: string;
  readonly tls: TlsSettings;
  readonly proxy: ProxySettings;
}

/**
 * The transport for many small objects of few hosts: plain GET and HEAD over kept HTTP/1.1 connections, with a concurrency that adapts to
 * the server, and pipelining for fast servers. The general transport does everything else.
 */
export class FastRoad implements Transport {
  readonly #settings: FastSettings;
  readonly #origins = new Map<string, Origin>();
  #secureContext: SecureContext | undefined;
  /** Limits of origins that are added from now on. */
  #options: OriginOptions;

  constructor(settings: FastSettings) {
    this.#settings = settings;
    this.#options = settings;
  }

  /** True for requests that this transport supports: reads, directly from the host, without a client certificate. */
  takes({ method, url, content }: Pick<Attempt, 'method' | 'url'> & Partial<Attempt>) {
    const { tls, proxy } = this.#settings;
    return (
      (method === 'GET' || method === 'HEAD') &&
      content === undefined &&
      tls.certPem === undefined &&
      tls.permissive !== true &&
      proxyFor(proxy, url) === undefined
    );
  }

  /** Shortest response time so far; infinite before the first response. */
  get quickestMs(): number {
    const times = [...this.#origins.values()].map((origin) => origin.quickestMs);
    return Math.min(this.#options.quickestMs, ...times);
  }

  /** Largest known concurrency of a server. */
  get borne(): number {
    const limits = [...this.#origins.values()].map(({ limit }) => limit);
    return Math.max(this.#options.inFlight.start, ...limits);
  }

  /** Lowers the limit of requests in flight. */
  narrow(bounds: Pick<OriginOptions, 'inFlight' | 'maxConnections' | 'quickestMs'>): void {
    this.#options = { ...this.#options, ...bounds };
    for (const origin of this.#origins.values()) origin.narrow(bounds.inFlight.max);
  }

  send(attempt: Attempt): Promise<RawResponse> {
    const { method, url, headers, priority, collectBytes, maxBytes, signal } = attempt;
    return new Promise((resolve, reject) => {
      const request = {
        method: method === 'HEAD' ? 'HEAD' : 'GET',
        root: url.origin,
        target: url.pathname + url.search,
        headerLines: headerLines(headers),
        priority,
        collectBytes,
        maxBytes,
      } as const;
      const receiver = new Exchange(request, {
        onWhole: (head, body, isView) => {
          resolve(responseOf(head, isView ? new Uint8Array(body) : body));
        },
        onStream: (head, body) => resolve(responseOf(head, body)),
        onFail: reject,
      });
      if (signal !== undefined) receiver.watch(signal);
      this.#originOf(url).submit(receiver);
    });
  }

  /** The requester for small files of the same scheme and host as `base`. */
  openShort(
    base: URL,
    headers: ReadonlyMap<string, string>,
    signal: AbortSignal | undefined,
  ): ShortWay {
    return new ShortWay(this.#originOf(base), base.origin, headerLines(headers), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const origin of this.#origins.values()) origin[Symbol.dispose]();
    this.#origins.clear();
  }

  #originOf(url: URL): Origin {
    let origin = this.#origins.get(url.origin);
    if (origin === undefined) {
      origin = new Origin(this.#endpointOf(url), this.#options);
      this.#origins.set(url.origin, origin);
    }
    return origin;
  }

  #endpointOf(url: URL): Endpoint {
    const secure = url.protocol === 'https:';
    return {
      secure,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      authority: url.host,
      commonLines: headerLines(new Map([['user-agent', this.#settings.userAgent]])),
      secureContext: secure ? this.#trust() : undefined,
    };
  }

  #trust(): SecureContext | undefined {
    const { caPem } = this.#settings.tls;
    if (caPem === undefined) return undefined;
    this.#secureContext ??= createSecureContext({ ca: caPem as string | string[] });
    return this.#secureContext;
  }
}
