import { FormatError } from '#base/errors';
import { MAX_INTERIM_HEADS } from '../progress.ts';
import type { ResponseHead } from '../receiver.ts';
import {
  MAX_CHUNK_LINE_BYTES,
  MAX_CHUNK_SIZE_DIGITS,
  MAX_EXCESS_CHUNK_BYTES,
  MAX_HEAD_BYTES,
  MAX_TRAILER_BYTES,
} from './limits.ts';

/** The head of a response, and whether its connection stays open. */
export interface KeptHead extends ResponseHead {
  /** True if another response may follow on this connection. */
  readonly keepAlive: boolean;
}

/** Receives the events of a parser, for each response: one `onHead`, any `onBody`, one `onEnd`. */
export interface ResponseEvents {
  onHead(head: KeptHead): void;
  /** `piece` is a view that is valid only during the call. */
  onBody(piece: Uint8Array): void;
  onEnd(): void;
}

const LF = 10;
const CR = 13;
const EMPTY = new Uint8Array(0);
/** A header line: a token, a colon, and a value without CR, LF and NUL. Source: RFC 9110 5.5, 5.6.2. */
const HEADER_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r?$/;

type State =
  | 'head'
  | 'fixed'
  | 'until-close'
  | 'size'
  | 'chunk'
  | 'chunk-end'
  | 'trailer'
  | 'closed';

/**
 * HTTP/1.1 response machine without I/O (RFC 9112): push pieces as they arrive, call `close` when the peer ends the stream. Every request
 * must be announced by `expect` before its response arrives, because the method decides whether a body follows. It is strict where two
 * lenient readers could disagree: both framings at once, two different lengths, folded headers and spaces before a colon are refused.
 */
export class ResponseParser {
  readonly #events: ResponseEvents;
  readonly #methods: string[] = [];
  #state: State = 'head';
  #held: Uint8Array = EMPTY;
  #heldLength = 0;
  #remaining = 0;
  #keepAlive = true;
  #consumed = 0;
  /** Number of heads with status 1xx since the last final head. */
  #interim = 0;
  /** Bytes of chunk lines in excess of the bytes of chunks. */
  #excessBytes = 0;
  #trailerBytes = 0;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** Announces the response to one more request with this method. */
  expect(method: string): void {
    this.#methods.push(method);
  }

  /** True if no response is incomplete. */
  get atBoundary(): boolean {
    return (this.#state === 'head' && this.#heldLength === 0) || this.#state === 'closed';
  }

  /** @throws FormatError RESPONSE_MALFORMED; the connection must then be closed */
  push(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      const next = this.#step(piece, at);
      this.#consumed += next - at;
      at = next;
    }
  }

