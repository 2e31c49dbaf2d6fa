import type { Repository, StreamAddress } from '#stores/composefs';

/** Bytes of an object that are read at once. */
const PIECE_BYTES = 1 << 20;

/**
 * What a stream stands for: its inline bytes and the content of its objects, in order. A piece is overwritten by the next. Objects are
 * verified as the repository demands.
 * @throws NotFoundError STREAM_NOT_FOUND, OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH; FormatError of a bad splitstream
 */
export function* readStream(repository: Repository, address: StreamAddress): Generator<Uint8Array> {
  using opened = repository.streams.open(address);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (const part of opened.stream.parts()) {
    if (part.kind === 'inline') {
      yield part.bytes;
      continue;
    }
    using object = repository.objects.open(part.id);
    for (let offset = 0; offset < object.sizeBytes; ) {
      const length = object.read(offset, piece.subarray(0, object.sizeBytes - offset));
      if (length === 0) break;
      yield piece.subarray(0, length);
      offset += length;
    }
  }
}
