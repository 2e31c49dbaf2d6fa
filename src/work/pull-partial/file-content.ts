import assert from 'node:assert';
import { type ContentDigest, createContentHasher } from '#base/digest';
import { HostError, IntegrityError } from '#base/errors';
import type { TocChunk } from '#formats/chunked';
import { INLINE_BYTES_MAX } from '#formats/tar';
import type { TarSplitFile } from '#formats/tar-split';
import type { AssembledBytes, AssembleOptions, LayerPart, LocalReader } from './assemble.ts';
import { readLocalChunk } from './local-chunk.ts';
import type { RemoteChunks } from './remote-chunk.ts';
import type { FilePlan, FileSegment } from './segments.ts';
import { isWorthSharing, SharedObject, type SharedRun } from './shared-object.ts';
import { Spool } from './spool.ts';

const ZEROS = new Uint8Array(2 ** 18);
const ROOM_BYTES = 2 ** 20;
/** Files up to this size, in bytes, are passed on together with others. */
const SMALL_BYTES_MAX = 4096;

/** A file that is an object. */
export type PlacedFile = Extract<LayerPart, { kind: 'object' }>;

/** The contents of the files of a layer, in order. */
export class FileContent<S> implements Disposable {
  readonly #options: AssembleOptions<S>;
  readonly #remote: RemoteChunks;
  readonly #bytes: AssembledBytes;
  readonly #spool: Spool;
  /** Chunks that a later file needs again. */
  readonly #repeated: ReadonlySet<ContentDigest>;
  #next = 0;
  #mayShare = true;

  constructor(options: AssembleOptions<S>, remote: RemoteChunks, bytes: AssembledBytes) {
    this.#options = options;
    this.#remote = remote;
    this.#bytes = bytes;
    this.#spool = new Spool(options.scratch);
    this.#repeated = repeatedChunks(options.plan.files);
  }

