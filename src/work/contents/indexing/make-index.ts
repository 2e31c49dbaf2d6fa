import {
  type ChunkedFile,
  type ChunkedLocation,
  readChunkedLayer,
  readToc,
  type Toc,
} from '#formats/chunked';
import type { VerityAlgorithm } from '#formats/fsverity';
import { CONTENT_TYPES, openSplitstream } from '#formats/splitstream';
import { readTarEntries } from '#formats/tar';
import { readAt } from '#host';
import type { KeptMetadata } from '../toc-store.ts';
import { LayerIndexer } from './layer-index.ts';

/** A stored layer with a TOC. Plain data; descriptors are valid in all threads of a process. */
export interface IndexOrder {
  readonly metadata: KeptMetadata;
  readonly location: ChunkedLocation;
  /** Its stream, verified. */
  readonly stream: { readonly fd: number; readonly sizeBytes: number };
  readonly algorithm: VerityAlgorithm;
}

/**
 * Makes the index of a stored layer; undefined when TOC and stream are not of one layer.
 * @throws IntegrityError and FormatError of damaged metadata, or of a stream that is read in another way
 */
export async function makeIndex(order: IndexOrder): Promise<Uint8Array | undefined> {
  const { metadata, location } = order;
  const toc = await readToc(metadata.toc, location);
  if ('kind' in toc) return undefined;
  const index = indexOf(order, filesOf(toc));
  if (index !== undefined) return index;
  // A TOC may have another order than its tar.
  const layer = await readChunkedLayer(toc, metadata.tarSplit, location);
  return 'files' in layer ? indexOf(order, layer.files) : undefined;
}

function filesOf({ entries }: Toc): ChunkedFile[] {
  const files: ChunkedFile[] = [];
  for (const { name, sizeBytes, digest, chunks } of entries) {
    if (digest !== undefined && chunks.length > 0) files.push({ name, sizeBytes, digest, chunks });
  }
  return files;
}

function indexOf(
  { stream: { fd, sizeBytes }, algorithm }: IndexOrder,
  files: readonly ChunkedFile[],
): Uint8Array | undefined {
  const reader = {
    sizeBytes,
    read: (offset: number, into: Uint8Array) => readAt(fd, into, offset),
  };
  const stream = openSplitstream(reader, { algorithm, contentType: CONTENT_TYPES.ociLayer });
  const indexer = new LayerIndexer(algorithm, files);
  for (const { entry, content } of readTarEntries(stream.parts())) {
    // Such a file has no usable TOC.
    if (entry.sparse !== undefined) return undefined;
    indexer.entry(entry, content);
  }
  return indexer.finish();
}
