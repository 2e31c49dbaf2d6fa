import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import type { Source } from '#base/flow';
import type { Splitstream } from './reader.ts';

/** Reads objects by id; the repository implements it. */
export interface ObjectSource {
  /** The whole content of an object. */
  readObject(id: ObjectId): Source;
}

/**
 * Rebuilds the byte stream: inline bytes and whole objects in order. A piece is overwritten by the next.
 * @throws FormatError SPLITSTREAM_SIZE_MISMATCH when the sum is not the declared size, and every error of `parts`
 */
export async function* catSplitstream(
  stream: Splitstream,
  objects: ObjectSource,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for (const part of stream.parts()) {
    if (part.kind === 'inline') {
      sizeBytes += part.bytes.length;
      yield part.bytes;
      continue;
    }
    for await (const piece of objects.readObject(part.id)) {
      sizeBytes += piece.length;
      yield piece;
    }
  }
  if (sizeBytes === stream.sizeBytes) return;
  throw new FormatError(
    'SPLITSTREAM_SIZE_MISMATCH',
    `Cannot rebuild splitstream: expected ${stream.sizeBytes} bytes, found ${sizeBytes}`,
    { offset: sizeBytes, what: 'stream', expected: stream.sizeBytes, found: sizeBytes },
  );
}
