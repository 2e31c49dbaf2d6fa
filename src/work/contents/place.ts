import type { ObjectId } from '#base/digest';
import type { RandomReader } from '#base/flow';

/** An open place: its bytes and, where extents can be shared, its descriptor. */
export interface PlaceReader extends RandomReader, Disposable {
  readonly fd?: number | undefined;
}

/** Location of content: a file or object to open, which may be gone by then. One value for each location, so that places can be compared. */
export interface ContentPlace {
  /** The object id in the target repository; undefined for content of another store. */
  readonly objectId?: ObjectId | undefined;
  readonly sizeBytes: number;
  /** Undefined when the file is gone. */
  open(): PlaceReader | undefined;
}

/** A place in memory, for content too small for a separate file. */
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
