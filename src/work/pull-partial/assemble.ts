import assert from 'node:assert';
import { type ContentDigest, createContentHasher, type DiffId } from '#base/digest';
import { IntegrityError, isOnecopyError } from '#base/errors';
import type { RandomReader, RemoteBlob } from '#base/flow';
import { type ChunkedLocation, type TocChunk, tarSplitRecords } from '#formats/chunked';
import { replayTarSplit, type TarSplitFile } from '#formats/tar-split';
import type { Dir } from '#host';
import { readLocalChunk } from './local-chunk.ts';
import type { PartialPlan } from './plan.ts';
import { RemoteChunks } from './remote-chunk.ts';
import { RemoteParts } from './remote-parts.ts';
import type { FilePlan, FileSegment } from './segments.ts';
import { Spool } from './spool.ts';

/** A source of local content while it is read. */
export interface LocalReader extends RandomReader, Disposable {}

/** Why local content was not used after all. */
export type LocalMiss = 'gone' | 'changed';

/** What a layer is put together from. */
export interface AssembleOptions<S> {
  readonly blob: RemoteBlob;
  readonly plan: PartialPlan<S>;
  readonly location: ChunkedLocation;
  /** The tar-split as it is in the blob, read before. */
  readonly tarSplit: Uint8Array;
  readonly diffId: DiffId;
  /** Opens a local source; undefined when it is gone. */
  readonly open: (source: S) => LocalReader | undefined;
  /** Told once for each chunk that could not be taken from where it was to be; it is fetched then. */
  readonly onMiss?: ((source: S, miss: LocalMiss) => void) | undefined;
  /** Where content waits that the layer has several times. */
  readonly scratch: Dir;
  readonly signal?: AbortSignal | undefined;
}

/** What came from where, in bytes; complete once the tar has been read to its end. */
export interface AssembledBytes {
  /** Compressed bytes that arrived and were used. */
  fetchedBytes: number;
  /** Requests that the plan did not have: for local content that was gone or changed. */
  extraRequests: number;
  localBytes: number;
}

/** A layer that is being put together. */
export type AssembledLayer =
  /** The tar: each chunk and each file is verified before it ends, the whole against its diff id. Read once. */
  | {
      readonly kind: 'tar';
      readonly tar: AsyncIterable<Uint8Array>;
      readonly bytes: AssembledBytes;
    }
  /** The server sends the whole blob after all, from its first byte: it is the download, to be read on. */
  | { readonly kind: 'whole'; readonly blob: AsyncIterable<Uint8Array> };

const ZEROS = new Uint8Array(2 ** 18);

/**
 * Puts a layer together from what is here and what is fetched. Local sources may vanish or change at any moment: what cannot be
 * read or has another digest is fetched instead. Every chunk is verified before it is passed on (a fetched one of more than
 * 8 MiB, while it is), every file and the tar at their ends.
 * @throws TransportError; while the tar is read also IntegrityError CHUNK_CONTENT_MISMATCH, BLOB_DIGEST_MISMATCH,
 * TAR_SPLIT_CONTENT_MISMATCH, DIFF_ID_MISMATCH; HostError NO_SPACE
 */
export async function assembleLayer<S>(options: AssembleOptions<S>): Promise<AssembledLayer> {
  const { blob, plan, signal } = options;
  const bytes: AssembledBytes = { fetchedBytes: 0, extraRequests: 0, localBytes: 0 };
  if (plan.ranges.length === 0) {
    return { kind: 'tar', tar: tarOf(options, new RemoteParts(NO_PIECES), bytes), bytes };
  }
  const found = await blob.readRanges(plan.ranges, { signal });
  if (found.kind === 'whole') return { kind: 'whole', blob: found.bytes };
  return { kind: 'tar', tar: tarOf(options, new RemoteParts(found.pieces), bytes), bytes };
}

const NO_PIECES = { async *[Symbol.asyncIterator]() {} };

async function* tarOf<S>(
  options: AssembleOptions<S>,
  parts: RemoteParts,
  bytes: AssembledBytes,
): AsyncGenerator<Uint8Array> {
  const { blob, location, tarSplit, diffId, signal } = options;
  await using remote = new RemoteChunks(blob, parts, signal);
  using content = new FileContent(options, remote, bytes);
  const hasher = createContentHasher();
  const records = tarSplitRecords(tarSplit, location);
  for await (const piece of replayTarSplit(records, (file) => content.next(file))) {
    hasher.update(piece);
    yield piece;
  }
  Object.assign(bytes, remote.counts);
  const found = hasher.finish();
  if (found === (diffId as string)) return;
  throw new IntegrityError(
    'DIFF_ID_MISMATCH',
    `Cannot accept layer put together from parts: expected diff id ${diffId}, found ${found}`,
    { expected: diffId, found },
  );
}

