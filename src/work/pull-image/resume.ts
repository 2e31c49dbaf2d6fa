import type { BlobContent, BlobReadOptions, RemoteBlob } from '#base/flow';
import type { PartialBlob } from '#stores/composefs';

/** Smallest blob whose partial bytes are stored: fetching a smaller blob again costs little. */
export const PARTIAL_BYTES_MIN = 1 << 20;

/** True for a blob that is fetched when it is read. */
export function isRemote(content: BlobContent | RemoteBlob): content is RemoteBlob {
  return 'readRanges' in content;
}

/** The source of a blob, without storing partial bytes. */
export function contentOf(
  content: BlobContent | RemoteBlob,
  options: BlobReadOptions = {},
): BlobContent {
  return isRemote(content) ? content.read(options) : content;
}

/**
 * A complete blob: the partial bytes of an interrupted pull, then the rest. Received bytes are stored before they are passed on. Nothing is
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
