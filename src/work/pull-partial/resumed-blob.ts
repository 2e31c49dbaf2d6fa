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
 * A blob that keeps every byte it receives, and reads it from there when it is needed again: by this pull or, after an interruption, by the next
 * pull. The whole blob is requested at most once: where the server sends it in response to ranges, or refuses ranges midway, that one download
 * serves every range that is needed later.
 */
export class ResumedBlob implements RemoteBlob, AsyncDisposable {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly #blob: RemoteBlob;
  readonly #partial: PartialBlob;
  readonly #log: RangeLog;
  /** Bytes received from the server, and requests for ranges. */
  readonly counts = { fetchedBytes: 0, requests: 0, wholes: 0 };
  /** A transfer of the whole blob, read only as far as its ranges are needed. */
  #body: AsyncIterator<BlobPiece> | undefined;
  #mayHandOn = true;

  /** `partial`: the bytes of the blob that are kept, locked by this pull. @throws HostError SYSCALL_FAILED */
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

  /** Bytes of ranges that are kept. */
  get heldBytes(): number {
    return this.#log.heldBytes;
  }

  /** Bytes of the beginning of the blob that are kept. */
  get prefixBytes(): number {
    return this.#partial.sizeBytes;
  }

  /** The parts of ranges that are not kept, in ascending order. */
  missing(ranges: readonly ByteRange[]): ByteRange[] {
    const { sizeBytes: start } = this.#partial;
    return ranges.flatMap(({ offset, length }) => {
      const from = Math.max(offset, start);
      const rest = offset + length - from;
      return rest <= 0 ? [] : this.#log.missing({ offset: from, length: rest });
    });
  }

  /** Read a whole blob as ranges from now on, instead of returning it. */
  requireRanges(): void {
    this.#mayHandOn = false;
  }

  /** Reads the blob from an offset on; bytes of its beginning that are kept are not requested again. @throws as the blob */
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

  /** A whole blob that was received is final: another request would not return better bytes. */
  forget(range: ByteRange): void {
    if (this.#body !== undefined) return;
    this.#log.forget(range);
    if (range.offset < this.#partial.sizeBytes) this.#partial.cut(range.offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#body?.return?.();
  }

  /** Requests ranges, or the whole blob if the server refuses ranges after it has served some. */
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

  /** The bytes of ranges in ascending order: kept bytes, and bytes as they are received. */
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
          // The source may have changed meanwhile.
          if (next?.done !== false && source !== this.#body) continue;
          if (next?.done !== false) return;
          // The first byte is never requested alone, so a response from offset 0 is the whole blob.
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

  /** Pieces of a response; if the server sends the whole blob midway, its transfer is kept. */
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

  /** Reads kept bytes from an offset on. */
  #heldAt(offset: number, into: Uint8Array): number {
    const count = this.#partial.read(offset, into);
    return count > 0 ? count : this.#log.read(offset, into);
  }
}

/** The bytes of a whole blob with their offsets. */
async function* placed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<BlobPiece> {
  let offset = 0;
  for await (const piece of bytes) {
    yield { offset, bytes: piece };
    offset += piece.length;
  }
}
