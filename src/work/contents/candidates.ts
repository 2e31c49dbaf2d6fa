import { setImmediate as immediate } from 'node:timers/promises';
import { type ContentDigest, computeContentDigest, createContentHasher } from '#base/digest';
import { HostError } from '#base/errors';
import type { ChunkedFile } from '#formats/chunked';
import { type ChunkSink, ContentChunker } from '#formats/chunker';
import { type ContentPlace, type PlaceReader, placeOfBytes } from './place.ts';
import { plainPath } from './plain-path.ts';
import type { ContentSearch } from './source.ts';

/** Maximum number of candidates of one size that are hashed, when no path matches. */
const PER_SIZE_MAX = 4;
/** Smaller files, in bytes, are searched for by path only: many have the same size by chance. */
const BY_SIZE_BYTES_MIN = 1024;
/** Maximum content that is hashed and chunked for one search, in bytes; more would take longer than fetching it. */
const HASHED_BYTES_MAX = 8 * 2 ** 30;
const CHUNKED_BYTES_MAX = 2 * 2 ** 30;
const PIECE_BYTES = 2 ** 20;

/** A file whose content digest is unknown. */
export interface Candidate {
  /** Absolute, or as in a tar. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Location of its content; called when needed. */
  readonly place?: () => ContentPlace | undefined;
  /** Its content, if it is small and already in memory. */
  readonly bytes?: Uint8Array;
}

/**
 * Files of this host that may match wanted files, by path and size. Files that may match are hashed. Files of the same path with other content
 * are split into chunks, as the layer was.
 */
export class Candidates {
  readonly #search: ContentSearch;
  readonly #byPath = new Map<string, ChunkedFile>();
  readonly #sizes = new Map<number, number>();
  /** Files to hash, those with a matching path first. */
  readonly #likely: Candidate[] = [];
  readonly #possible: Candidate[] = [];
  /** Files to split into chunks: other versions of a wanted file. */
  readonly #versions: { readonly file: ChunkedFile; readonly candidate: Candidate }[] = [];
  #hashedBytes = 0;
  #sinceYield = 0;

  constructor(search: ContentSearch) {
    this.#search = search;
    for (const file of search.files) {
      if (!search.wanted.isMissing(file.digest, file.sizeBytes)) continue;
      this.#byPath.set(plainPath(file.name), file);
      this.#sizes.set(file.sizeBytes, 0);
    }
  }

  /** Adds a file that may match. */
  add(candidate: Candidate): void {
    const { sizeBytes, bytes } = candidate;
    const samePath = this.#byPath.get(plainPath(candidate.path));
    const count = this.#sizes.get(sizeBytes);
    if (bytes !== undefined) {
      if (count !== undefined) this.#offer(computeContentDigest(bytes), placeOfBytes(bytes));
    } else if (samePath?.sizeBytes === sizeBytes) this.#likely.push(candidate);
    else if (count !== undefined && count < PER_SIZE_MAX && sizeBytes >= BY_SIZE_BYTES_MIN) {
      this.#sizes.set(sizeBytes, count + 1);
      this.#possible.push(candidate);
    }
    if (samePath !== undefined && samePath.chunks.length > 1 && bytes === undefined) {
      this.#versions.push({ file: samePath, candidate });
    }
  }

  /** Hashes the added files, and offers those that are wanted. */
  async offerContents(): Promise<void> {
    const { wanted } = this.#search;
    for (const candidate of [...this.#likely, ...this.#possible]) {
      if (wanted.missingCount === 0 || this.#hashedBytes > HASHED_BYTES_MAX) break;
      await this.#visit(candidate, (place, reader) => this.#offer(hashOf(reader), place));
    }
    let chunkedBytes = 0;
    for (const { file, candidate } of this.#versions) {
      if (!wanted.isMissing(file.digest, file.sizeBytes)) continue;
      chunkedBytes += candidate.sizeBytes;
      if (chunkedBytes > CHUNKED_BYTES_MAX) break;
      await this.#visit(candidate, (place, reader) => this.#offerChunks(place, reader));
    }
  }

  #offer(digest: ContentDigest, source: ContentPlace): void {
    this.#search.wanted.offer(digest, source.sizeBytes, { source, offset: 0 });
  }

  async #visit(
    candidate: Candidate,
    work: (place: ContentPlace, reader: PlaceReader) => void,
  ): Promise<void> {
    const { signal } = this.#search;
    const place = candidate.place?.();
    if (place === undefined) return;
    try {
      using reader = place.open();
      if (reader === undefined) return;
      work(place, reader);
    } catch (error) {
      // A place that cannot be read counts as missing.
      if (!(error instanceof HostError)) throw error;
    }
    this.#hashedBytes += place.sizeBytes;
    this.#sinceYield += place.sizeBytes;
    if (this.#sinceYield < 8 * PIECE_BYTES) return;
    this.#sinceYield = 0;
    await immediate(undefined, { signal });
  }

  #offerChunks(source: ContentPlace, reader: PlaceReader): void {
    const { wanted } = this.#search;
    const chunker = new ContentChunker();
    let hasher = createContentHasher();
    let start = 0;
    let end = 0;
    const sink: ChunkSink = {
      data(bytes) {
        hasher.update(bytes);
        end += bytes.length;
      },
      cut() {
        wanted.offer(hasher.finish(), end - start, { source, offset: start });
        hasher = createContentHasher();
        start = end;
      },
      zeros(lengthBytes) {
        end += lengthBytes;
        start = end;
      },
    };
    for (const piece of piecesOf(reader)) chunker.push(piece, sink);
    chunker.end(sink);
  }
}

function hashOf(reader: PlaceReader): ContentDigest {
  const hasher = createContentHasher();
  for (const piece of piecesOf(reader)) hasher.update(piece);
  return hasher.finish();
}

/** The content in pieces that are not reused. */
function* piecesOf(reader: PlaceReader): Generator<Uint8Array> {
  for (let at = 0; at < reader.sizeBytes; ) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, reader.sizeBytes - at));
    const count = reader.read(at, piece);
    if (count === 0) return;
    yield piece.subarray(0, count);
    at += count;
  }
}
