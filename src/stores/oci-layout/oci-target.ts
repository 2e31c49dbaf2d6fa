import { algorithmOf, type ContentDigest, hexOf } from '#base/digest';
import {
  addToLayoutIndex,
  LAYOUT_MARKER,
  type LayoutEntry,
  type LocalReference,
  MANIFEST_MAX_BYTES,
  verifyLayoutMarker,
} from '#formats/oci';
import { type Dir, flock, publish, readAll, syncfs, unlockFlock } from '#host';
import {
  BlobWriter,
  createFile,
  ensureDirectory,
  hasFileOfSize,
  type ImageTarget,
  type Place,
  replaceFile,
  requireEmpty,
  tryReadFile,
  type WrittenBlob,
} from './target.ts';

/**
 * An OCI image layout in a directory, new or existing. Blobs appear under their digests when they are complete. `index.json` is replaced
 * atomically as the last step, after everything that it refers to is on the disk. Two writers of one layout take turns in that step.
 */
export class OciTarget implements ImageTarget {
  readonly transport: LocalReference['transport'] = 'oci';
  readonly #directory: Dir;

  /**
   * Opens or creates the layout.
   * @throws ConflictError TARGET_NOT_EMPTY for a directory with other files; UnsupportedError OCI_LAYOUT_VERSION_UNKNOWN
   */
  constructor(path: string) {
    this.#directory = ensureDirectory(path);
    try {
      this.#ensureLayout(path);
    } catch (error) {
      this.#directory[Symbol.dispose]();
      throw error;
    }
  }

  findBlob(digest: ContentDigest, sizeBytes: number): WrittenBlob | undefined {
    const isThere = hasFileOfSize(this.#directory, blobName(digest), sizeBytes);
    return isThere ? { digest, sizeBytes, method: 'present' } : undefined;
  }

  createBlob(expected?: ContentDigest): BlobWriter {
    const place: Place = (file, { digest, sizeBytes }) => {
      const name = blobName(digest);
      this.#directory.mkdir(`blobs/${algorithmOf(digest)}`, 0o755);
      // A file of this name with another size is damaged, and is replaced.
      if (!hasFileOfSize(this.#directory, name, sizeBytes)) this.#directory.unlink(name);
      publish(file, this.#directory, name, { durable: false });
    };
    return new BlobWriter(this.#directory.tmpfile(0o644), place, expected);
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
    syncfs(this.#directory);
    flock(this.#directory, 'exclusive');
    try {
      const existing = tryReadFile(this.#directory, 'index.json', (file) =>
        readAll(file, MANIFEST_MAX_BYTES),
      );
      const listed = addToLayoutIndex(existing, entry);
      replaceFile(this.#directory, 'index.json', referrers.reduce(addToLayoutIndex, listed));
    } finally {
      unlockFlock(this.#directory);
    }
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  #ensureLayout(path: string): void {
    const marker = tryReadFile(this.#directory, 'oci-layout', (file) => readAll(file, 4096));
    if (marker !== undefined) {
      verifyLayoutMarker(marker);
    } else {
      requireEmpty(this.#directory, path, ['blobs']);
      createFile(this.#directory, 'oci-layout', Buffer.from(LAYOUT_MARKER));
    }
    this.#directory.mkdir('blobs', 0o755);
  }
}

function blobName(digest: ContentDigest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}
