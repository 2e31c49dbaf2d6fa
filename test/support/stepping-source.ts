import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ContentDigest, hexOf } from '#base/digest';
import type { BlobPiece, BlobReadOptions, ByteRange, RemoteBlob } from '#base/flow';
import { openSource, type PullSource } from '#work/pull-image';

const PIECE_BYTES = 250_000;

/** A layout as a remote source. Before each piece of a blob, and before each manifest, a step is waited for, as for a slow network. */
export class SteppingSource implements PullSource {
  readonly isRemote = true;
  /** Bytes that came of each blob. */
  readonly fetched = new Map<ContentDigest, number>();
  steps = 0;
  readonly #path: string;
  readonly #onStep: (step: number) => Promise<void>;

  /** @param path of the layout, which has the tag `latest` */
  constructor(path: string, onStep: (step: number) => Promise<void>) {
    this.#path = path;
    this.#onStep = onStep;
  }

  get fetchedBytes(): number {
    return [...this.fetched.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  async resolve() {
    await this.#step();
    await using opened = await openSource(`oci:${this.#path}:latest`);
    return await opened.source.resolve();
  }

  openBlob(digest: ContentDigest, sizeBytes = 0): RemoteBlob {
    const bytes = readFileSync(join(this.#path, 'blobs/sha256', hexOf(digest)));
    const traffic = { requests: 0, bodyBytes: 0, skippedBytes: 0 };
    const pieces = (ranges: readonly ByteRange[]) => this.#pieces(digest, bytes, ranges, traffic);
    return {
      digest,
      sizeBytes,
      traffic,
      async *read({ offset = 0 }: BlobReadOptions & { readonly offset?: number } = {}) {
        const rest = { offset, length: sizeBytes - offset };
        for await (const piece of pieces([rest])) yield piece.bytes;
      },
      readRanges: async (ranges) => ({ kind: 'ranges', pieces: pieces(ranges) }),
    };
  }

  async *#pieces(
    digest: ContentDigest,
    blob: Buffer,
    ranges: readonly ByteRange[],
    traffic: { bodyBytes: number },
  ): AsyncGenerator<BlobPiece> {
    for (const { offset, length } of ranges) {
      for (let at = offset; at < offset + length; at += PIECE_BYTES) {
        await this.#step();
        const bytes = blob.subarray(at, Math.min(at + PIECE_BYTES, offset + length));
        this.fetched.set(digest, (this.fetched.get(digest) ?? 0) + bytes.length);
        traffic.bodyBytes += bytes.length;
        yield { offset: at, bytes };
      }
    }
  }

  async #step(): Promise<void> {
    this.steps += 1;
    await this.#onStep(this.steps);
  }
}
