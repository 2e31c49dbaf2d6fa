/**
 * HTTP for object stores: one client with a fast path of its own for many small GETs over kept HTTP/1.1 connections, and
 * undici behind it for everything unusual (proxies, client certificates, uploads, other hosts after a redirect).
 *
 *     request -> retry loop -> redirects -> usual? -> origin: queue, limiter, connections -> response machine
 *                                        -> else   -> undici
 */
export { HttpClient, type HttpClientOptions } from './client.ts';
export { isRetryable, type TransportContext, transportError } from './errors.ts';
export type { TlsSettings } from './general.ts';
export { type ResponseEvents, type ResponseHead, ResponseParser } from './parser.ts';
export { type ProxySettings, proxyFor, proxyFromEnvironment } from './proxy.ts';
export { redactUrl } from './redact.ts';
export type { HttpBytes, HttpRequest, HttpResponse } from './request.ts';
export { parseRetryAfter, type RetryPolicy } from './retry.ts';
export type { BegunRequest, ShortReceiver, ShortWay } from './short.ts';
