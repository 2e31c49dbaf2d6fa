import type { RestOfBody } from './resume.ts';
import { isRetryableStatus } from './retry.ts';
import type { Attempt, RawResponse } from './transport.ts';

/** A request that has already been sent: `HttpClient.fetch` starts with its response. */
export interface BegunRequest {
  /** Rejects as a first attempt fails. */
  readonly answer: Promise<RawResponse>;
}

/** Supplies the credentials for one origin. */
export interface Authorizer {
  /** Header lines for the next attempt. @throws the error of getting credentials */
  headers(signal: AbortSignal | undefined): Promise<Readonly<Record<string, string>>>;
  /**
   * Called when the origin answered 401 to these headers.
   * @returns true if another attempt would have better ones
   */
  onDenied(answer: ReadonlyMap<string, string>, signal: AbortSignal | undefined): Promise<boolean>;
}

/** One request. */
export interface HttpRequest {
  readonly url: string | URL;
  /** GET when omitted. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Body to send. One that can be sent again, bytes or a function that opens a source, is sent again after a 401 that `authorizer` can
   * answer and a redirect by 307 or 308; after a failure only if `attempts` allows it, because the server may have processed the first.
   */
  readonly content?: Uint8Array | AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);
  /** Credentials for the original origin. */
  readonly authorizer?: Authorizer | undefined;
  /**
   * The URL of a response that contained this URL. If the origins differ, the request is treated as after a redirect: without credentials,
   * and not to an address that only this host can reach.
   */
  readonly namedBy?: URL | undefined;
  /** A redirect to another origin is refused. */
  readonly staysHome?: boolean;
  /**
   * The requested range of an immutable body. The body of the response is exactly this range, whatever the server sends. `of` is the total
   * size, if known.
   */
  readonly range?: { readonly offset: number; readonly length: number; readonly of?: number };
  /** Called with the number of bytes that were transferred needlessly, because the server sent the body from its first byte. */
  readonly onSkipped?: (count: number) => void;
  /** Called each time the request is sent, also to resume after a break, but not for redirects. */
  readonly onSent?: () => void;
  /** Creates the error for a response that is not accepted, from its page, of which at most 64 KiB are read. */
  readonly onRefused?: (answer: HttpBytes, attempts: number) => unknown;
  /**
   * Accepted statuses; any other status is an error. `final` accepts all but those after which the same request may succeed, which are
   * repeated. Default: 200 only.
   */
  readonly accept?: readonly number[] | 'final' | 'any';
  /** A longer body is refused with RESPONSE_TOO_LARGE. */
  readonly maxBytes?: number;
  /**
   * True for one of many small objects: uses the fast transport if possible. A large object is also received, and resumed after a break by
   * the general transport.
   */
  readonly small?: boolean;
  /** 0 first … 3 last (default: 1). For the fast transport. */
  readonly priority?: number;
  /** The ETag (or, without one, Last-Modified) of a local copy: requests status 304 if the copy is current. */
  readonly ifChanged?: { readonly etag?: string; readonly lastModified?: string };
  /** Bypasses caches, after a corrupt copy. */
  readonly bypassCaches?: boolean;
  /** The bytes of the URL never change, so a broken transfer can be resumed without a validator. */
  readonly immutable?: boolean;
  /** Requests the bytes from an offset, if the copy still has this ETag of this origin. */
  readonly rest?: RestOfBody;
  /** The first attempt, if `ShortWay` sent it. */
  readonly begun?: BegunRequest | undefined;
  /** Number of attempts for this request (default: the policy of the client). */
  readonly attempts?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A response. `body` can be read once; leaving the loop early cancels the transfer. */
export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** URL after redirects. */
  readonly url: string;
  readonly sizeBytes: number | undefined;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A response with its complete body. */
export interface HttpBytes extends HttpResponse {
  readonly body: Uint8Array;
}

/** The original URL. */
export function urlOf({ url }: HttpRequest): URL {
  return typeof url === 'string' ? new URL(url) : url;
}

/** The method (default: GET). */
export function methodOf(request: HttpRequest): string {
  return request.method ?? 'GET';
}

/** True for a status that the caller accepts. */
export function isAccepted(request: HttpRequest, status: number): boolean {
  if (request.accept === 'any') return true;
  if (request.accept === 'final') return !isRetryableStatus(status);
  if (request.range !== undefined && (status === 206 || status === 416)) return true;
  return request.accept === undefined ? status === 200 : request.accept.includes(status);
}

/** True when the request can be sent more than once. */
export function isRepeatable({ content }: HttpRequest): boolean {
  return content === undefined || content instanceof Uint8Array || typeof content === 'function';
}

/**
 * One attempt at a request, at the original URL or at the target of a redirect.
 * @param common header lines of the client
 * @param foreign the original URL, if a redirect leads to another origin
 */
export function attemptOf(
  request: HttpRequest,
  url: URL,
  collectBytes: number,
  common: Readonly<Record<string, string>>,
  foreign: URL | undefined,
): Attempt {
  const { content } = request;
  return {
    method: methodOf(request),
    url,
    headers: headersOf(request, url, common, foreign),
    foreign,
    priority: request.priority ?? 1,
    collectBytes,
    maxBytes: request.maxBytes,
    signal: request.signal,
    content: typeof content === 'function' ? content() : content,
  };
}

/** Headers that a host may receive that the caller did not choose: only those about the requested bytes. */
const HEADERS_FOR_ALL: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'range']);

/** Headers of one attempt; those of the client and of the request are sent only to the original origin. */
function headersOf(
  request: HttpRequest,
  url: URL,
  common: Readonly<Record<string, string>>,
  foreign: URL | undefined,
): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries({ ...common, ...request.headers })) {
    const key = name.toLowerCase();
    if (foreign === undefined || HEADERS_FOR_ALL.has(key)) headers.set(key, value);
  }
  const { range, rest } = request;
  if (rest !== undefined) {
    headers.set('range', `bytes=${rest.offset}-${rest.end === undefined ? '' : rest.end - 1}`);
  } else if (range !== undefined) {
    headers.set('range', `bytes=${range.offset}-${range.offset + range.length - 1}`);
  }
  if (rest?.etag !== undefined && rest.origin === url.origin) headers.set('if-range', rest.etag);
  const { ifChanged } = request;
  if (ifChanged?.etag !== undefined) headers.set('if-none-match', ifChanged.etag);
  else if (ifChanged?.lastModified !== undefined) {
    headers.set('if-modified-since', ifChanged.lastModified);
  }
  if (request.bypassCaches === true) headers.set('cache-control', 'no-cache');
  return headers;
}
