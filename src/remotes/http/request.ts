import type { RestOfBody } from './resume.ts';
import type { Attempt, RawResponse } from './transport.ts';

/** A request that was sent already: `HttpClient.fetch` begins with its answer. */
export interface BegunRequest {
  /** Rejects as a first attempt fails. */
  readonly answer: Promise<RawResponse>;
}

/** One request. */
export interface HttpRequest {
  readonly url: string | URL;
  /** GET when omitted. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Body to send. A source can be sent only once, so the request is then not repeated. */
  readonly content?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Statuses that are an answer; any other is an error. Default: 200 only. */
  readonly accept?: readonly number[] | 'any';
  /** A longer body is refused with RESPONSE_TOO_LARGE. */
  readonly maxBytes?: number;
  /**
   * One of many small objects: takes the fast road where it leads. An object that turns out to be large still arrives, and
   * goes on after a break by the other road.
   */
  readonly small?: boolean;
  /** 0 first … 3 last; 1 when omitted. Meant for the fast road. */
  readonly priority?: number;
  /** The ETag (or, without one, Last-Modified) of a copy at hand: asks for 304 when it is current. */
  readonly ifChanged?: { readonly etag?: string; readonly lastModified?: string };
  /** Asks caches on the way for a fresh copy, after a corrupt one. */
  readonly bypassCaches?: boolean;
  /** The bytes behind the URL never change, so a broken transfer may go on where it stopped without a validator. */
  readonly immutable?: boolean;
  /** Asks for the bytes from an offset on, as long as the copy is the one with this ETag, which this origin gave it. */
  readonly rest?: RestOfBody;
  /** The first attempt, when `ShortWay` made it. */
  readonly begun?: BegunRequest | undefined;
  /** Attempts for this request; the policy of the client when omitted. */
  readonly attempts?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A response. `body` can be read once; leaving the loop early gives the transfer up. */
export interface HttpResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** URL after redirects. */
  readonly url: string;
  readonly sizeBytes: number | undefined;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A response whose body was read whole. */
export interface HttpBytes extends HttpResponse {
  readonly body: Uint8Array;
}

/** The URL that is asked first. */
export function urlOf({ url }: HttpRequest): URL {
  return typeof url === 'string' ? new URL(url) : url;
}

/** GET where the request names none. */
export function methodOf(request: HttpRequest): string {
  return request.method ?? 'GET';
}

/** True for a status that the caller takes as an answer. */
export function isAccepted(request: HttpRequest, status: number): boolean {
  if (request.accept === 'any') return true;
  return request.accept === undefined ? status === 200 : request.accept.includes(status);
}

/**
 * One attempt at a request, at the URL asked first or one that a redirect led to.
 * @param common header lines of the client
 * @param foreign true when a redirect has led to another origin than the first
 */
export function attemptOf(
  request: HttpRequest,
  url: URL,
  collectBytes: number,
  common: Readonly<Record<string, string>>,
  foreign: boolean,
): Attempt {
  return {
    method: methodOf(request),
    url,
    headers: headersOf(request, url, common, foreign),
    foreign,
    priority: request.priority ?? 1,
    collectBytes,
    maxBytes: request.maxBytes,
    signal: request.signal,
    content: request.content,
  };
}

/** What a host that was not asked by the caller may be told: which bytes are wanted, and how. */
const HEADERS_FOR_ALL: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'range']);

/** Headers of one attempt; those of the client and of the request belong to the origin that was asked first. */
function headersOf(
  request: HttpRequest,
  url: URL,
  common: Readonly<Record<string, string>>,
  foreign: boolean,
): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries({ ...common, ...request.headers })) {
    const key = name.toLowerCase();
    if (!foreign || HEADERS_FOR_ALL.has(key)) headers.set(key, value);
  }
  const { rest } = request;
  if (rest !== undefined) headers.set('range', `bytes=${rest.offset}-`);
  if (rest?.etag !== undefined && rest.origin === url.origin) headers.set('if-range', rest.etag);
  const { ifChanged } = request;
  if (ifChanged?.etag !== undefined) headers.set('if-none-match', ifChanged.etag);
  else if (ifChanged?.lastModified !== undefined) {
    headers.set('if-modified-since', ifChanged.lastModified);
  }
  if (request.bypassCaches === true) headers.set('cache-control', 'no-cache');
  return headers;
}