  /** Passes on the next file with content, which is `file`, as an object. Undefined when no object can be used; then call `next` for the file. */
  place(file: TarSplitFile): PlacedFile | undefined {
    const plan = this.#options.plan.files[this.#next];
    const [segment] = plan?.segments ?? [];
    if (plan === undefined || segment?.kind !== 'local' || plan.segments.length > 1)
      return undefined;
    const { source, sourceOffset, sizeBytes } = segment;
    if (sizeBytes <= INLINE_BYTES_MAX || sourceOffset !== 0) return undefined;
    const id = this.#options.placed?.idOf(source, sizeBytes);
    // Content that a later file needs again goes through the spool.
    if (id === undefined || this.#isRepeated(plan)) return undefined;
    assert(plan.file.name === file.name, 'a plan was used with the tar-split of another layer');
    this.#next += 1;
    this.#bytes.localBytes += sizeBytes;
    this.#bytes.placedBytes += sizeBytes;
    return { kind: 'object', id, sizeBytes, pieces: () => this.#piecesOf(source, sizeBytes) };
  }

  /** The content of the next file, which is `file`, when it is small and wholly here; verified. Undefined otherwise; then call `next` for the file. */
  small(file: TarSplitFile): Uint8Array | undefined {
    const plan = this.#options.plan.files[this.#next];
    const [segment] = plan?.segments ?? [];
    if (file.sizeBytes > SMALL_BYTES_MAX || plan === undefined || segment?.kind !== 'local')
      return undefined;
    const [chunk] = plan.file.chunks;
    const isOne = plan.segments.length === 1 && plan.file.chunks.length === 1;
    if (!isOne || chunk === undefined || this.#isRepeated(plan)) return undefined;
    using reader = this.#options.open(segment.source);
    const [bytes] =
      (reader === undefined ? undefined : attempt(reader, segment.sourceOffset, chunk)) ?? [];
    if (bytes === undefined) return undefined;
    assert(plan.file.name === file.name, 'a plan was used with the tar-split of another layer');
    this.#next += 1;
    this.#bytes.localBytes += bytes.length;
    return bytes;
  }

  #isRepeated({ file }: FilePlan<S>): boolean {
    const repeated = this.#repeated;
    return repeated.size > 0 && file.chunks.some(({ digest }) => repeated.has(digest));
  }

  *#piecesOf(source: S, sizeBytes: number): Generator<Uint8Array> {
    using reader = this.#options.open(source);
    const room = new Uint8Array(Math.min(ROOM_BYTES, sizeBytes));
    for (let at = 0; reader !== undefined && at < sizeBytes; ) {
      const count = reader.read(at, room.subarray(0, sizeBytes - at));
      if (count === 0) return;
      yield room.subarray(0, count);
      at += count;
    }
  }

  /** The content of the next file with content, which is `file`. */
  async *next(file: TarSplitFile): AsyncGenerator<Uint8Array> {
    const plan = this.#options.plan.files[this.#next];
    this.#next += 1;
    assert(plan?.file.name === file.name, 'a plan was used with the tar-split of another layer');
    const writer = this.#mayShare && isWorthSharing(plan) ? this.#options.objects : undefined;
    if (writer === undefined) {
      yield* this.#verified(plan, undefined);
      return;
    }
    using object = new SharedObject(writer, plan.file.sizeBytes);
    // The last piece is held back, so that the object exists before the layer has the complete file.
    let last: Uint8Array | undefined;
    for await (const piece of this.#verified(plan, object)) {
      if (last !== undefined) yield last;
      last = Uint8Array.from(piece);
    }
    if (this.#mayShare) this.#bytes.sharedBytes += object.publish();
    if (last !== undefined) yield last;
  }

  /** The content of a file; ends normally only if its digest matches. */
  async *#verified(
    plan: FilePlan<S>,
    object: SharedObject | undefined,
  ): AsyncGenerator<Uint8Array> {
    const { digest, chunks, name } = plan.file;
    // The digest of a single chunk is the digest of the file, and was compared already.
    const hasher = chunks.length > 1 ? createContentHasher() : undefined;
    for (const segment of plan.segments) {
      const pieces =
        segment.kind === 'local' ? this.#local(segment, object) : this.#written(segment, object);
      for await (const piece of pieces) {
        hasher?.update(piece);
        yield piece;
      }
    }
    const found = hasher?.finish() ?? digest;
    if (found === digest) return;
    throw new IntegrityError(
      'BLOB_DIGEST_MISMATCH',
      `Cannot accept file ${JSON.stringify(name)}: expected digest ${digest}, found ${found}`,
      { expected: digest, found },
    );
  }

  /** Content without a local source. */
  async *#written(
    segment: FileSegment<S>,
    object: SharedObject | undefined,
  ): AsyncGenerator<Uint8Array> {
    this.#options.signal?.throwIfAborted();
    for (const chunk of segment.chunks) {
      if (chunk.isZeros) yield* zeros(chunk.sizeBytes);
      else if (segment.kind === 'earlier') yield* written(this.#earlier(chunk), chunk, object);
      else yield* written(this.#kept(chunk, this.#remote.planned(chunk)), chunk, object);
    }
  }

  async *#local(
    segment: FileSegment<S> & { readonly kind: 'local' },
    object: SharedObject | undefined,
  ): AsyncGenerator<Uint8Array> {
    this.#options.signal?.throwIfAborted();
    const { source, sourceOffset, fileOffset } = segment;
    using reader = this.#options.open(source);
    let run: SharedRun | undefined;
    for (const chunk of segment.chunks) {
      const offset = sourceOffset + chunk.fileOffset - fileOffset;
      const pieces = reader === undefined ? undefined : attempt(reader, offset, chunk);
      if (pieces !== undefined) {
        this.#bytes.localBytes += chunk.sizeBytes;
        run = extended(run, offset, chunk);
        yield* this.#kept(chunk, pieces);
        continue;
      }
      this.#share(reader, run, object);
      run = undefined;
      this.#options.onMiss?.(source, reader === undefined ? 'gone' : 'changed');
      yield* written(this.#kept(chunk, this.#remote.extra(chunk)), chunk, object);
    }
    this.#share(reader, run, object);
  }

  /** Shares verified content; after one failure, sharing is not tried again. */
  #share(
    reader: LocalReader | undefined,
    run: SharedRun | undefined,
    object: SharedObject | undefined,
  ): void {
    if (!this.#mayShare || reader === undefined || run === undefined) return;
    if (object !== undefined) this.#mayShare = object.share(reader, run);
  }

  /** Content that was passed on before; fetched again if it is missing, as when the digest of another file was wrong. */
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

/** Treats a source that cannot be read as missing. */
function attempt(
  reader: LocalReader,
  offset: number,
  chunk: TocChunk,
): Iterable<Uint8Array> | undefined {
  try {
    return readLocalChunk(reader, offset, chunk);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
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

/** Passes pieces on and writes them at their offset in the file. */
async function* written(
  pieces: AsyncIterable<Uint8Array>,
  { fileOffset }: TocChunk,
  object: SharedObject | undefined,
): AsyncGenerator<Uint8Array> {
  let at = fileOffset;
  for await (const piece of pieces) {
    object?.write(piece, at);
    at += piece.length;
    yield piece;
  }
}

/** Extends the run by one chunk: the chunks of a segment are adjacent in the source. */
function extended(run: SharedRun | undefined, sourceOffset: number, chunk: TocChunk): SharedRun {
  const { fileOffset, sizeBytes } = chunk;
  return run === undefined
    ? { sourceOffset, fileOffset, sizeBytes }
    : { ...run, sizeBytes: run.sizeBytes + sizeBytes };
}

function* zeros(sizeBytes: number): Generator<Uint8Array> {
  for (let left = sizeBytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, left);
}
