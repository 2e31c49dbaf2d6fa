import type { ContentDigest } from '#base/digest';
import { hasCode, NotFoundError, type TransportError } from '#base/errors';
import {
  type BlobPiece,
  type BlobPieces,
  type BlobReadOptions,
  type ByteRange,
  type RemoteBlob,
  type Traffic,
  verifySize,
} from '#base/flow';
import { parseLayerType } from '#formats/oci';
import {
  type HttpResponse,
  isRetryable,
  RangeBody,
  type RangeHead,
  readRangeHead,
} from '#remotes/http';
import type { EndpointAccess } from './access.ts';
import { authorityOf } from './endpoint.ts';
import type { FailOver } from './fail-over.ts';
import { RANGES_PER_REQUEST_MAX, SMALL_ANSWER_MAX_BYTES } from './layout.ts';
import { brokenAnswer, requireIdentity } from './problem.ts';
import { repositoryScopes } from './scope.ts';

/** Identifies a blob of a registry, for example a descriptor. */
export interface BlobName {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly mediaType?: string;
  /** URLs of a foreign layer, which is not stored in registries because of its licence; used last, and without credentials. */
  readonly urls?: readonly string[];
}

/** A running count of what was transferred. */
export type TrafficCount = { -readonly [Key in keyof Traffic]: Traffic[Key] };

/** Number of further requests for ranges after a request without progress. */
const FRUITLESS_MAX = 4;

