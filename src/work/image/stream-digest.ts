import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { type ContentDigest, createHasherLike, type DiffId } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Splitstream } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';

/** Pieces in which objects are read, in bytes. */
const PIECE_BYTES = 1 << 20;
/** Bytes that are hashed before events get their turn. */
const TURN_BYTES = 16 << 20;

/**
 * Puts the bytes of a stream together again and computes their digest, by the algorithm of `like`. Objects are taken as they are.
 * @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError VERITY_NOT_ENABLED; FormatError of a bad splitstream; the signal's reason
 */
export async function computeStreamDigest(
  { objects }: Repository,
  stream: Splitstream,
  like: DiffId | ContentDigest,
  { signal }: Pick<OperationOptions, 'signal'> = {},
): Promise<ContentDigest> {
  const hasher = createHasherLike(like);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  let turnBytes = 0;
  for (const part of stream.parts()) {
    if (part.kind === 'inline') {
      hasher.update(part.bytes);
      continue;
    }
    using object = objects.open(part.id);
    for (let offset = 0; offset < object.sizeBytes; ) {
      const count = object.read(offset, piece);
      if (count === 0) break;
      hasher.update(piece.subarray(0, count));
      offset += count;
      turnBytes += count + OPEN_BYTES;
      if (turnBytes < TURN_BYTES) continue;
      turnBytes = 0;
      await yieldToEvents();
      signal?.throwIfAborted();
    }
  }
  return hasher.finish();
}

/** Opening an object costs as much as hashing so many bytes. */
const OPEN_BYTES = 16 << 10;