/** The contents of the files of a layer, in order. */
class FileContent<S> implements Disposable {
  readonly #options: AssembleOptions<S>;
  readonly #remote: RemoteChunks;
  readonly #bytes: AssembledBytes;
  readonly #spool: Spool;
  /** Chunks that a later file has again. */
  readonly #repeated: ReadonlySet<ContentDigest>;
  #next = 0;

  constructor(options: AssembleOptions<S>, remote: RemoteChunks, bytes: AssembledBytes) {
    this.#options = options;
    this.#remote = remote;
    this.#bytes = bytes;
    this.#spool = new Spool(options.scratch);
    this.#repeated = repeatedChunks(options.plan.files);
  }

  /** The content of the next file with content, which is this one. */
  async *next(file: TarSplitFile): AsyncGenerator<Uint8Array> {
    const plan = this.#options.plan.files[this.#next];
    this.#next += 1;
    assert(plan?.file.name === file.name, 'a plan was used with the tar-split of another layer');
    const { digest, chunks } = plan.file;
    // The digest of an only chunk is that of the file, and has been compared.
    const hasher = chunks.length > 1 ? createContentHasher() : undefined;
    for (const segment of plan.segments) {
      for await (const piece of this.#segment(segment)) {
        hasher?.update(piece);
        yield piece;
      }
    }
    const found = hasher?.finish() ?? digest;
    if (found === digest) return;
    throw new IntegrityError(
      'BLOB_DIGEST_MISMATCH',
      `Cannot accept file ${JSON.stringify(plan.file.name)}: expected digest ${digest}, found ${found}`,
      { expected: digest, found },
    );
  }

  async *#segment(segment: FileSegment<S>): AsyncGenerator<Uint8Array> {
    this.#options.signal?.throwIfAborted();
    if (segment.kind === 'local') {
      yield* this.#local(segment);
      return;
    }
    for (const chunk of segment.chunks) {
      if (chunk.isZeros) yield* zeros(chunk.sizeBytes);
      else if (segment.kind === 'remote') yield* this.#kept(chunk, this.#remote.planned(chunk));
      else yield* this.#earlier(chunk);
    }
  }

  async *#local(segment: FileSegment<S> & { readonly kind: 'local' }): AsyncGenerator<Uint8Array> {
    const { source, sourceOffset, fileOffset } = segment;
    using reader = this.#options.open(source);
    for (const chunk of segment.chunks) {
      const offset = sourceOffset + chunk.fileOffset - fileOffset;
      const pieces = reader === undefined ? undefined : attempt(reader, offset, chunk);
      if (pieces === undefined) {
        this.#options.onMiss?.(source, reader === undefined ? 'gone' : 'changed');
        yield* this.#kept(chunk, this.#remote.extra(chunk));
        continue;
      }
      this.#bytes.localBytes += chunk.sizeBytes;
      yield* this.#kept(chunk, pieces);
    }
  }

  /** Content that passed before; fetched again if it did not, as when another file lied about having it. */
  async *#earlier(chunk: TocChunk): AsyncGenerator<Uint8Array> {
    const kept = this.#spool.pieces(chunk.digest, chunk.sizeBytes);
    yield* kept ?? this.#kept(chunk, this.#remote.extra(chunk));
  }

  /** Passes content on and keeps what is needed again. */
  async *#kept(
    { digest }: TocChunk,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    if (!this.#repeated.has(digest) || this.#spool.has(digest)) {
      yield* pieces;
      return;
    }
    const writing = this.#spool.begin(digest);
    for await (const piece of pieces) {
      writing.write(piece);
      yield piece;
    }
    writing.commit();
  }

  [Symbol.dispose](): void {
    this.#spool[Symbol.dispose]();
  }
}

/** A source that cannot be read is as good as none. */
function attempt(
  reader: LocalReader,
  offset: number,
  chunk: TocChunk,
): Iterable<Uint8Array> | undefined {
  try {
    return readLocalChunk(reader, offset, chunk);
  } catch (error) {
    if (!isOnecopyError(error) || error.kind !== 'host') throw error;
    return undefined;
  }
}

function repeatedChunks<S>(files: readonly FilePlan<S>[]): ReadonlySet<ContentDigest> {
  const repeated = new Set<ContentDigest>();
  for (const { segments } of files) {
    for (const { kind, chunks } of segments) {
      if (kind === 'earlier') for (const { digest } of chunks) repeated.add(digest);
    }
  }
  return repeated;
}

function* zeros(sizeBytes: number): Generator<Uint8Array> {
  for (let left = sizeBytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}
