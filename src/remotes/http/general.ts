import { isIP } from 'node:net';
import type { Agent, buildConnector, Dispatcher } from 'undici';
import { lookupFor } from './address.ts';
import { GeneralExchange } from './general-exchange.ts';
import { ProgressGuard } from './guard.ts';
import { MAX_RESPONSE_HEAD_BYTES } from './limits.ts';
import { type ProxySettings, proxyFor } from './proxy.ts';
import {
  type Attempt,
  type RawResponse,
  requireHeader,
  responseOf,
  type Transport,
} from './transport.ts';

/** Material for TLS, as PEM text; undefined members mean the default of the system. */
export interface TlsSettings {
  /** Trust anchors that replace those of the system. */
  readonly caPem?: string | readonly string[] | undefined;
  readonly certPem?: string | readonly string[] | undefined;
  /** In the order of `certPem`. */
  readonly keyPem?: string | readonly string[] | undefined;
  /** Accepts any certificate. For tests and for remotes whose content is verified by signatures. */
  readonly permissive?: boolean | undefined;
}

/** Maps a host to an address. The certificate is compared with the original host, and mapped addresses are not checked. */
export type Resolve = (
  host: string,
  port: number,
) => { readonly address: string; readonly port: number };

/** Settings of the general transport. */
export interface GeneralSettings {
  readonly userAgent: string;
  readonly tls: TlsSettings;
  readonly proxy: ProxySettings;
  readonly connectTimeoutMs: number;
  readonly noDataTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
  readonly resolve?: Resolve | undefined;
}

/**
 * The transport for everything but many small objects: large bodies, registries, proxies, client certificates, other hosts after a
 * redirect, requests with a body. undici is loaded on first use.
 */
export class GeneralTransport implements Transport {
  readonly #settings: GeneralSettings;
  readonly #agents = new Map<string, Promise<Dispatcher>>();
  readonly #guard: ProgressGuard;

  constructor(settings: GeneralSettings) {
    this.#settings = settings;
    this.#guard = new ProgressGuard(settings.noDataTimeoutMs);
  }

  async send(attempt: Attempt): Promise<RawResponse> {
    for (const [name, value] of attempt.headers) requireHeader(name, value);
    const agent = await this.#agentFor(attempt);
    attempt.signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const exchange = new GeneralExchange(attempt, this.#guard, {
        onWhole: (head, body, isView) => {
          resolve(responseOf(head, isView ? new Uint8Array(body) : body));
        },
        onStream: (head, body) => resolve(responseOf(head, body)),
        onFail: reject,
      });
      const { signal, url } = attempt;
      if (signal !== undefined) exchange.watch(signal);
      agent.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: attempt.method as Dispatcher.HttpMethod,
          headers: {
            'user-agent': this.#settings.userAgent,
            ...Object.fromEntries(attempt.headers),
          },
          ...(attempt.content === undefined ? {} : { body: exchange.paced(attempt.content) }),
        } as unknown as Dispatcher.DispatchOptions,
        exchange,
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#guard[Symbol.dispose]();
    for (const agent of this.#agents.values()) await (await agent).destroy();
    this.#agents.clear();
  }

  #agentFor({ url, foreign }: Attempt): Promise<Dispatcher> {
    const proxy = proxyFor(this.#settings.proxy, url) ?? '';
    // A client certificate is sent only to the origin of the request, like other credentials.
    const key = `${foreign === undefined ? url.origin : `from ${foreign.origin}`} ${proxy}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = this.#createAgent(proxy, foreign);
      this.#agents.set(key, agent);
    }
    return agent;
  }

  async #createAgent(proxy: string, foreign: URL | undefined): Promise<Dispatcher> {
    const { Agent, ProxyAgent, buildConnector } = await import('undici');
    const { tls, connectTimeoutMs, idleTimeoutMs, maxConnections, resolve } = this.#settings;
    const trust = {
      ...(tls.caPem === undefined ? {} : { ca: tls.caPem as string | string[] }),
      rejectUnauthorized: tls.permissive !== true,
    };
    const isAsked = foreign === undefined;
    const secure = {
      ...trust,
      ...(isAsked && tls.certPem !== undefined ? { cert: tls.certPem as string | string[] } : {}),
      ...(isAsked && tls.keyPem !== undefined ? { key: tls.keyPem as string | string[] } : {}),
    };
    const lookup = isAsked ? {} : { lookup: lookupFor(foreign) };
    const connect = buildConnector({ ...secure, ...lookup, timeout: connectTimeoutMs });
    const common: Agent.Options = {
      // Timeouts are handled by the guard, which distinguishes progress from noise.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleTimeoutMs,
      maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
      connections: maxConnections,
      connect: resolve === undefined ? connect : resolved(connect, resolve),
    };
    return proxy === ''
      ? new Agent(common)
      : new ProxyAgent({ ...common, uri: proxy, requestTls: secure, proxyTls: trust });
  }
}

function resolved(connect: buildConnector.connector, resolve: Resolve): buildConnector.connector {
  return (options, callback) => {
    const { hostname, protocol, port } = options;
    const asked = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    const { address, port: found } = resolve(hostname.replace(/^\[|\]$/g, ''), asked);
    const servername = options.servername ?? (isIP(hostname) === 0 ? hostname : undefined);
    const names = servername === undefined ? {} : { servername };
    connect({ ...options, ...names, hostname: address, port: String(found) }, callback);
  };
}
