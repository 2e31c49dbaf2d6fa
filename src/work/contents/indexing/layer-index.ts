import type { DiffId } from '#base/digest';
import type { ChunkedFile } from '#formats/chunked';
import type { VerityAlgorithm } from '#formats/fsverity';
import type { StoredContent, TarEntry } from '#formats/tar';
import { plainPath } from '../plain-path.ts';
import { IndexWriter } from './index-file.ts';

/** Receives the entries of a layer in the order of its tar, and records the resulting contents. */
export class LayerIndexer {
  readonly #files: readonly ChunkedFile[];
  readonly #writer: IndexWriter;
  #next = 0;
  #isSound = true;

  /** `files`: from the TOC of the layer. */
  constructor(algorithm: VerityAlgorithm, files: readonly ChunkedFile[]) {
    this.#files = files;
    this.#writer = new IndexWriter(algorithm);
  }

  /** Adds the next entry. */
  entry({ type, path, sizeBytes }: TarEntry, content: StoredContent): void {
    if (type !== 'file' || sizeBytes === 0 || !this.#isSound) return;
    const file = this.#files[this.#next];
    this.#next += 1;
    this.#isSound = file?.sizeBytes === sizeBytes && plainPath(file.name) === plainPath(path);
    if (file === undefined || !this.#isSound) return;
    this.#writer.add(file, content.kind === 'inline' ? content.bytes : content.id);
  }

  /** The index of the layer, complete and verified; undefined when the files are not those of the layer. */
  finish(): Uint8Array | undefined {
    const isWhole = this.#isSound && this.#next === this.#files.length;
    return isWhole ? this.#writer.finish() : undefined;
  }
}

/** Name of the index of a layer. */
export function indexNameOf(diffId: DiffId): string {
  return diffId.replace(':', '-');
}
