import { getCACertificates } from 'node:tls';
import { hasCode, isOnecopyError } from '#base/errors';
import { HttpClient, type HttpClientOptions } from '#remotes/http';
import { type Challenge, parseChallenges } from './challenge.ts';
import { authorityOf, type Endpoint, mayUsePlainHttp } from './endpoint.ts';
import { HOST_CONNECTIONS_MAX, SMALL_ANSWER_MAX_BYTES } from './layout.ts';
import { refusalOf } from './problem.ts';
import { Shared } from './shared.ts';

/** Settings that hold for every endpoint. */
export type RegistrySettings = Pick<
  HttpClientOptions,
  'userAgent' | 'proxy' | 'retry' | 'connectTimeoutMs' | 'noDataTimeoutMs' | 'resolve'
> & {
  /** Called with warnings for the user, each once: warnings of registries, exhausted rate limits. */
  readonly onWarning?: (text: string) => void;
};

/** Attempts to reach an endpoint that is not the last one: the next endpoint is asked instead. */
const MIRROR_PING_ATTEMPTS = 2;

/** The response of a registry to the first request. */
export interface Reached {
  /** Scheme, host and port of further requests. */
  readonly base: URL;
  readonly challenges: readonly Challenge[];
}

/** One registry host: its connections and its address. */
export class RegistryHost implements AsyncDisposable {
  readonly http: HttpClient;
  /** The same trust, without a client certificate: for token servers. */
  readonly tokens: HttpClient;
  readonly #endpoint: Endpoint;
  readonly #pingAttempts: number | undefined;
  readonly #reached = new Shared<Reached>();

  /** @param hasNext another endpoint can be asked instead */
  constructor(endpoint: Endpoint, settings: RegistrySettings, hasNext: boolean) {
    const { onWarning: _, ...http } = settings;
    const { caPem = [], client } = endpoint.tls ?? {};
    const trust = {
      ...(caPem.length === 0 ? {} : { caPem: [...getCACertificates('default'), ...caPem] }),
      ...(endpoint.insecure ? { permissive: true } : {}),
    };
    // Five attempts, and pauses of up to a quarter of an hour on request of the host.
    const retry = { attempts: 5, baseMs: 500, maxRetryAfterMs: 900_000, ...settings.retry };
    const common = { ...http, retry, maxConnections: HOST_CONNECTIONS_MAX };
    this.#endpoint = endpoint;
    this.#pingAttempts = hasNext ? MIRROR_PING_ATTEMPTS : undefined;
    this.http = new HttpClient({ ...common, tls: { ...trust, ...client } });
    this.tokens = new HttpClient({ ...common, tls: trust });
  }

  /**
   * Determines, once, the scheme of the registry and its challenges.
   * @throws as the HTTP client; HTTP_STATUS if the host is not a registry
   */
  async reach(signal: AbortSignal | undefined): Promise<Reached> {
    return await this.#reached.get(() => this.#find(signal), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http[Symbol.asyncDispose]();
    await this.tokens[Symbol.asyncDispose]();
  }

  async #find(signal: AbortSignal | undefined): Promise<Reached> {
    const { insecure } = this.#endpoint;
    const host = authorityOf(this.#endpoint);
    const mayFallBack = mayUsePlainHttp(this.#endpoint);
    try {
      const attempts = mayFallBack ? 1 : this.#pingAttempts;
      return await this.#ping(new URL(`https://${host}/v2/`), attempts, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayFallBack || !isOnecopyError(error)) throw error;
      // A host that uses TLS with an untrusted certificate is not contacted without TLS, unless the user allowed it.
      if (!insecure && !hasCode(error, 'CONNECTION_LOST')) throw error;
    }
    return await this.#ping(new URL(`http://${host}/v2/`), this.#pingAttempts, signal);
  }

  async #ping(
    url: URL,
    attempts: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Reached> {
    const { namespace, host: registry } = this.#endpoint;
    if (namespace !== undefined) url.searchParams.set('ns', namespace);
    const answer = await this.http.fetchBytes({
      url,
      accept: [200, 401],
      maxBytes: SMALL_ANSWER_MAX_BYTES,
      ...(attempts === undefined ? {} : { attempts }),
      signal,
      onRefused: (refused, count) => {
        const who = 'a first request has no credentials';
        return refusalOf(refused, { method: 'GET', who, attempts: count, registry });
      },
    });
    // The target of a redirect does not decide where credentials are sent.
    const isOwn = new URL(answer.url).origin === url.origin && answer.status === 401;
    const header = isOwn ? (answer.headers.get('www-authenticate') ?? '') : '';
    return { base: new URL('/', url.origin), challenges: parseChallenges(header) };
  }
}
