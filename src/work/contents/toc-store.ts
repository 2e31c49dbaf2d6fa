import type { ContentDigest, DiffId } from '#base/digest';
import type { ChunkedLocation } from '#formats/chunked';
import type { KeptFiles, Repository } from '#stores/composefs';

/** Header of a kept pair: the length of the TOC, 4 bytes little-endian; TOC and tar-split follow. */
const HEAD_BYTES = 4;
const PAIR_BYTES_MAX = 128 * 2 ** 20;
const NOTE_BYTES_MAX = 4096;

/** TOC and tar-split of a layer, as stored in its blob. */
export interface KeptMetadata {
  readonly toc: Uint8Array;
  readonly tarSplit: Uint8Array;
}

/**
 * Keeps TOCs and tar-splits of layers by the digest of the TOC, so that each layer requests them once. Also records the TOC of a layer by its
 * diff id. Results are not trusted.
 */
export class TocStore {
  readonly #files: KeptFiles;

  constructor({ kept }: Pick<Repository, 'kept'>) {
    this.#files = kept.tocs;
  }

  /** Returns the kept metadata of a TOC. */
  find(tocDigest: ContentDigest): KeptMetadata | undefined {
    const pair = this.#files.read(nameOf(tocDigest), PAIR_BYTES_MAX);
    if (pair === undefined || pair.length < HEAD_BYTES) return undefined;
    const view = new DataView(pair.buffer, pair.byteOffset, HEAD_BYTES);
    const end = HEAD_BYTES + view.getUint32(0, true);
    if (end > pair.length) return undefined;
    return { toc: pair.subarray(HEAD_BYTES, end), tarSplit: pair.subarray(end) };
  }

  /** Keeps metadata. */
  keep(tocDigest: ContentDigest, { toc, tarSplit }: KeptMetadata): void {
    if (this.#files.has(nameOf(tocDigest))) return;
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32LE(toc.length);
    this.#files.write(nameOf(tocDigest), Buffer.concat([head, toc, tarSplit]));
  }

  /** Records the TOC of a stored layer. */
  note(diffId: DiffId, location: ChunkedLocation): void {
    this.#files.write(noteOf(diffId), Buffer.from(JSON.stringify(location)));
  }

  /** Returns the recorded TOC of a layer. */
  locationOf(diffId: DiffId): ChunkedLocation | undefined {
    const text = this.#files.read(noteOf(diffId), NOTE_BYTES_MAX);
    if (text === undefined) return undefined;
    try {
      const location = JSON.parse(Buffer.from(text).toString('utf8')) as ChunkedLocation;
      return location.kind === 'zstd-chunked' ? location : undefined;
    } catch {
      return undefined;
    }
  }

  /** Removes metadata that proved wrong. */
  forget(tocDigest: ContentDigest): void {
    this.#files.remove(nameOf(tocDigest));
  }
}

function nameOf(digest: ContentDigest): string {
  return digest.replace(':', '-');
}

function noteOf(diffId: DiffId): string {
  return `layer-${diffId.replace(':', '-')}`;
}
