/**
 * HTTP for object stores: one client, two roads. The fast one is our own, for many small GETs over kept HTTP/1.1
 * connections; undici does everything else (large bodies, redirects, proxies, client certificates, uploads).
 *
 *     request ─▶ retries ─▶ redirects ─┬─ small ─▶ fast/: queue, limit, connections, response machine
 *         ▲                            └─ else ──▶ general.ts: undici
 *         └──────── resume at a byte ◀─ body
 */
export { requireReachable } from './address.ts';
export { HttpClient, type HttpClientOptions } from './client.ts';
export { isRetryable, type TransportContext, transportError } from './errors.ts';
export { type KeptHead, type ResponseEvents, ResponseParser } from './fast/parser.ts';
export type { ShortReceiver, ShortWay } from './fast/short.ts';
export type { Resolve, TlsSettings } from './general.ts';
export { type ProxySettings, proxyFor, proxyFromEnvironment } from './proxy.ts';
export { RangeBody, type RangeBodyHead } from './ranges/range-body.ts';
export { type RangeHead, readRangeHead } from './ranges/range-head.ts';
export { redactUrl } from './redact.ts';
export type {
  Authorizer,
  BegunRequest,
  HttpBytes,
  HttpRequest,
  HttpResponse,
} from './request.ts';
export { parseRetryAfter, type RetryPolicy } from './retry.ts';
