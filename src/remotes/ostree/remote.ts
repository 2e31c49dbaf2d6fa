import type { OstreeChecksum } from '#base/digest';
import { hasCode } from '#base/errors';
import {
  computeMetadataChecksum,
  type DeltaName,
  deltaIndexPath,
  deltaPartPath,
  KEY_FILE_MAX_BYTES,
  type KeyFile,
  METADATA_MAX_BYTES,
  type MetadataKind,
  ostreeObjectPath,
  parseKeyFile,
  parseRefFile,
  requireRefName,
  SUMMARY_MAX_BYTES,
  subsummaryPath,
  superblockPath,
  verifyMetadata,
} from '#formats/ostree';
import { HttpClient, type HttpRequest } from '#remotes/http';
import { conditionalOf, ifChangedSince } from './conditional.ts';
import {
  DELTA_PART_MAX_BYTES,
  PRIORITY,
  REF_ANSWER_MAX_BYTES,
  SIGNATURES_MAX_BYTES,
  SUPERBLOCK_MAX_BYTES,
} from './layout.ts';
import { ABSENT, type FirstAttempt, Mirrors } from './mirrors.ts';
import type {
  Conditional,
  FetchOptions,
  OstreeRemoteOptions,
  RemoteFile,
  RemoteTraffic,
  Validators,
} from './remote-types.ts';
import { ShortFiles } from './short-files.ts';
import { gunzip, requireSum } from './sums.ts';
import { parseRemoteUrl } from './urls.ts';

/** Shortest response time from which a server counts as distant. */
const DISTANT_MS = 8;

/**
 * A repository served over HTTP, file by file. Absent files are `undefined`, not errors. Everything that has a checksum is verified before
 * it is returned (file objects by their reader, see `file`); a corrupt copy is fetched again bypassing caches, then from the next mirror.
 * Requests may run concurrently; the client limits their number.
 *
 * Every method throws TransportError as `HttpClient.fetch` does.
 */
export class OstreeRemote implements AsyncDisposable {
  readonly #client: HttpClient;
  readonly #mirrors: Mirrors;
  readonly #content: Mirrors;
  #requests = 0;
  #bodyBytes = 0;
  readonly #options: OstreeRemoteOptions;

  /** @throws FormatError OSTREE_REMOTE_INVALID; no network access yet */
  constructor(options: OstreeRemoteOptions) {
    const location = parseRemoteUrl(options.url);
    this.#options = options;
    this.#client = new HttpClient(options.http);
    this.#mirrors = new Mirrors(this.#client, location);
    this.#content =
      options.contentUrl === undefined
        ? this.#mirrors
        : new Mirrors(this.#client, parseRemoteUrl(options.contentUrl));
  }

  /** More requests at once than this only wait. */
  get maxInFlight(): number {
    return this.#client.maxInFlight;
  }

  /** True if the responses are known to be so slow that the processor waits for them. */
  get isDistant(): boolean {
    const { quickestMs } = this.#client;
    return Number.isFinite(quickestMs) && quickestMs >= DISTANT_MS;
  }

  get traffic(): RemoteTraffic {
    return { requests: this.#requests, bodyBytes: this.#bodyBytes };
  }

  /** Adds the counters of another client of the same repository, created by `share`. */
  addTraffic({ requests, bodyBytes }: RemoteTraffic): void {
    this.#requests += requests;
    this.#count(bodyBytes);
  }

  /**
   * Options (plain data) from which other threads create their own clients of this repository. All `parts`, this one included, then share
   * the concurrency of this client.
   */
  share(parts: number): OstreeRemoteOptions {
    const { onBytes: _, ...rest } = this.#options;
    return { ...rest, http: this.#client.share(parts) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  /** `summary`, or the information that `known` is current. The bytes are not parsed and not trusted. */
  summary(known?: Validators, options: FetchOptions = {}): Promise<Conditional | undefined> {
    return this.#conditional('summary', SUMMARY_MAX_BYTES, known, options);
  }

  /** As `summary`; `'large'` if it has more bytes than the limit. */
  summaryUpTo(
    maxBytes: number,
    known?: Validators,
    options: FetchOptions = {},
  ): Promise<Conditional | 'large' | undefined> {
    return this.#conditional('summary', maxBytes, known, options, 'large');
  }

  /** `summary.sig`, conditional like the summary. */
  summarySignatures(
    known?: Validators,
    options: FetchOptions = {},
  ): Promise<Conditional | undefined> {
    return this.#conditional('summary.sig', SIGNATURES_MAX_BYTES, known, options);
  }

  /** `summary.idx` of flatpak remotes. */
  async summaryIndex(options: FetchOptions = {}): Promise<Uint8Array | undefined> {
    return this.#bytes(this.#mirrors, 'summary.idx', SUMMARY_MAX_BYTES, PRIORITY.commit, options);
  }

  /** Signatures of a summary index: the file named by the checksum of the index if it exists, otherwise `summary.idx.sig`. */
  async summaryIndexSignatures(
    index: Uint8Array,
    options: FetchOptions = {},
  ): Promise<Uint8Array | undefined> {
    const named = `summaries/${computeMetadataChecksum(index)}.idx.sig`;
    const get = (path: string) =>
      this.#bytes(this.#mirrors, path, SIGNATURES_MAX_BYTES, PRIORITY.commit, options);
    return (await get(named)) ?? (await get('summary.idx.sig'));
  }

  /**
   * A subsummary by the checksum in a summary index, inflated and verified.
   * @throws IntegrityError OSTREE_SUMMARY_CHECKSUM_MISMATCH
   */
  subsummary(
    checksum: OstreeChecksum,
    options: FetchOptions = {},
  ): Promise<Uint8Array | undefined> {
    return this.#verified(this.#mirrors, subsummaryPath(checksum), options, {
      priority: PRIORITY.commit,
      maxBytes: SUMMARY_MAX_BYTES,
      accept: async (bytes) => {
        const summary = await gunzip(bytes, SUMMARY_MAX_BYTES);
        requireSum('OSTREE_SUMMARY_CHECKSUM_MISMATCH', checksum, summary, 'subsummary');
        return summary;
      },
    });
  }

  /**
   * The checksum that `refs/heads/NAME` holds.
   * @throws FormatError OSTREE_REF_INVALID for a bad name or content
   */
  async ref(name: string, options: FetchOptions = {}): Promise<OstreeChecksum | undefined> {
    requireRefName(name);
    return this.#verified(this.#mirrors, `refs/heads/${name}`, options, {
      priority: PRIORITY.commit,
      maxBytes: REF_ANSWER_MAX_BYTES,
      accept: parseRefFile,
    });
  }

