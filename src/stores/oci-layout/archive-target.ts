import { byteStringFromText } from '#base/bytes';
import { algorithmOf, type ContentDigest, hexOf } from '#base/digest';
import {
  addToLayoutIndex,
  LAYOUT_MARKER,
  type LayoutEntry,
  type LocalReference,
} from '#formats/oci';
import { encodeTarHeader, encodeTarPadding, TAR_END } from '#formats/tar';
import { copyRange, Dir, type TmpFile, writeAt } from '#host';
import {
  BlobWriter,
  type ImageTarget,
  type Place,
  publishReplacing,
  type WrittenBlob,
} from './target.ts';

/**
 * An OCI image layout in a tar archive. It is written to an unnamed file in the directory of the target, and linked when it is complete.
 * Members have owner 0 and time 0, so the same blobs in the same order give the same archive.
 */
export class ArchiveTarget implements ImageTarget {
  readonly transport: LocalReference['transport'] = 'oci-archive';
  readonly #parent: Dir;
  readonly #name: string;
  readonly #file: TmpFile;
  readonly #blobs = new Map<ContentDigest, number>();
  #sizeBytes = 0;

  /** @throws HostError SYSCALL_FAILED when the directory of the archive is missing */
  constructor(path: string) {
    const slash = path.lastIndexOf('/');
    this.#name = Buffer.from(path.slice(slash + 1), 'utf8').toString('latin1');
    this.#parent = Dir.open(path.slice(0, slash + 1) || '.');
    try {
      this.#file = this.#parent.tmpfile(0o644);
    } catch (error) {
      this.#parent[Symbol.dispose]();
      throw error;
    }
    this.#addBytes('oci-layout', Buffer.from(LAYOUT_MARKER));
  }

  findBlob(digest: ContentDigest, sizeBytes: number): WrittenBlob | undefined {
    const isThere = this.#blobs.get(digest) === sizeBytes;
    return isThere ? { digest, sizeBytes, method: 'present' } : undefined;
  }

  createBlob(expected?: ContentDigest): BlobWriter {
    const place: Place = (file, { digest, sizeBytes }) => {
      if (this.#blobs.has(digest)) return;
      this.#addHeader(blobName(digest), sizeBytes);
      copyRange(file, this.#file, { fromOffset: 0, toOffset: this.#sizeBytes, sizeBytes });
      this.#sizeBytes += sizeBytes;
      this.#append(encodeTarPadding(sizeBytes));
      this.#blobs.set(digest, sizeBytes);
    };
    return new BlobWriter(this.#parent.tmpfile(0o600), place, expected);
  }

  addManifest(digest: ContentDigest, bytes: Uint8Array): void {
    using blob = this.createBlob(digest);
    blob.write(bytes);
    blob.commit({ digest, sizeBytes: bytes.length });
  }

  commit(
    entry: LayoutEntry,
    manifestBytes: Uint8Array,
    referrers: readonly LayoutEntry[] = [],
  ): void {
    this.addManifest(entry.digest, manifestBytes);
    const listed = addToLayoutIndex(undefined, entry);
    this.#addBytes('index.json', referrers.reduce(addToLayoutIndex, listed));
    this.#append(TAR_END);
    publishReplacing(this.#file, this.#parent, this.#name);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    this.#parent[Symbol.dispose]();
  }

  #addBytes(name: string, bytes: Uint8Array): void {
    this.#addHeader(name, bytes.length);
    this.#append(bytes);
    this.#append(encodeTarPadding(bytes.length));
  }

  #addHeader(name: string, sizeBytes: number): void {
    const path = byteStringFromText(name);
    this.#append(encodeTarHeader({ type: 'file', path, sizeBytes, mode: 0o644 }));
  }

  #append(bytes: Uint8Array): void {
    writeAt(this.#file, bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
  }
}

function blobName(digest: ContentDigest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
