import type { ContentDigest } from '#base/digest';
import type { BlobPiece, ByteRange, RemoteBlob } from '#base/flow';

/** A blob in memory that is fetched as from a server; it uses its pieces again, as servers' clients may. */
export class FakeBlob implements RemoteBlob {
  readonly digest = `sha256:${'0'.repeat(64)}` as ContentDigest;
  readonly sizeBytes: number;
  /** Every request, by its ranges. */
  readonly requests: (readonly ByteRange[])[] = [];
  /** True: ranges are answered with the whole blob. */
  ignoresRanges = false;
  /** Changes the bytes of an answer; called once for each range. */
  damage: (bytes: Buffer, range: ByteRange, request: number) => Buffer = (bytes) => bytes;
  readonly traffic = { requests: 0, bodyBytes: 0, skippedBytes: 0 };
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
  }

  async *read({ offset = 0 }: { readonly offset?: number } = {}): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#pieces([{ offset, length: this.sizeBytes - offset }], 0)) {
      yield bytes;
    }
  }

  async readRanges(ranges: readonly ByteRange[]) {
    this.requests.push(ranges);
    this.traffic.requests += 1;
    if (this.ignoresRanges) return { kind: 'whole', bytes: this.read() } as const;
    return { kind: 'ranges', pieces: this.#pieces(ranges, this.requests.length) } as const;
  }

  async *#pieces(ranges: readonly ByteRange[], request: number): AsyncGenerator<BlobPiece> {
    const piece = Buffer.alloc(3000);
    for (const range of ranges) {
      const whole = Buffer.from(this.#bytes.subarray(range.offset, range.offset + range.length));
      const bytes = this.damage(whole, range, request);
      for (let at = 0; at < bytes.length; at += piece.length) {
        const length = bytes.copy(piece, 0, at);
        this.traffic.bodyBytes += length;
        yield { offset: range.offset + at, bytes: piece.subarray(0, length) };
        piece.fill(0xee);
      }
    }
  }
}
