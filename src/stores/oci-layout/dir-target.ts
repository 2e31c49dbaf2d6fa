import { algorithmOf, type ContentDigest, computeContentDigest, hexOf } from '#base/digest';
import { verifyDigest } from '#base/flow';
import type { LayoutEntry, LocalReference } from '#formats/oci';
import { type Dir, publish, syncfs } from '#host';
import { DIR_VERSION } from './layout.ts';
import {
  BlobWriter,
  createFile,
  ensureDirectory,
  hasFileOfSize,
  type ImageTarget,
  type Place,
  publishReplacing,
  replaceFile,
  requireEmpty,
  type WrittenBlob,
} from './target.ts';

/** The plain directory of skopeo, which holds one image. Writing another image replaces the manifest, as the last step. */
export class DirTarget implements ImageTarget {
  readonly transport: LocalReference['transport'] = 'dir';
  readonly #directory: Dir;

  /** Opens or creates the directory. @throws ConflictError TARGET_NOT_EMPTY if it holds other files */
  constructor(path: string) {
    this.#directory = ensureDirectory(path);
    try {
      if (this.#directory.lstat('version') === undefined) {
        requireEmpty(this.#directory, path);
        createFile(this.#directory, 'version', Buffer.from(DIR_VERSION));
      }
    } catch (error) {
      this.#directory[Symbol.dispose]();
      throw error;
    }
  }

  findBlob(digest: ContentDigest, sizeBytes: number): WrittenBlob | undefined {
    const isThere = hasFileOfSize(this.#directory, hexOf(digest), sizeBytes);
    return isThere ? { digest, sizeBytes, method: 'present' } : undefined;
  }

  createBlob(expected?: ContentDigest): BlobWriter {
    const place: Place = (file, { digest, sizeBytes }) => {
      const name = hexOf(digest);
      if (!hasFileOfSize(this.#directory, name, sizeBytes)) this.#directory.unlink(name);
      publish(file, this.#directory, name, { durable: false });
    };
    return new BlobWriter(this.#directory.tmpfile(0o644), place, expected);
  }

  addManifest(digest: ContentDigest, bytes: Uint8Array): void {
    verifyDigest(digest, computeContentDigest(bytes, algorithmOf(digest)));
    using file = this.#directory.tmpfile(0o644);
    file.write(bytes);
    publishReplacing(file, this.#directory, `${hexOf(digest)}.manifest.json`);
  }

  commit(entry: LayoutEntry, manifestBytes: Uint8Array): void {
    verifyDigest(entry.digest, computeContentDigest(manifestBytes, algorithmOf(entry.digest)));
    syncfs(this.#directory);
    replaceFile(this.#directory, 'manifest.json', manifestBytes);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}
