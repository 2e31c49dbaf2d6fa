import { hasCode, type TransportError } from '#base/errors';
import type { BlobPiece, BlobPieces, ByteRange } from '#base/flow';
import {
  type HttpResponse,
  isRetryable,
  RangeBody,
  type RangeHead,
  readRangeHead,
  transportError,
} from '#remotes/http';
import type { AccessRequest, EndpointAccess } from './access.ts';
import { authorityOf } from './endpoint.ts';
import type { FailOver, Turn } from './fail-over.ts';
import { RANGES_AT_A_TIME, RANGES_PER_REQUEST_MAX } from './layout.ts';
import { requireIdentity } from './problem.ts';

/** Times that ranges are asked for again after nothing of them came. */
const FRUITLESS_MAX = 4;
/** Statuses with which servers refuse ranges or the length of their list. */
const REFUSALS = [400, 405, 413, 414, 416, 431, 501];

/** What ranges are asked of. */
export interface RangeSource {
  readonly sizeBytes: number;
  readonly endpoints: FailOver;
  /** Path and scopes of a request to an endpoint. */
  readonly requestTo: (access: EndpointAccess) => AccessRequest;
  readonly signal: AbortSignal | undefined;
  /** Bytes that were transferred, and how many of them were asked for. */
  readonly onBytes: (transferred: number, used: number) => void;
  /** The error for an endpoint that has no such blob. */
  readonly notFound: (access: EndpointAccess) => Error;
}

type Answer =
  | { readonly kind: 'whole'; readonly bytes: AsyncIterable<Uint8Array> }
  | {
      readonly kind: 'parts';
      readonly bytes: AsyncIterable<Uint8Array>;
      readonly reader: RangeBody;
    }
  | { readonly kind: 'refused'; readonly status: number };

/** Fetches ranges of a blob by the kind of request that the server supports, and resumes broken transfers. */
export class BlobRanges {
  readonly #source: RangeSource;

  constructor(source: RangeSource) {
    this.#source = source;
  }

