import { computeContentDigest, createContentHasher } from '#base/digest';
import { hasCode, IntegrityError } from '#base/errors';
import type { ByteRange, RemoteBlob } from '#base/flow';
import { decodeChunk, inflateChunk, type TocChunk } from '#formats/chunked';
import { CHUNK_HELD_BYTES_MAX } from './local-chunk.ts';
import { RemoteParts } from './remote-parts.ts';

/** Fetches chunks: planned chunks from the ranges in transfer, others by a separate request. */
export class RemoteChunks implements AsyncDisposable {
  readonly #blob: RemoteBlob;
  readonly #parts: RemoteParts;
  readonly #signal: AbortSignal | undefined;
  /** Bytes of ranges that were used, and requests beyond the planned requests. */
  readonly counts = { fetchedBytes: 0, extraRequests: 0 };

  constructor(blob: RemoteBlob, parts: RemoteParts, signal: AbortSignal | undefined) {
    this.#blob = blob;
    this.#parts = parts;
    this.#signal = signal;
  }

  /**
   * The verified content of a planned chunk; requested once more when it does not match the TOC.
   * @throws IntegrityError CHUNK_CONTENT_MISMATCH; TransportError
   */
  async *planned(chunk: TocChunk): AsyncGenerator<Uint8Array> {
    if (isLong(chunk)) {
      yield* verifiedStream(this.#counted(this.#parts.take(rangeOf(chunk))), chunk);
      return;
    }
    try {
      yield await verifiedChunk(this.#counted(this.#parts.take(rangeOf(chunk))), chunk);
    } catch (error) {
      if (!hasCode(error, 'CHUNK_CONTENT_MISMATCH') && !hasCode(error, 'RANGE_MISMATCH'))
        throw error;
      this.#blob.forget?.(rangeOf(chunk));
      yield* this.extra(chunk);
    }
  }

  /**
   * The verified content of a chunk that the plan expected locally.
   * @throws IntegrityError CHUNK_CONTENT_MISMATCH; TransportError
   */
  async *extra(chunk: TocChunk): AsyncGenerator<Uint8Array> {
    this.counts.extraRequests += 1;
    const range = rangeOf(chunk);
    const found = await this.#blob.readRanges([range], { signal: this.#signal });
    const pieces = found.kind === 'ranges' ? found.pieces : placed(found.bytes);
    await using parts = new RemoteParts(pieces);
    const bytes = this.#counted(parts.take(range));
    if (isLong(chunk)) yield* verifiedStream(bytes, chunk);
    else yield await verifiedChunk(bytes, chunk);
  }

  async *#counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.#signal?.throwIfAborted();
      this.counts.fetchedBytes += piece.length;
      yield piece;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}

function rangeOf({ offset, lengthBytes: length }: TocChunk): ByteRange {
  return { offset, length };
}

function isLong({ sizeBytes, lengthBytes }: TocChunk): boolean {
  return sizeBytes > CHUNK_HELD_BYTES_MAX || lengthBytes > CHUNK_HELD_BYTES_MAX;
}

async function verifiedChunk(
  range: AsyncIterable<Uint8Array>,
  chunk: TocChunk,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(chunk.lengthBytes);
  let at = 0;
  for await (const piece of range) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const content = decodeChunk(bytes, chunk.sizeBytes);
  verifyChunk(chunk, computeContentDigest(content));
  return content;
}

/** Passes a long chunk on while hashing it; the consumer holds back its last bytes until the end. */
async function* verifiedStream(
  range: AsyncIterable<Uint8Array>,
  chunk: TocChunk,
): AsyncGenerator<Uint8Array> {
  const hasher = createContentHasher();
  for await (const piece of inflateChunk(range, chunk.sizeBytes)) {
    hasher.update(piece);
    yield piece;
  }
  verifyChunk(chunk, hasher.finish());
}

function verifyChunk({ digest: expected, offset }: TocChunk, found: string): void {
  if (found === expected) return;
  throw new IntegrityError(
    'CHUNK_CONTENT_MISMATCH',
    `Cannot use range of layer at ${offset}: expected content ${expected}, found ${found}`,
    { expected, found },
  );
}

/** The bytes of a whole blob with their offsets. */
export async function* placed(bytes: AsyncIterable<Uint8Array>) {
  let offset = 0;
  for await (const piece of bytes) {
    yield { offset, bytes: piece };
    offset += piece.length;
  }
}
