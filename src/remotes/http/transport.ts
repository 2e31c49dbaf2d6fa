import { MAX_DRAIN_BYTES } from './limits.ts';
import type { ResponseHead } from './receiver.ts';

/** One attempt at one request, without retries and redirects. */
export interface Attempt {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names; values without line ends. */
  readonly headers: ReadonlyMap<string, string>;
  /**
   * The original URL, if a redirect leads to another origin. The target gets no client certificate, and must not be an address that only
   * this host can reach.
   */
  readonly foreign: URL | undefined;
  readonly priority: number;
  /** A body up to this size arrives as one array; 0 streams every body. */
  readonly collectBytes: number;
  /** A longer body is refused; undefined for no limit. */
  readonly maxBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Body to send; only the general transport sends one. */
  readonly content?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

/** A response as a transport delivers it. */
export interface RawResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Size of the body that the server states, in bytes. */
  readonly sizeBytes: number | undefined;
  /** The complete body if it was collected, otherwise a source to iterate once. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A road to servers. */
export interface Transport extends AsyncDisposable {
  /**
   * Sends one attempt and returns when its head has arrived, and the body, if it is collected.
   * @throws TransportError CONNECTION_LOST, PROTOCOL_BROKEN, RESPONSE_TOO_LARGE, TIMEOUT, TLS_UNTRUSTED; the reason of the signal
   */
  send(attempt: Attempt): Promise<RawResponse>;
}

/** A response in the form of the client. */
export function responseOf(
  { status, headers, contentLength }: ResponseHead,
  body: RawResponse['body'],
): RawResponse {
  return { status, headers, sizeBytes: contentLength, body };
}

/** @throws TypeError as `requireHeader` */
export function headerLines(headers: ReadonlyMap<string, string>): string {
  let lines = '';
  for (const [name, value] of headers) {
    requireHeader(name, value);
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** @throws TypeError for a name or value that could break out of its line, which is a bug of the caller */
export function requireHeader(name: string, value: string): void {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
    throw new TypeError(`Header "${name}" holds characters that no header may hold`);
  }
}

/** Reads and drops an unused body, up to a limit, so that its connection can be reused. */
export async function drain(response: RawResponse): Promise<void> {
  if (response.body instanceof Uint8Array) return;
  let length = 0;
  for await (const piece of response.body) {
    length += piece.length;
    if (length > MAX_DRAIN_BYTES) return;
  }
}

/** The first bytes of the page of an error, up to a limit. */
export async function readPage(response: RawResponse, limitBytes: number): Promise<Uint8Array> {
  const { body } = response;
  if (body instanceof Uint8Array) return body.subarray(0, limitBytes);
  const pieces: Uint8Array[] = [];
  let left = limitBytes;
  for await (const piece of body) {
    pieces.push(piece.subarray(0, left));
    left -= piece.length;
    if (left <= 0) break;
  }
  return Buffer.concat(pieces);
}
