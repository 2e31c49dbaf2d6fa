import { computeContentDigest } from '#base/digest';
import type { BlobContent } from '#base/flow';
import type { ChunkedLocation, MetadataPosition } from '#formats/chunked';
import { readBlobRange } from '#work/ingest';

/** Longest part of a blob that is set aside: TOC, tar-split, and what may lie between them. */
const CAPTURED_BYTES_MAX = 112 * 2 ** 20;

/** TOC and tar-split, as they are in the blob. */
export interface CapturedMetadata {
  readonly toc: Uint8Array;
  readonly tarSplit: Uint8Array;
}

/** Sets TOC and tar-split aside while a whole blob passes, so that they need not be asked for later. */
export class TocCapture {
  readonly #location: ChunkedLocation;
  readonly #start: number;
  readonly #length: number;
  #bytes: Uint8Array | undefined;
  #filled = 0;

  constructor(location: ChunkedLocation) {
    const { toc, tarSplit } = location;
    this.#location = location;
    this.#start = Math.min(toc.offset, tarSplit.offset);
    this.#length = Math.max(endOf(toc), endOf(tarSplit)) - this.#start;
  }

  /** The same content, looked at while it is read. */
  watch(content: BlobContent): BlobContent {
    if (this.#length > CAPTURED_BYTES_MAX) return content;
    if (!('fd' in content)) return this.#passing(content);
    this.#bytes = readBlobRange(content, this.#start, this.#length);
    this.#filled = this.#bytes.length;
    return content;
  }

  async *#passing(content: Exclude<BlobContent, { fd: number }>): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for await (const piece of content) {
      this.#take(offset, piece);
      yield piece;
      offset += piece.length;
    }
  }

  #take(offset: number, piece: Uint8Array): void {
    const from = Math.max(this.#start, offset);
    const to = Math.min(this.#start + this.#length, offset + piece.length);
    if (from >= to) return;
    this.#bytes ??= new Uint8Array(this.#length);
    this.#bytes.set(piece.subarray(from - offset, to - offset), from - this.#start);
    this.#filled += to - from;
  }

  /** What was set aside, when it is what its digest says. */
  get metadata(): CapturedMetadata | undefined {
    const bytes = this.#bytes;
    if (bytes === undefined || this.#filled !== this.#length) return undefined;
    const at = (position: MetadataPosition) => {
      const start = position.offset - this.#start;
      return bytes.subarray(start, start + position.lengthBytes);
    };
    const { toc, tarSplit, tocDigest } = this.#location;
    const captured = { toc: at(toc), tarSplit: at(tarSplit) };
    return computeContentDigest(captured.toc) === tocDigest ? captured : undefined;
  }
}

function endOf({ offset, lengthBytes }: MetadataPosition): number {
  return offset + lengthBytes;
}
