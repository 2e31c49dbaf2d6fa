import type { DiffId, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type ChunkedFile, readChunkedLayer, readToc, type Toc } from '#formats/chunked';
import type { StoredContent, TarEntry } from '#formats/tar';
import type { Repository } from '#stores/composefs';
import { layerStreamName, readLayer } from '#work/image';
import { IndexWriter } from './index-file.ts';
import { plainPath } from './plain-path.ts';
import { TocStore } from './toc-store.ts';

/** Receives the entries of a layer in the order of its tar, and records the resulting contents. */
export class LayerIndexer {
  readonly #repository: Repository;
  readonly #files: readonly ChunkedFile[];
  readonly #writer: IndexWriter;
  #next = 0;
  #isSound = true;

  /** `files`: from the TOC of the layer. */
  constructor(repository: Repository, files: readonly ChunkedFile[]) {
    this.#repository = repository;
    this.#files = files;
    this.#writer = new IndexWriter(repository.algorithm);
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

  /** Call when the layer is complete and verified: its contents can be found from now on. False when the files were not those of the layer. */
  keep(diffId: DiffId): boolean {
    if (!this.#isSound || this.#next !== this.#files.length) return false;
    this.#repository.kept.contents.write(indexNameOf(diffId), this.#writer.finish());
    return true;
  }
}

/** Name of the index of a layer. */
export function indexNameOf(diffId: DiffId): string {
  return diffId.replace(':', '-');
}

/** Indexes a stored layer whose TOC was kept. False when that is not possible. */
export async function indexStoredLayer(repository: Repository, diffId: DiffId): Promise<boolean> {
  const tocs = new TocStore(repository);
  const location = tocs.locationOf(diffId);
  const metadata = location === undefined ? undefined : tocs.find(location.tocDigest);
  if (location === undefined || metadata === undefined) return false;
  try {
    const toc = await readToc(metadata.toc, location);
    if ('kind' in toc) return false;
    const id = repository.streams.idOf(layerStreamName(diffId));
    if (id === undefined) return false;
    if (indexFiles(repository, { diffId, id }, filesOf(toc))) return true;
    // A TOC may have another order than its tar.
    const layer = await readChunkedLayer(toc, metadata.tarSplit, location);
    return 'files' in layer && indexFiles(repository, { diffId, id }, layer.files);
  } catch (error) {
    // The kept metadata or the layer is damaged: it has no content to find.
    if (!isOnecopyError(error)) throw error;
    tocs.forget(location.tocDigest);
    return false;
  }
}

function filesOf({ entries }: Toc): ChunkedFile[] {
  const files: ChunkedFile[] = [];
  for (const { name, sizeBytes, digest, chunks } of entries) {
    if (digest !== undefined && chunks.length > 0) files.push({ name, sizeBytes, digest, chunks });
  }
  return files;
}

/** False when these are not the files of the layer in the order of its tar. */
function indexFiles(
  repository: Repository,
  { diffId, id }: { readonly diffId: DiffId; readonly id: ObjectId },
  files: readonly ChunkedFile[],
): boolean {
  const indexer = new LayerIndexer(repository, files);
  for (const { entry, content } of readLayer(repository, id)) indexer.entry(entry, content);
  return indexer.keep(diffId);
}
