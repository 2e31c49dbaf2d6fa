import type { ContentDigest, DiffId } from '#base/digest';
import type { ChunkedLocation } from '#formats/chunked';
import type { KeptFiles, Repository } from '#stores/composefs';

/** Head of a kept pair: the length of the TOC, 4 bytes little-endian; TOC and tar-split follow. */
const HEAD_BYTES = 4;
const PAIR_BYTES_MAX = 128 * 2 ** 20;
const NOTE_BYTES_MAX = 4096;

/** TOC and tar-split of a layer as they are in its blob. */
export interface KeptMetadata {
  readonly toc: Uint8Array;
  readonly tarSplit: Uint8Array;
}

/**
 * TOCs and tar-splits of layers, kept by the digest of the TOC, so that the same layer asks for them once; and which TOC a layer had, by its
 * diff id. What is found need not be right.
 */
export class TocStore {
  readonly #files: KeptFiles;

  constructor({ kept }: Pick<Repository, 'kept'>) {
    this.#files = kept.tocs;
  }

  /** The metadata of a TOC that was kept. */
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

  /** Notes the TOC of a layer that is stored. */
  note(diffId: DiffId, location: ChunkedLocation): void {
    this.#files.write(noteOf(diffId), Buffer.from(JSON.stringify(location)));
  }

  /** The TOC that a layer was noted with. */
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

  /** Forgets what proved to be wrong. */
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
