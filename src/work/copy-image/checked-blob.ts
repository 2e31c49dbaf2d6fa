import { algorithmOf, type ContentHasher, createContentHasher } from '#base/digest';
import { verifyDigest, verifySize } from '#base/flow';
import type { Descriptor } from '#formats/oci';
import { readAt } from '#host';
import type { BlobToPush } from '#remotes/registry';
import type { CopyContent } from './source.ts';

/** Pieces in which a local blob is read, in bytes. */
const PIECE_BYTES = 256 * 1024;

/**
 * A blob on its way into a registry. Its last piece is handed on only when the digest of all that was read is right, so that a wrong blob is never
 * sent whole. A resumed transfer continues; one that begins elsewhere reads from the first byte.
 */
export class CheckedBlob implements BlobToPush {
  readonly digest: Descriptor['digest'];
  readonly sizeBytes: number;
  readonly #content: () => CopyContent;
  readonly #signal: AbortSignal | undefined;
  #hasher: ContentHasher;
  /** Bytes that were hashed, and the last of them, which a transfer in chunks may have taken in part. */
  #readBytes = 0;
  #last: Uint8Array = new Uint8Array();

  constructor(
    { digest, sizeBytes }: Pick<Descriptor, 'digest' | 'sizeBytes'>,
    content: () => CopyContent,
    signal: AbortSignal | undefined,
  ) {
    this.digest = digest;
    this.sizeBytes = sizeBytes;
    this.#content = content;
    this.#signal = signal;
    this.#hasher = createContentHasher(algorithmOf(digest));
  }

  /** @throws IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; as `RemoteBlob.read` */
  async *open(offset: number): AsyncGenerator<Uint8Array> {
    const lastAt = this.#readBytes - this.#last.length;
    const goesOn = this.#readBytes > 0 && this.#readBytes < this.sizeBytes && offset >= lastAt;
    if (goesOn && offset <= this.#readBytes) {
      if (offset < this.#readBytes) yield this.#last.subarray(offset - lastAt);
    } else {
      this.#hasher = createContentHasher(algorithmOf(this.digest));
      this.#readBytes = 0;
    }
    for await (const piece of piecesOf(this.#content(), this.#readBytes, this.#signal)) {
      const at = this.#readBytes;
      this.#readBytes += piece.length;
      if (this.#readBytes > this.sizeBytes) verifySize(this, this.#readBytes);
      this.#hasher.update(piece);
      if (this.#readBytes === this.sizeBytes) verifyDigest(this.digest, this.#hasher.finish());
      this.#last = Uint8Array.prototype.slice.call(piece);
      if (this.#readBytes > offset) yield this.#last.subarray(Math.max(0, offset - at));
    }
    verifySize(this, this.#readBytes);
    if (this.sizeBytes === 0) verifyDigest(this.digest, this.#hasher.finish());
  }
}

/** The bytes of a blob from an offset; those of a remote one go on after a break. None is verified. */
export async function* piecesOf(
  content: CopyContent,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    if (offset < content.length) yield content.subarray(offset);
    return;
  }
  if (!('fd' in content)) {
    if (offset < content.sizeBytes || content.sizeBytes === 0)
      yield* content.read({ offset, signal });
    return;
  }
  const { fd, offsetBytes, sizeBytes } = content;
  for (let at = offset; at < sizeBytes; ) {
    signal?.throwIfAborted();
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, sizeBytes - at));
    const length = readAt(fd, piece, offsetBytes + at);
    if (length === 0) return;
    yield piece.subarray(0, length);
    at += length;
  }
}