  /** @throws TransportError RANGE_MISMATCH, as `EndpointAccess.send`; NotFoundError BLOB_NOT_FOUND */
  async read(ranges: readonly ByteRange[]): Promise<BlobPieces> {
    const turn = this.#source.endpoints.begin();
    for (;;) {
      try {
        const first = ranges.slice(0, this.#most(turn.access));
        const answer = await this.#ask(turn.access, first);
        if (answer.kind === 'whole') return { kind: 'whole', bytes: this.#counted(answer.bytes) };
        return { kind: 'ranges', pieces: this.#pieces(ranges, first, answer) };
      } catch (error) {
        turn.onFailure(error, this.#source.signal);
      }
    }
  }

  /** How many ranges one request may have. */
  #most(access: EndpointAccess): number {
    return access.rangeAbility === 'multi' ? RANGES_PER_REQUEST_MAX : 1;
  }

  /** The bytes of all ranges; `answer` is that to the first of them. */
  async *#pieces(
    ranges: readonly ByteRange[],
    first: readonly ByteRange[],
    answer: Answer,
  ): AsyncGenerator<BlobPiece> {
    const turn = this.#source.endpoints.begin();
    let missing = yield* this.#take(answer, first);
    const rest = ranges.slice(first.length);
    for (let fruitless = 0; missing.length > 0 || rest.length > 0; ) {
      const most = this.#most(turn.access);
      const lanes = most === 1 ? RANGES_AT_A_TIME : 1;
      const wanted = [...missing, ...rest.splice(0, Math.max(0, most * lanes - missing.length))];
      const before = bytesIn(wanted);
      missing = yield* this.#round(turn, wanted, { most, lanes });
      fruitless = bytesIn(missing) < before ? 0 : fruitless + 1;
      if (fruitless > FRUITLESS_MAX) throw this.#neverCame(turn.access, missing);
    }
  }

  /** Asks for ranges, several requests at a time where each has one; @returns what did not come */
  async *#round(
    turn: Turn,
    wanted: readonly ByteRange[],
    { most, lanes }: { readonly most: number; readonly lanes: number },
  ): AsyncGenerator<BlobPiece, ByteRange[]> {
    const { access } = turn;
    const groups: ByteRange[][] = [];
    for (let at = 0; at < wanted.length; at += most) groups.push(wanted.slice(at, at + most));
    const missing: ByteRange[] = [];
    for (let at = 0; at < groups.length; ) {
      // Until one range has come by itself, nobody knows whether the next would be the whole blob.
      const count = access.hasServedOne ? lanes : 1;
      const batch = groups.slice(at, at + count);
      const answers = batch.map((group) => settled(this.#ask(access, group)));
      at += batch.length;
      for (const [index, group] of batch.entries()) {
        const answer = await (answers[index] as Promise<Settled>);
        if ('answer' in answer) {
          missing.push(...(yield* this.#take(answer.answer, group)));
          if (answer.answer.kind !== 'refused') turn.onProgress();
          continue;
        }
        turn.onFailure(answer.error, this.#source.signal);
        missing.push(...group);
      }
    }
    return missing;
  }

  /** @returns the ranges that did not come */
  async *#take(
    answer: Answer,
    wanted: readonly ByteRange[],
  ): AsyncGenerator<BlobPiece, ByteRange[]> {
    if (answer.kind === 'refused') return [...wanted];
    if (answer.kind === 'whole') {
      let offset = 0;
      for await (const bytes of this.#counted(answer.bytes)) {
        yield { offset, bytes };
        offset += bytes.length;
      }
      return [];
    }
    const { onBytes, signal } = this.#source;
    let transferred = 0;
    let used = 0;
    try {
      for await (const piece of answer.bytes) {
        transferred += piece.length;
        for (const part of answer.reader.push(piece)) {
          used += part.bytes.length;
          yield part;
        }
      }
    } catch (error) {
      signal?.throwIfAborted();
      // What did not come is asked for again.
      if (!isRetryable(error) && !hasCode(error, 'RANGE_RESPONSE_INVALID')) throw error;
    } finally {
      onBytes(transferred, used);
    }
    return answer.reader.end();
  }

  /** One request. What it teaches of the server is remembered. @throws TransportError RANGE_MISMATCH when even one range is refused */
  async #ask(access: EndpointAccess, wanted: readonly ByteRange[]): Promise<Answer> {
    const { requestTo, sizeBytes, notFound, signal } = this.#source;
    const list = wanted.map(({ offset, length }) => `${offset}-${offset + length - 1}`);
    const answer = await access.send({
      ...requestTo(access),
      signal,
      headers: { range: `bytes=${list.join(',')}` },
      accept: [200, 206, 404, ...REFUSALS],
      immutable: true,
    });
    if (answer.status === 404) throw notFound(access);
    const isOne = wanted.length === 1;
    const head = this.#headOf(answer);
    const bytes = piecesOf(answer.body);
    if (head.kind === 'refused') {
      // Leaving the loop gives up the transfer of a body that is of no use.
      for await (const _ of bytes) break;
      access.onRanges(isOne ? 'none' : 'single');
      if (isOne) throw this.#refused(access, head.status);
      return head;
    }
    requireIdentity(answer, 'GET');
    if (head.kind === 'whole') {
      access.onRanges(isOne ? 'none' : 'single');
      return { kind: 'whole', bytes };
    }
    if (isOne) access.hasServedOne = true;
    else {
      const isPartOnly = head.kind === 'single' && !covers(head.range, wanted);
      access.onRanges(isPartOnly ? 'single' : 'multi');
    }
    return { kind: 'parts', bytes, reader: new RangeBody(head, wanted, sizeBytes) };
  }

  /** A 206 that does not say which bytes it brings is as good as a refusal. */
  #headOf({ status, headers }: HttpResponse): RangeHead {
    try {
      return readRangeHead(status, headers, this.#source.sizeBytes);
    } catch (error) {
      if (!hasCode(error, 'RANGE_RESPONSE_INVALID')) throw error;
      return { kind: 'refused', status };
    }
  }

  async *#counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.#source.onBytes(piece.length, piece.length);
      yield piece;
    }
  }

  #refused(access: EndpointAccess, status: number): TransportError {
    return this.#mismatch(access, 'a range of the blob', `status ${status}`);
  }

  #neverCame(access: EndpointAccess, [first]: readonly ByteRange[]): TransportError {
    const expected = `the bytes from ${first?.offset} on`;
    return this.#mismatch(access, expected, `none in ${FRUITLESS_MAX + 1} answers`);
  }

  #mismatch(access: EndpointAccess, expected: string, found: string): TransportError {
    const { path } = this.#source.requestTo(access);
    const { endpoint } = access;
    const url = `https://${authorityOf(endpoint)}/v2/${endpoint.repository}/${path}`;
    const problem = `expected ${expected}, found ${found}`;
    const extras = { retryable: false, details: { expected, found } };
    return transportError('RANGE_MISMATCH', { url, method: 'GET' }, problem, extras);
  }
}

type Settled = { readonly answer: Answer } | { readonly error: unknown };

function settled(asking: Promise<Answer>): Promise<Settled> {
  return asking.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
}

/** One range in answer to several: right when the server joined them. */
function covers(range: ByteRange, wanted: readonly ByteRange[]): boolean {
  const end = range.offset + range.length;
  return wanted.every(({ offset, length }) => offset >= range.offset && offset + length <= end);
}

function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

/** The body of an answer in pieces. */
export async function* piecesOf(
  body: Uint8Array | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}
