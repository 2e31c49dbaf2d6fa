import type { ObjectId } from '#base/digest';
import type { RandomReader } from '#base/flow';

/** An open place: its bytes, and where extents can be shared, its descriptor. */
export interface PlaceReader extends RandomReader, Disposable {
  readonly fd?: number | undefined;
}

/** Where contents lie: one thing that can be opened, or is gone by then. One value for each thing, so that places can be compared. */
export interface ContentPlace {
  /** The object that this is in the repository that is filled; undefined for what is elsewhere. */
  readonly objectId?: ObjectId | undefined;
  readonly sizeBytes: number;
  /** Undefined when it is gone. */
  open(): PlaceReader | undefined;
}

/** A place in memory, for what is too small for a file of its own. */
export function placeOfBytes(bytes: Uint8Array): ContentPlace {
  return {
    sizeBytes: bytes.length,
    open: () => ({
      sizeBytes: bytes.length,
      read(offset, into) {
        const piece = bytes.subarray(offset, offset + into.length);
        into.set(piece);
        return piece.length;
      },
      [Symbol.dispose]() {},
    }),
  };
}