  /** The `config` file. @throws FormatError OSTREE_KEY_FILE_INVALID */
  config(options: FetchOptions = {}): Promise<KeyFile | undefined> {
    return this.#verified(this.#mirrors, 'config', options, {
      priority: PRIORITY.commit,
      maxBytes: KEY_FILE_MAX_BYTES,
      accept: (bytes) => parseKeyFile(bytes, 'remote config'),
    });
  }

  /**
   * A commit, dirtree or dirmeta object, verified.
   * @param maxBytes the size a summary states for a commit, which it may not exceed
   * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH
   */
  metadata(
    kind: MetadataKind,
    checksum: OstreeChecksum,
    options: FetchOptions & { readonly maxBytes?: number } = {},
  ): Promise<Uint8Array | undefined> {
    return this.#verified(this.#content, ostreeObjectPath(checksum, kind), options, {
      priority: PRIORITY[kind],
      maxBytes: Math.min(options.maxBytes ?? METADATA_MAX_BYTES, METADATA_MAX_BYTES),
      accept: (bytes) => {
        verifyMetadata(bytes, checksum, kind);
        return bytes;
      },
    });
  }

  /** Detached metadata of a commit; it has no checksum and may change, so it is always fetched again. */
  commitmeta(
    checksum: OstreeChecksum,
    options: FetchOptions = {},
  ): Promise<Uint8Array | undefined> {
    const path = ostreeObjectPath(checksum, 'commitmeta');
    return this.#bytes(this.#content, path, SIGNATURES_MAX_BYTES, PRIORITY.commit, options);
  }

  /** The tombstone of a deleted commit. */
  tombstone(checksum: OstreeChecksum, options: FetchOptions = {}): Promise<Uint8Array | undefined> {
    const path = ostreeObjectPath(checksum, 'tombstone');
    return this.#bytes(this.#content, path, METADATA_MAX_BYTES, PRIORITY.commit, options);
  }

  /**
   * Reads a file object: `use` gets its bytes and must verify them. If it throws IntegrityError or FormatError, it is called again with
   * another copy, so it must be able to start again.
   */
  file<T>(
    checksum: OstreeChecksum,
    use: (file: RemoteFile) => Promise<T> | T,
    options: FetchOptions & { readonly first?: FirstAttempt } = {},
  ): Promise<T | undefined> {
    const path = ostreeObjectPath(checksum, 'file', true);
    return this.#content.find<T>(
      path,
      async (request) => {
        const response = await this.#send({ ...request, priority: PRIORITY.file, immutable: true });
        if (response === undefined) return undefined;
        return await use({ sizeBytes: response.sizeBytes, body: this.#counted(response.body) });
      },
      options.signal,
      options.first,
    );
  }

  /** The requester for many small file objects; undefined if `file` must be used. Objects that it declines are continued by `file`. */
  async openShort(signal: AbortSignal | undefined): Promise<ShortFiles | undefined> {
    const base = await this.#content.preferred(signal);
    const { namedBy } = this.#content;
    const way = base === undefined ? undefined : this.#client.openShort(base, signal, namedBy);
    if (base === undefined || way === undefined) return undefined;
    return new ShortFiles(way, base, this.#content, (bodyBytes) => {
      if (bodyBytes === undefined) this.#requests++;
      else this.#count(bodyBytes);
    });
  }

  /** The index of deltas to a commit. */
  deltaIndex(to: OstreeChecksum, options: FetchOptions = {}): Promise<Uint8Array | undefined> {
    const path = deltaIndexPath(to);
    return this.#bytes(this.#mirrors, path, METADATA_MAX_BYTES, PRIORITY.commit, options);
  }

  /**
   * A superblock, verified if its checksum is known from a summary or an index.
   * @throws IntegrityError OSTREE_DELTA_CHECKSUM_MISMATCH
   */
  superblock(
    name: DeltaName,
    checksum?: OstreeChecksum,
    options: FetchOptions = {},
  ): Promise<Uint8Array | undefined> {
    return this.#verified(this.#mirrors, superblockPath(name), options, {
      priority: PRIORITY.commit,
      maxBytes: SUPERBLOCK_MAX_BYTES,
      accept: (bytes) => {
        if (checksum !== undefined) {
          requireSum('OSTREE_DELTA_CHECKSUM_MISMATCH', checksum, bytes, 'superblock');
        }
        return bytes;
      },
    });
  }

  /**
   * A part of a delta, verified.
   * @throws IntegrityError OSTREE_DELTA_CHECKSUM_MISMATCH
   */
  deltaPart(
    name: DeltaName,
    index: number,
    expected: { readonly checksum: OstreeChecksum; readonly sizeBytes: number },
    options: FetchOptions = {},
  ): Promise<Uint8Array | undefined> {
    return this.#verified(this.#content, deltaPartPath(name, index), options, {
      priority: PRIORITY.delta,
      maxBytes: Math.min(expected.sizeBytes, DELTA_PART_MAX_BYTES),
      accept: (bytes) => {
        requireSum('OSTREE_DELTA_CHECKSUM_MISMATCH', expected.checksum, bytes, `part ${index}`);
        return bytes;
      },
    });
  }

  #bytes(
    mirrors: Mirrors,
    path: string,
    maxBytes: number,
    priority: number,
    options: FetchOptions,
  ): Promise<Uint8Array | undefined> {
    return this.#verified(mirrors, path, options, { maxBytes, priority, accept: (bytes) => bytes });
  }

  #verified<T>(
    mirrors: Mirrors,
    path: string,
    options: FetchOptions,
    plan: {
      readonly maxBytes: number;
      readonly priority: number;
      readonly accept: (bytes: Uint8Array) => T | Promise<T>;
    },
  ): Promise<T | undefined> {
    const { maxBytes, priority, accept } = plan;
    return mirrors.find<T>(
      path,
      async (request) => {
        const response = await this.#sendBytes({ ...request, priority, maxBytes });
        return response === undefined ? undefined : await accept(response.body);
      },
      options.signal,
    );
  }

  /** @param large what is returned for more bytes than these, instead of an error */
  #conditional<Large = never>(
    path: string,
    maxBytes: number,
    known: Validators | undefined,
    options: FetchOptions,
    large?: Large,
  ): Promise<Conditional | Large | undefined> {
    const ifChanged = ifChangedSince(known);
    const get = async (request: HttpRequest): Promise<Conditional | Large | undefined> => {
      try {
        const asked = { ...request, priority: PRIORITY.commit, maxBytes, ifChanged };
        const response = await this.#sendBytes(asked);
        return response === undefined ? undefined : conditionalOf(response);
      } catch (error) {
        if (large !== undefined && hasCode(error, 'RESPONSE_TOO_LARGE')) return large;
        throw error;
      }
    };
    return this.#mirrors.find<Conditional | Large>(path, get, options.signal);
  }

  async #sendBytes(request: HttpRequest & { readonly maxBytes: number }) {
    const isConditional = Object.keys(request.ifChanged ?? {}).length > 0;
    const accept = isConditional ? [200, 304, ...ABSENT] : [200, ...ABSENT];
    this.#requests++;
    const response = await this.#client.fetchBytes({ small: true, ...request, accept });
    this.#count(response.body.length);
    return response.status === 200 || response.status === 304 ? response : undefined;
  }

  async #send(request: HttpRequest) {
    if (request.begun === undefined) this.#requests++;
    const response = await this.#client.fetch({
      small: true,
      ...request,
      accept: [200, ...ABSENT],
    });
    if (response.status === 200) return response;
    if (!(response.body instanceof Uint8Array)) {
      // Leaving the loop immediately cancels a long error page.
      for await (const _ of response.body) break;
    }
    return undefined;
  }

  #count(bytes: number): void {
    this.#bodyBytes += bytes;
    this.#options.onBytes?.(this.#bodyBytes);
  }

  #counted(body: Uint8Array | AsyncIterable<Uint8Array>): Uint8Array | AsyncIterable<Uint8Array> {
    if (!(body instanceof Uint8Array)) return this.#countedPieces(body);
    this.#count(body.length);
    return body;
  }

  async *#countedPieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      this.#count(piece.length);
      yield piece;
    }
  }
}
