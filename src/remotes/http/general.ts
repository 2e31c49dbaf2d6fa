import type { Agent, Dispatcher } from 'undici';
import { isTrustFailure, tooLarge, transportError } from './errors.ts';
import { type ProxySettings, proxyFor } from './proxy.ts';
import { type Attempt, type RawResponse, requireHeader, type Transport } from './transport.ts';

/** Material for TLS, as PEM text; undefined members mean the system's choice. */
export interface TlsSettings {
  /** Trust anchors that replace the system's. */
  readonly caPem?: string | undefined;
  readonly certPem?: string | undefined;
  readonly keyPem?: string | undefined;
  /** Accepts any certificate. For tests and for remotes whose content is verified by signatures. */
  readonly permissive?: boolean | undefined;
}

/** Settings of the general transport. */
export interface GeneralSettings {
  readonly userAgent: string;
  readonly tls: TlsSettings;
  readonly proxy: ProxySettings;
  readonly connectTimeoutMs: number;
  readonly noDataTimeoutMs: number;
  readonly maxConnections: number;
}

/**
 * The road for everything but many small objects: large bodies, registries, proxies, client certificates, other hosts
 * after a redirect, requests with a body. undici is loaded at the first use.
 */
export class GeneralTransport implements Transport {
  readonly #settings: GeneralSettings;
  readonly #agents = new Map<string, Promise<Dispatcher>>();

  constructor(settings: GeneralSettings) {
    this.#settings = settings;
  }

  async send(attempt: Attempt): Promise<RawResponse> {
    for (const [name, value] of attempt.headers) requireHeader(name, value);
    const { request } = await import('undici');
    const { signal } = attempt;
    try {
      const response = await request(attempt.url, {
        method: attempt.method as Dispatcher.HttpMethod,
        dispatcher: await this.#agentFor(attempt),
        headers: { 'user-agent': this.#settings.userAgent, ...Object.fromEntries(attempt.headers) },
        ...(attempt.content === undefined ? {} : { body: bodyOf(attempt.content) }),
        ...(signal === undefined ? {} : { signal }),
      } as Parameters<typeof request>[1]);
      return await this.#accept(attempt, response);
    } catch (error) {
      throw this.#wrap(attempt, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await (await agent).destroy();
    this.#agents.clear();
  }

  async #accept(
    attempt: Attempt,
    response: Dispatcher.ResponseData<unknown>,
  ): Promise<RawResponse> {
    const headers = new Map<string, string>();
    for (const [name, value] of Object.entries(response.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    const declared = Number(headers.get('content-length') ?? Number.NaN);
    const sizeBytes =
      attempt.method === 'HEAD' ? 0 : Number.isSafeInteger(declared) ? declared : undefined;
    const raw = { status: response.statusCode, headers, sizeBytes };
    const body = this.#pieces(attempt, response);
    if (
      attempt.collectBytes === 0 ||
      (sizeBytes ?? Number.POSITIVE_INFINITY) > attempt.collectBytes
    ) {
      if (sizeBytes !== undefined && sizeBytes > 0) return { ...raw, body };
    }
    return { ...raw, body: await collect(body, attempt.collectBytes) };
  }

  async *#pieces(
    attempt: Attempt,
    response: Dispatcher.ResponseData<unknown>,
  ): AsyncGenerator<Uint8Array> {
    const limitBytes = attempt.maxBytes ?? Number.POSITIVE_INFINITY;
    let length = 0;
    try {
      for await (const piece of response.body as AsyncIterable<Uint8Array>) {
        length += piece.length;
        if (length > limitBytes) {
          if (response.statusCode >= 300) return;
          throw tooLarge({ url: attempt.url.href, method: attempt.method }, limitBytes);
        }
        yield piece;
      }
    } catch (error) {
      throw this.#wrap(attempt, error);
    }
  }

  #agentFor({ url, foreign }: Attempt): Promise<Dispatcher> {
    const proxy = proxyFor(this.#settings.proxy, url) ?? '';
    // A client certificate is shown to the origin that was asked, as any other credential.
    const key = `${foreign ? 'foreign' : url.origin} ${proxy}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = this.#createAgent(proxy, !foreign);
      this.#agents.set(key, agent);
    }
    return agent;
  }

  async #createAgent(proxy: string, isAsked: boolean): Promise<Dispatcher> {
    const { Agent, ProxyAgent } = await import('undici');
    const { tls, connectTimeoutMs, noDataTimeoutMs, maxConnections } = this.#settings;
    const trust = {
      ...(tls.caPem === undefined ? {} : { ca: tls.caPem }),
      rejectUnauthorized: tls.permissive !== true,
    };
    const secure = {
      ...trust,
      ...(isAsked && tls.certPem !== undefined ? { cert: tls.certPem } : {}),
      ...(isAsked && tls.keyPem !== undefined ? { key: tls.keyPem } : {}),
    };
    const common: Agent.Options = {
      headersTimeout: noDataTimeoutMs,
      bodyTimeout: noDataTimeoutMs,
      connections: maxConnections,
      connect: { ...secure, timeout: connectTimeoutMs },
    };
    return proxy === ''
      ? new Agent(common)
      : new ProxyAgent({ ...common, uri: proxy, requestTls: secure, proxyTls: trust });
  }

  #wrap(attempt: Attempt, error: unknown): unknown {
    attempt.signal?.throwIfAborted();
    if (!(error instanceof Error) || 'kind' in error) return error;
    const context = { url: attempt.url.href, method: attempt.method };
    const code = (error as { code?: string }).code ?? error.name;
    if (isTrustFailure(code)) {
      return transportError(
        'TLS_UNTRUSTED',
        context,
        `the certificate was not accepted (${code})`,
        {
          retryable: false,
          cause: error,
        },
      );
    }
    if (/^UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT$/.test(code)) {
      return transportError('TIMEOUT', context, `no data in time (${code})`, {
        retryable: true,
        cause: error,
      });
    }
    if (/^HPE_|^HTTPParserError$/.test(code)) {
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

async function collect(
  body: AsyncGenerator<Uint8Array>,
  collectBytes: number,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let next = await body.next(); next.done !== true; next = await body.next()) {
    pieces.push(next.value);
    length += next.value.length;
    if (length > collectBytes) return resumeWith(pieces, body);
  }
  return Buffer.concat(pieces);
}

async function* resumeWith(
  pieces: readonly Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

function bodyOf(
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Dispatcher.DispatchOptions['body'] {
  return content as Dispatcher.DispatchOptions['body'];
}
