import type { BlobContent, BlobReadOptions, RemoteBlob } from '#base/flow';
import type { PartialBlob } from '#stores/composefs';

/** Smallest blob that is kept while it is fetched: fetching less once more costs next to nothing. */
export const PARTIAL_BYTES_MIN = 1 << 20;

/** True for a blob that is fetched when it is read. */
export function isRemote(content: BlobContent | RemoteBlob): content is RemoteBlob {
  return 'readRanges' in content;
}

/** What a blob is read from, without keeping any of it. */
export function contentOf(
  content: BlobContent | RemoteBlob,
  options: BlobReadOptions = {},
): BlobContent {
  return isRemote(content) ? content.read(options) : content;
}

/**
 * A blob whole: what an interrupted pull left of it, then the rest from where that ended. What comes is kept before it is handed on. None of it is
 * verified here.
 * @throws HostError NO_SPACE, what the blob throws
 */
export async function* resumeBlob(
  blob: RemoteBlob,
  partial: PartialBlob,
  options: BlobReadOptions = {},
): AsyncGenerator<Uint8Array> {
  if (partial.heldBytes > blob.sizeBytes) partial.clear();
  else yield* partial.pieces();
  if (partial.sizeBytes === blob.sizeBytes) return;
  for await (const piece of blob.read({ ...options, offset: partial.sizeBytes })) {
    partial.append(piece);
    yield piece;
  }
}
