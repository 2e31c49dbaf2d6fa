import type { ContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import type {
  BlobLink,
  BlobPiece,
  BlobPieces,
  BlobReadOptions,
  ByteRange,
  RemoteBlob,
  Traffic,
} from '#base/flow';
import type { PartialBlob, RangeLog } from '#stores/composefs';

const PIECE_BYTES = 256 * 1024;

/**
 * A blob of which every byte is kept as it comes, and read from there when it is wanted again: by this pull or, after an interruption, by the next.
 * The whole blob is asked for at most once: where the server sends it in answer to ranges, or refuses them in the middle, that one download
 * serves every range that is wanted later.
 */
export class ResumedBlob implements RemoteBlob, AsyncDisposable {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly #blob: RemoteBlob;
  readonly #partial: PartialBlob;
  readonly #log: RangeLog;
  /** Bytes that came from the server, and requests that ranges took. */
  readonly counts = { fetchedBytes: 0, requests: 0, wholes: 0 };
  /** A transfer of the whole blob, read as far as its ranges are needed. */
  #body: AsyncIterator<BlobPiece> | undefined;
  #mayHandOn = true;

  /** `partial`: what there is of the blob, locked by this pull. @throws HostError SYSCALL_FAILED */
  constructor(blob: RemoteBlob, partial: PartialBlob) {
    this.digest = blob.digest;
    this.sizeBytes = blob.sizeBytes;
    this.#blob = blob;
    this.#partial = partial;
    if (partial.heldBytes > blob.sizeBytes) partial.clear();
    this.#log = partial.ranges(blob.sizeBytes);
  }

  get traffic(): Traffic {
    return this.#blob.traffic;
  }

  get link(): BlobLink | undefined {
    return this.#blob.link;
  }

  /** Bytes of ranges that are here. */
  get heldBytes(): number {
    return this.#log.heldBytes;
  }

  /** Bytes of the beginning of the blob that are here. */
  get prefixBytes(): number {
    return this.#partial.sizeBytes;
  }

  /** What of ranges is not here, in ascending order. */
  missing(ranges: readonly ByteRange[]): ByteRange[] {
    const { sizeBytes: start } = this.#partial;
    return ranges.flatMap(({ offset, length }) => {
      const from = Math.max(offset, start);
      const rest = offset + length - from;
      return rest <= 0 ? [] : this.#log.missing({ offset: from, length: rest });
    });
  }

  /** From now on a whole blob is no answer any more: it is read as ranges. */
  requireRanges(): void {
    this.#mayHandOn = false;
  }

  /** The blob from a byte on; what came before of its beginning is not asked for again. @throws as the blob */
  async *read(
    options: BlobReadOptions & { readonly offset?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    const { offset = 0, signal } = options;
    let at = offset;
    const piece = new Uint8Array(PIECE_BYTES);
    for (let count = this.#heldAt(at, piece); count > 0; count = this.#heldAt(at, piece)) {
      yield piece.subarray(0, count);
      at += count;
    }
    if (at === this.sizeBytes) return;
    this.counts.requests += 1;
    for await (const bytes of this.#blob.read({ signal, offset: at })) {
      this.#keep(at, bytes);
      yield bytes;
      at += bytes.length;
    }
  }

  /** @throws as the blob */
  async readRanges(
    ranges: readonly ByteRange[],
    { signal }: BlobReadOptions = {},
  ): Promise<BlobPieces> {
    const missing = this.missing(ranges);
    if (missing.length === 0 || this.#body !== undefined) return this.#parts(ranges, undefined);
    const found = await this.#ask(missing, signal);
    if (found.kind === 'whole' && this.#mayHandOn) {
      this.counts.wholes += 1;
      return { kind: 'whole', bytes: this.#handedOn(found.bytes) };
    }
    if (found.kind === 'whole') {
      this.#begin(placed(found.bytes)[Symbol.asyncIterator]());
      return this.#parts(ranges, undefined);
    }
    return this.#parts(ranges, this.#guarded(found.pieces, signal));
  }

  /** A whole blob that has come is what it is: nothing better will come. */
  forget(range: ByteRange): void {
    if (this.#body !== undefined) return;
    this.#log.forget(range);
    if (range.offset < this.#partial.sizeBytes) this.#partial.cut(range.offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#body?.return?.();
  }

  /** Ranges, or the whole blob where the server refuses them after it has served some. */
  async #ask(missing: readonly ByteRange[], signal: AbortSignal | undefined): Promise<BlobPieces> {
    this.counts.requests += 1;
    try {
      return await this.#blob.readRanges(missing, { signal });
    } catch (error) {
      if (this.#mayHandOn || !hasCode(error, 'RANGE_MISMATCH')) throw error;
      return { kind: 'whole', bytes: this.#blob.read({ signal, offset: 0 }) };
    }
  }

  #begin(pieces: AsyncIterator<BlobPiece> | undefined): void {
    this.counts.wholes += 1;
    this.#body = pieces;
  }

  #parts(ranges: readonly ByteRange[], coming: AsyncIterable<BlobPiece> | undefined): BlobPieces {
    return { kind: 'ranges', pieces: this.#inOrder(ranges, coming?.[Symbol.asyncIterator]()) };
  }

  /** The bytes of ranges in ascending order: from what is here, and as it comes. */
  async *#inOrder(
    ranges: readonly ByteRange[],
    coming: AsyncIterator<BlobPiece> | undefined,
  ): AsyncGenerator<BlobPiece> {
    const room = new Uint8Array(PIECE_BYTES);
    try {
      for (const { offset, length } of ranges) {
        for (let at = offset; at < offset + length; ) {
          const count = this.#heldAt(at, room.subarray(0, offset + length - at));
          if (count > 0) {
            yield { offset: at, bytes: room.subarray(0, count) };
            at += count;
            continue;
          }
          const source = this.#body ?? coming;
          const next = await source?.next();
          // The way of asking may have changed meanwhile.
          if (next?.done !== false && source !== this.#body) continue;
          if (next?.done !== false) return;
          // The first byte of a blob is never asked for by itself: here comes all of it.
          if (this.#body === undefined && next.value.offset === 0 && offset > 0) {
            this.#begin(coming);
          }
          this.#keep(next.value.offset, next.value.bytes);
        }
      }
    } finally {
      // A transfer of the whole blob stays open for later ranges.
      if (coming !== this.#body) await coming?.return?.();
    }
  }

  /** Pieces of an answer; where the server turns to the whole blob in the middle, that is kept as such. */
  async *#guarded(
    pieces: AsyncIterable<BlobPiece>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<BlobPiece> {
    try {
      yield* pieces;
    } catch (error) {
      signal?.throwIfAborted();
      if (!hasCode(error, 'RANGE_MISMATCH')) throw error;
      const whole = placed(this.#blob.read({ signal, offset: 0 }));
      this.#begin(whole[Symbol.asyncIterator]());
    }
  }

  async *#handedOn(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for await (const piece of bytes) {
      this.#keep(offset, piece);
      yield piece;
      offset += piece.length;
    }
  }

  #keep(offset: number, bytes: Uint8Array): void {
    this.counts.fetchedBytes += bytes.length;
    const isNext = offset <= this.#partial.sizeBytes;
    const known = this.#partial.sizeBytes - offset;
    if (isNext && known < bytes.length) this.#partial.append(bytes.subarray(known));
    else if (!isNext) this.#log.append(offset, bytes);
  }

  /** Bytes that are here from an offset on. */
  #heldAt(offset: number, into: Uint8Array): number {
    const count = this.#partial.read(offset, into);
    return count > 0 ? count : this.#log.read(offset, into);
  }
}

/** The bytes of a whole blob with their places. */
async function* placed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<BlobPiece> {
  let offset = 0;
  for await (const piece of bytes) {
    yield { offset, bytes: piece };
    offset += piece.length;
  }
}
