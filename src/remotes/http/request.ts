import type { RestOfBody } from './resume.ts';
import type { Attempt, RawResponse } from './transport.ts';

/** A request that was sent already: `HttpClient.fetch` begins with its answer. */
export interface BegunRequest {
  /** Rejects as a first attempt fails. */
  readonly answer: Promise<RawResponse>;
}

/** Knows the credentials for one origin. */
export interface Authorizer {
  /** Header lines for the next attempt. @throws what stands in the way of getting credentials */
  headers(signal: AbortSignal | undefined): Promise<Readonly<Record<string, string>>>;
  /**
   * The origin answered 401 to these headers.
   * @returns true when another attempt would have better ones
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
   * Body to send. One that can be sent again, bytes or a function that opens a source, is sent again after a 401 that
   * `authorizer` can answer and a redirect by 307 or 308; after a failure only when `attempts` says so, because a server
   * may have taken the first.
   */
  readonly content?: Uint8Array | AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);
  /** Credentials for the origin that is asked first. */
  readonly authorizer?: Authorizer | undefined;
  /**
   * The URL of an answer that named this one. When the two are of different origins, this request carries no more than
   * one after a redirect: no credentials, and no place that only this host can reach.
   */
  readonly namedBy?: URL | undefined;
  /** A redirect to another origin is refused. */
  readonly staysHome?: boolean;
  /**
   * The part of the body that is wanted, of bytes that never change. The body is exactly this part, whatever the server
   * sends. `of` is the size of the whole, where it is known.
   */
  readonly range?: { readonly offset: number; readonly length: number; readonly of?: number };
  /** Told how many bytes of a body were transferred in vain, because the server sent it from its first byte. */
  readonly onSkipped?: (count: number) => void;
  /** Told of each time that the request is sent, also to go on after a break; redirects that are followed are not told. */
  readonly onSent?: () => void;
  /** Makes the error for an answer that is not accepted, from its page, of which at most 64 KiB are read. */
  readonly onRefused?: (answer: HttpBytes, attempts: number) => unknown;
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
  if (request.range !== undefined && (status === 206 || status === 416)) return true;
  return request.accept === undefined ? status === 200 : request.accept.includes(status);
}

/** True when the request can be sent more than once. */
export function isRepeatable({ content }: HttpRequest): boolean {
  return content === undefined || content instanceof Uint8Array || typeof content === 'function';
}

/**
 * One attempt at a request, at the URL asked first or one that a redirect led to.
 * @param common header lines of the client
 * @param foreign the URL asked first, when a redirect has led to another origin
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

/** What a host that was not asked by the caller may be told: which bytes are wanted, and how. */
const HEADERS_FOR_ALL: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'range']);

/** Headers of one attempt; those of the client and of the request belong to the origin that was asked first. */
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