  /**
   * Called when the peer ends the stream.
   * @returns false if a response is incomplete
   */
  close(): boolean {
    if (this.#state !== 'until-close') return this.atBoundary;
    this.#finish();
    return true;
  }

  #step(piece: Uint8Array, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(piece, at);
      case 'fixed':
      case 'chunk':
        return this.#readCounted(piece, at);
      case 'until-close':
        this.#events.onBody(at === 0 ? piece : piece.subarray(at));
        return piece.length;
      case 'size':
        return this.#readLine(piece, at, (line) => this.#startChunk(line));
      case 'chunk-end':
        return this.#readLine(piece, at, (line) => {
          if (line !== '') this.#fail('a line end after a chunk', line);
          this.#state = 'size';
        });
      case 'trailer':
        return this.#readLine(piece, at, (line) => this.#readTrailer(line));
      case 'closed':
        // The last response is complete; further data of the peer before the close is ignored.
        return piece.length;
    }
  }

  #readCounted(piece: Uint8Array, at: number): number {
    const end = Math.min(piece.length, at + this.#remaining);
    this.#remaining -= end - at;
    const fixed = this.#state === 'fixed';
    this.#events.onBody(at === 0 && end === piece.length ? piece : piece.subarray(at, end));
    if (this.#remaining === 0) {
      if (fixed) this.#finish();
      else this.#state = 'chunk-end';
    }
    return end;
  }

  #readHead(piece: Uint8Array, at: number): number {
    if (this.#methods.length === 0) {
      this.#fail('no response without a request', `${piece.length - at} bytes`);
    }
    // Fast path without buffered bytes: a head within one piece costs one scan and one decode.
    const end = this.#heldLength === 0 ? headEnd(piece, at) : -1;
    if (end >= 0 && end - at <= MAX_HEAD_BYTES) {
      this.#startResponse(latin1(piece, at, end));
      return end;
    }
    return this.#readHeldHead(piece, at);
  }

  #readHeldHead(piece: Uint8Array, at: number): number {
    const before = this.#heldLength;
    const take = Math.min(piece.length - at, MAX_HEAD_BYTES - before);
    this.#hold(piece.subarray(at, at + take));
    const end = headEnd(this.#held.subarray(0, this.#heldLength), 0, Math.max(0, before - 3));
    if (end < 0) {
      if (this.#heldLength >= MAX_HEAD_BYTES) {
        this.#fail(`at most ${MAX_HEAD_BYTES} bytes of headers`, 'more');
      }
      return at + take;
    }
    const text = latin1(this.#held, 0, end);
    this.#heldLength = 0;
    this.#startResponse(text);
    return at + end - before;
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#heldLength + bytes.length;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(1024, length * 2));
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldLength);
    this.#heldLength = length;
  }

  #readLine(piece: Uint8Array, at: number, use: (line: string) => void): number {
    const lf = piece.indexOf(LF, at);
    const end = lf < 0 ? piece.length : lf + 1;
    if (this.#heldLength + end - at > MAX_CHUNK_LINE_BYTES) {
      this.#fail(`at most ${MAX_CHUNK_LINE_BYTES} bytes of chunk line`, 'more');
    }
    if (lf < 0 || this.#heldLength > 0) this.#hold(piece.subarray(at, end));
    if (lf < 0) return end;
    const held = this.#heldLength > 0;
    const line = held ? latin1(this.#held, 0, this.#heldLength) : latin1(piece, at, end);
    this.#heldLength = 0;
    use(line.replace(/\r?\n$/, ''));
    return end;
  }

  #readTrailer(line: string): void {
    this.#trailerBytes += line.length;
    if (this.#trailerBytes > MAX_TRAILER_BYTES) {
      this.#fail(`at most ${MAX_TRAILER_BYTES} bytes of trailers`, 'more');
    }
    if (line === '') this.#finish();
  }

  #startChunk(line: string): void {
    const digits = /^([0-9a-fA-F]+)[ \t]*(?:;[^\r\n]*)?$/.exec(line)?.[1]?.replace(/^0+(?=.)/, '');
    if (digits === undefined || digits.length > MAX_CHUNK_SIZE_DIGITS) {
      this.#fail('a chunk size in hex', line);
    }
    this.#remaining = Number.parseInt(digits, 16);
    this.#excessBytes = Math.max(0, this.#excessBytes + line.length - this.#remaining);
    if (this.#excessBytes > MAX_EXCESS_CHUNK_BYTES) {
      this.#fail(`at most ${MAX_EXCESS_CHUNK_BYTES} bytes of chunk lines beyond the body`, 'more');
    }
    this.#state = this.#remaining === 0 ? 'trailer' : 'chunk';
  }

  #startResponse(text: string): void {
    const { status, version, headers } = this.#parseHead(text);
    if (status < 200) {
      if (status === 101) this.#fail('no protocol switch', 'status 101');
      if (++this.#interim > MAX_INTERIM_HEADS) {
        this.#fail(`at most ${MAX_INTERIM_HEADS} interim heads`, 'more');
      }
      return;
    }
    this.#interim = 0;
    this.#excessBytes = 0;
    this.#trailerBytes = 0;
    const method = this.#methods.shift();
    const chunked = this.#isChunked(headers);
    const declared = this.#declaredLength(headers);
    if (chunked !== undefined && declared !== undefined) {
      this.#fail('one body framing', 'both content-length and transfer-encoding');
    }
    const bodiless = method === 'HEAD' || status === 204 || status === 304;
    const untilClose = !bodiless && chunked !== true && declared === undefined;
    this.#keepAlive = !untilClose && isKeptAlive(version, headers.get('connection'));
    const contentLength = bodiless ? 0 : untilClose || chunked === true ? undefined : declared;
    this.#remaining = contentLength ?? 0;
    this.#state = untilClose ? 'until-close' : chunked === true && !bodiless ? 'size' : 'fixed';
    this.#events.onHead({ status, headers, contentLength, keepAlive: this.#keepAlive });
    if (contentLength === 0) this.#finish();
  }

  #parseHead(text: string): { status: number; version: string; headers: Map<string, string> } {
    const lines = text.split('\n');
    const statusLine = /^HTTP\/(1\.[01]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r?$/.exec(lines[0] ?? '');
    if (statusLine === null) this.#fail('an HTTP/1.1 status line', (lines[0] ?? '').trimEnd());
    const headers = new Map<string, string>();
    for (let index = 1; index < lines.length; index++) {
      const line = lines[index] as string;
      if (line === '' || line === '\r') continue;
      const colon = line.indexOf(':');
      if (!HEADER_LINE.test(line)) this.#fail('a header line', line.trimEnd());
      const name = line.slice(0, colon).toLowerCase();
      const before = headers.get(name);
      const value = line.slice(colon + 1).trim();
      headers.set(name, before === undefined ? value : `${before}, ${value}`);
    }
    return { status: Number(statusLine[2]), version: statusLine[1] as string, headers };
  }

  /** True: chunked; false: another coding, so the body ends with the connection; undefined: no such header. */
  #isChunked(headers: ReadonlyMap<string, string>): boolean | undefined {
    const value = headers.get('transfer-encoding');
    if (value === undefined) return undefined;
    const codings = value.toLowerCase().split(/[ \t]*,[ \t]*/);
    if (codings.length !== 1 || codings[0] !== 'chunked') {
      this.#fail('transfer-encoding chunked', value);
    }
    return true;
  }

  #declaredLength(headers: ReadonlyMap<string, string>): number | undefined {
    const value = headers.get('content-length');
    if (value === undefined) return undefined;
    const lengths = new Set(value.split(/[ \t]*,[ \t]*/));
    const first = [...lengths][0] ?? '';
    const length = Number(first);
    if (lengths.size !== 1 || !/^[0-9]+$/.test(first) || !Number.isSafeInteger(length)) {
      this.#fail('one content-length', value);
    }
    return length;
  }

  #finish(): void {
    this.#state = this.#keepAlive ? 'head' : 'closed';
    this.#events.onEnd();
  }

  #fail(expected: string, found: string): never {
    throw new FormatError(
      'RESPONSE_MALFORMED',
      `Cannot read HTTP response: expected ${expected}, found "${found.slice(0, 200)}"`,
      { offset: this.#consumed, what: 'HTTP response' },
    );
  }
}

/** Offset just after the empty line that ends a head, or -1; `from` skips bytes known to hold no end. */
function headEnd(bytes: Uint8Array, start: number, from = start): number {
  for (let lf = bytes.indexOf(LF, from); lf >= 0; lf = bytes.indexOf(LF, lf + 1)) {
    if (bytes[lf + 1] === LF) return lf + 2;
    if (bytes[lf + 1] === CR && bytes[lf + 2] === LF) return lf + 3;
  }
  return -1;
}

function isKeptAlive(version: string, connection: string | undefined): boolean {
  const options = connection === undefined ? '' : connection.toLowerCase();
  if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/.test(options)) return false;
  return version === '1.1' || /(?:^|,)[ \t]*keep-alive[ \t]*(?:,|$)/.test(options);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
