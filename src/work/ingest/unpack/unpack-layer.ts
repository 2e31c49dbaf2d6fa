import { type ContentDigest, createHasherLike, type DiffId } from '#base/digest';
import { IntegrityError, isOnecopyError } from '#base/errors';
import { detectCompression } from '#formats/oci';
import type { BlobReader } from '../blob.ts';
import type { RoomFor } from './gunzip.ts';
import { unpack } from './unpack.ts';

/** Expected properties of a layer. Plain data. */
export interface LayerExpectation {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly diffId: DiffId;
  readonly layerBytesMax: number | undefined;
}

/** Receives the tar in pieces, which are overwritten afterwards. Returns false to stop. */
export type TarListener = (piece: Uint8Array) => Promise<boolean>;

/**
 * Reads a layer once, from blob to tar: blob digest, decompression and diff id are computed together, and both digests are verified when
 * this resolves. A wrong blob is reported as such even if it first appears as a malformed stream, here or in the listener.
 * @param roomFor memory for pieces, in which the listener finds them
 * @returns false if the listener stopped
 * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH, DIFF_ID_MISMATCH; FormatError LAYER_COMPRESSION_INVALID,
 * LAYER_TOO_LARGE; errors of the listener
 */
export async function unpackLayer(
  blob: BlobReader,
  expected: LayerExpectation,
  onTar: TarListener,
  roomFor?: RoomFor,
): Promise<boolean> {
  try {
    const hasher = createHasherLike(expected.diffId);
    const { head, rest } = await peek(blob.pieces());
    const limits = { what: `layer ${expected.digest}`, layerBytesMax: expected.layerBytesMax };
    for await (const piece of unpack(rest, detectCompression(head), limits, { roomFor })) {
      hasher.update(piece);
      if (!(await onTar(piece))) return false;
    }
    await blob.verify();
    verifyDiffId(expected.diffId, hasher.finish());
    return true;
  } catch (error) {
    throw isOnecopyError(error) && error.kind === 'format' ? await blame(error, blob) : error;
  } finally {
    await blob.stop();
  }
}

/** The first piece, and a source that includes it again. */
async function peek(source: AsyncGenerator<Uint8Array>) {
  const first = await source.next();
  const head = first.done === true ? new Uint8Array(0) : first.value;
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (first.done !== true) yield head;
    yield* source;
  }
  return { head, rest: rest() };
}

/** Compares the digest of a tar with the diff id of its layer. @throws IntegrityError DIFF_ID_MISMATCH */
export function verifyDiffId(expected: DiffId, found: ContentDigest): void {
  if ((found as string) === expected) return;
  throw new IntegrityError(
    'DIFF_ID_MISMATCH',
    `Cannot accept layer: expected diff id ${expected}, found ${found}`,
    { expected, found },
    { hint: 'The manifest and the config do not match: the image was built or copied incorrectly' },
  );
}

/** The digest mismatch of the blob, if there is one; otherwise the given error. */
async function blame(error: unknown, blob: BlobReader): Promise<unknown> {
  try {
    await blob.verify();
    return error;
  } catch (damage) {
    return damage;
  }
}