/** A blob of a repository. A broken transfer is resumed at the same endpoint and, if that fails, at the next one from the same byte. */
export class RegistryBlob implements RemoteBlob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly #foreignUrls: readonly string[];
  readonly #endpoints: FailOver;
  readonly #onTraffic: (part: Partial<Traffic>) => void;
  readonly #traffic: TrafficCount = { requests: 0, bodyBytes: 0, skippedBytes: 0 };

  /** @param onTraffic called for each request and for received bytes */
  constructor(
    name: BlobName,
    endpoints: FailOver,
    onTraffic: (part: Partial<Traffic>) => void = () => {},
  ) {
    this.digest = name.digest;
    this.sizeBytes = name.sizeBytes;
    const isForeign = parseLayerType(name.mediaType ?? '')?.foreign === true;
    this.#foreignUrls = isForeign ? (name.urls ?? []).filter(isWebUrl) : [];
    this.#endpoints = endpoints;
    this.#onTraffic = onTraffic;
  }

  get traffic(): Traffic {
    return this.#traffic;
  }

  /**
   * Called if the bytes do not match the digest: from now on, the first endpoint is used last.
   * @returns false if there is no other
   */
  distrust(): boolean {
    return this.#endpoints.demote();
  }

  /** @throws NotFoundError BLOB_NOT_FOUND; IntegrityError BLOB_SIZE_MISMATCH; TransportError as `EndpointAccess.send`, RANGE_MISMATCH, REGISTRY_ANSWER_INVALID */
  async *read(
    options: BlobReadOptions & { readonly offset?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    const { signal } = options;
    let offset = options.offset ?? 0;
    const turn = this.#endpoints.begin();
    while (offset < this.sizeBytes) {
      const { access } = turn;
      const before = offset;
      try {
        for await (const piece of this.#from(access, offset, this.sizeBytes - offset, signal)) {
          offset += piece.length;
          turn.onProgress();
          yield piece;
        }
        if (offset === before) throw this.#empty(access);
      } catch (error) {
        turn.onFailure(error, signal);
      }
    }
  }

  async readRanges(
    ranges: readonly ByteRange[],
    options: BlobReadOptions = {},
  ): Promise<BlobPieces> {
    const { signal } = options;
    const turn = this.#endpoints.begin();
    for (;;) {
      const { access } = turn;
      try {
        // Also if several ranges are refused, to detect a server that answers one range with the complete blob.
        const first = ranges.slice(0, access.mayAskSeveral ? RANGES_PER_REQUEST_MAX : 1);
        const answer = await this.#several(access, first, signal);
        if (answer?.kind === 'whole') {
          return { kind: 'whole', bytes: this.#counted(answer.bytes) };
        }
        return { kind: 'ranges', pieces: this.#pieces(ranges, first, answer, signal) };
      } catch (error) {
        turn.onFailure(error, signal);
      }
    }
  }

  /** The bytes of all ranges, after the response to the first request has arrived. */
  async *#pieces(
    ranges: readonly ByteRange[],
    first: readonly ByteRange[],
    answer: RangesAnswer | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<BlobPiece> {
    let missing = yield* this.#take(answer, first, signal);
    const rest = ranges.slice(first.length);
    const turn = this.#endpoints.begin();
    for (let fruitless = 0; missing.length > 0 || rest.length > 0; ) {
      const room = RANGES_PER_REQUEST_MAX - missing.length;
      const wanted = [...missing, ...rest.splice(0, Math.max(0, room))];
      if (fruitless >= FRUITLESS_MAX || wanted.length === 1 || !turn.access.mayAskSeveral) {
        yield* this.#oneByOne(wanted, signal);
        missing = [];
        continue;
      }
      try {
        const next = await this.#several(turn.access, wanted, signal);
        missing = yield* this.#take(next, wanted, signal);
        fruitless = bytesIn(missing) < bytesIn(wanted) ? 0 : fruitless + 1;
      } catch (error) {
        turn.onFailure(error, signal);
        missing = wanted;
        fruitless++;
      }
    }
  }

  async *#oneByOne(
    wanted: readonly ByteRange[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<BlobPiece> {
    for (const range of wanted) {
      const turn = this.#endpoints.begin();
      const end = range.offset + range.length;
      for (let offset = range.offset; offset < end; ) {
        const before = offset;
        try {
          for await (const bytes of this.#from(turn.access, offset, end - offset, signal)) {
            yield { offset, bytes };
            offset += bytes.length;
            turn.onProgress();
          }
          if (offset === before) throw this.#empty(turn.access);
        } catch (error) {
          turn.onFailure(error, signal);
        }
      }
    }
  }

  /** @returns the missing ranges */
  async *#take(
    answer: RangesAnswer | undefined,
    wanted: readonly ByteRange[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<BlobPiece, ByteRange[]> {
    if (answer === undefined) return [...wanted];
    const reader =
      answer.kind === 'whole'
        ? new RangeBody(this.#wholeHead(), wanted, this.sizeBytes)
        : answer.reader;
    let transferred = 0;
    let used = 0;
    try {
      for await (const piece of answer.bytes) {
        transferred += piece.length;
        for (const part of reader.push(piece)) {
          used += part.bytes.length;
          yield part;
        }
        if (answer.kind === 'whole' && reader.end().length === 0) break;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // Missing ranges are requested again.
      if (!isRetryable(error) && !hasCode(error, 'RANGE_RESPONSE_INVALID')) throw error;
    } finally {
      this.#count({ bodyBytes: used, skippedBytes: transferred - used });
    }
    return reader.end();
  }

  #wholeHead() {
    return { kind: 'single', range: { offset: 0, length: this.sizeBytes } } as const;
  }

  /** Sends one request for ranges. @returns undefined if the server does not support it */
  async #several(
    access: EndpointAccess,
    wanted: readonly ByteRange[],
    signal: AbortSignal | undefined,
  ): Promise<RangesAnswer | undefined> {
    if (wanted.length > 1 && !access.mayAskSeveral) return undefined;
    const list = wanted.map(({ offset, length }) => `${offset}-${offset + length - 1}`);
    const answer = await access.send({
      onSent: this.#onSent,
      path: `blobs/${this.digest}`,
      headers: { range: `bytes=${list.join(',')}` },
      accept: [200, 206, 400, 404, 416, 501],
      immutable: true,
      scopes: repositoryScopes(access.endpoint.repository, ['pull']),
      signal,
    });
    if (answer.status === 404) throw this.#notFound(access);
    const head = this.#rangeHead(answer);
    const bytes = piecesOf(answer.body);
    if (head.kind === 'refused') {
      // Leaving the loop cancels the transfer of a useless body.
      for await (const _ of bytes) break;
      if (wanted.length > 1) access.mayAskSeveral = false;
      return undefined;
    }
    requireIdentity(answer, 'GET');
    if (head.kind === 'whole') return { kind: 'whole', bytes };
    return { kind: 'ranges', bytes, reader: new RangeBody(head, wanted, this.sizeBytes) };
  }

  /** A 206 that does not state its range is treated as a refusal. */
  #rangeHead({ status, headers }: HttpResponse): RangeHead {
    try {
      return readRangeHead(status, headers, this.sizeBytes);
    } catch (error) {
      if (!hasCode(error, 'RANGE_RESPONSE_INVALID')) throw error;
      return { kind: 'refused', status };
    }
  }

  async *#from(
    access: EndpointAccess,
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const answer = await this.#find(access, offset, length, signal);
    requireIdentity(answer, 'GET');
    const isWhole = answer.status === 200 && offset === 0 && length === this.sizeBytes;
    if (isWhole && answer.sizeBytes !== undefined) verifySize(this, answer.sizeBytes);
    yield* this.#counted(piecesOf(answer.body));
  }

  async #find(
    access: EndpointAccess,
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const request = {
      ...(offset === 0 && length === this.sizeBytes
        ? { immutable: true }
        : { range: { offset, length, of: this.sizeBytes } }),
      onSent: this.#onSent,
      onSkipped: (count: number) => {
        this.#count({ skippedBytes: count });
      },
      // One excess byte is enough to detect a wrong size.
      maxBytes: Math.max(this.sizeBytes + 1, SMALL_ANSWER_MAX_BYTES),
      scopes: repositoryScopes(access.endpoint.repository, ['pull']),
      accept: [200, 404],
      signal,
    };
    const answer = await access.send({ ...request, path: `blobs/${this.digest}` });
    if (answer.status !== 404) return answer;
    for (const url of this.#foreignUrls) {
      const elsewhere = await access.send({ ...request, at: new URL(url) });
      if (elsewhere.status !== 404) return elsewhere;
    }
    throw this.#notFound(access);
  }

  async *#counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.#count({ bodyBytes: piece.length });
      yield piece;
    }
  }

  readonly #onSent = () => this.#count({ requests: 1 });

  #count(part: Partial<Traffic>): void {
    addTraffic(this.#traffic, part);
    this.#onTraffic(part);
  }

  #empty({ endpoint }: EndpointAccess): TransportError {
    const url = `https://${authorityOf(endpoint)}/v2/${endpoint.repository}/blobs/${this.digest}`;
    return brokenAnswer({ url, method: 'GET' }, `${this.sizeBytes} bytes`, 'none');
  }

  #notFound({ endpoint }: EndpointAccess): NotFoundError {
    const source = `${endpoint.host}/${endpoint.repository}`;
    return new NotFoundError(
      'BLOB_NOT_FOUND',
      `Cannot find blob ${this.digest} in "${source}": expected the blob that the manifest lists, found none`,
      { digest: this.digest, source },
    );
  }
}

/** Adds to a running count. */
export function addTraffic(count: TrafficCount, part: Partial<Traffic>): void {
  count.requests += part.requests ?? 0;
  count.bodyBytes += part.bodyBytes ?? 0;
  count.skippedBytes += part.skippedBytes ?? 0;
}

type RangesAnswer =
  | { readonly kind: 'whole'; readonly bytes: AsyncIterable<Uint8Array> }
  | {
      readonly kind: 'ranges';
      readonly bytes: AsyncIterable<Uint8Array>;
      readonly reader: RangeBody;
    };

function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

async function* piecesOf(body: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}

function isWebUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}
