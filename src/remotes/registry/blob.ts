import type { ContentDigest } from '#base/digest';
import { NotFoundError, type TransportError } from '#base/errors';
import {
  type BlobLink,
  type BlobPieces,
  type BlobReadOptions,
  type ByteRange,
  type RemoteBlob,
  type Traffic,
  verifySize,
} from '#base/flow';
import { parseLayerType } from '#formats/oci';
import type { HttpResponse } from '#remotes/http';
import type { EndpointAccess } from './access.ts';
import { BlobRanges, piecesOf } from './blob-ranges.ts';
import { authorityOf } from './endpoint.ts';
import type { FailOver } from './fail-over.ts';
import { SMALL_ANSWER_MAX_BYTES } from './layout.ts';
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

/**
 * A blob of a repository. A transfer that breaks goes on at the same endpoint, and when that gives out, at the next one from
 * the same byte.
 */
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

  /** What is known of the endpoint that would be asked. */
  get link(): BlobLink {
    return this.#endpoints.preferred.link;
  }

  /** @throws as `BlobRanges.read` */
  readRanges(ranges: readonly ByteRange[], { signal }: BlobReadOptions = {}): Promise<BlobPieces> {
    const reading = new BlobRanges({
      sizeBytes: this.sizeBytes,
      endpoints: this.#endpoints,
      requestTo: ({ endpoint }) => ({
        onSent: this.#onSent,
        path: `blobs/${this.digest}`,
        scopes: repositoryScopes(endpoint.repository, ['pull']),
      }),
      signal,
      onBytes: (transferred, used) => {
        this.#count({ bodyBytes: used, skippedBytes: transferred - used });
      },
      notFound: (access) => this.#notFound(access),
    });
    return reading.read(ranges);
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
    const startMs = performance.now();
    const before = this.#traffic.bodyBytes;
    yield* this.#counted(piecesOf(answer.body));
    access.onTransfer(this.#traffic.bodyBytes - before, performance.now() - startMs);
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

function isWebUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}
