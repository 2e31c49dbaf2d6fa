import { type ContentDigest, type ContentHasher, createHasherLike } from '#base/digest';
import {
  type BlobContent,
  type BlobRange,
  type Source,
  verifyDigest,
  verifySize,
} from '#base/flow';
import { readAt } from '#host';

/** Size of one read, in bytes. */
const PIECE_BYTES = 512 << 10;

/** What a blob must be. */
export interface BlobExpectation {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
}

/**
 * Reads a blob once and verifies it at the end. A piece is overwritten by the next one. If the consumer stops early, `verify` reads the
 * rest, so that damage is reported as such and not as a malformed layer.
 */
export class BlobReader {
  readonly expected: BlobExpectation;
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #hasher: ContentHasher;
  readonly #onAdvance: (readBytes: number) => void;
  #sizeBytes = 0;
  #found: ContentDigest | undefined;

  constructor(
    content: BlobContent,
    expected: BlobExpectation,
    onAdvance: (readBytes: number) => void = () => {},
  ) {
    this.expected = expected;
    this.#hasher = createHasherLike(expected.digest);
    this.#onAdvance = onAdvance;
    this.#pieces = iteratorOf(sourceOf(content));
  }

  /** Bytes read so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The remaining bytes of the blob. @throws IntegrityError BLOB_SIZE_MISMATCH as soon as it is too long; errors of the source */
  async *pieces(): AsyncGenerator<Uint8Array> {
    for (let piece = await this.#read(); piece !== undefined; piece = await this.#read()) {
      yield piece;
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    const next = this.#pieces.next();
    const { value, done } = next instanceof Promise ? await next : next;
    if (done === true) return undefined;
    this.#sizeBytes += value.length;
    if (this.#sizeBytes > this.expected.sizeBytes) verifySize(this.expected, this.#sizeBytes);
    this.#hasher.update(value);
    this.#onAdvance(this.#sizeBytes);
    return value;
  }

  /**
   * Reads the rest and compares size and digest with the expected ones.
   * @throws IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; errors of the source
   */
  async verify(): Promise<ContentDigest> {
    if (this.#found !== undefined) return this.#found;
    while ((await this.#read()) !== undefined);
    verifySize(this.expected, this.#sizeBytes);
    this.#found = this.#hasher.finish();
    verifyDigest(this.expected.digest, this.#found);
    return this.#found;
  }

  /** Closes the source after an early end. */
  async stop(): Promise<void> {
    await this.#pieces.return?.(undefined);
  }
}

/** Bytes of a local blob from an offset on; fewer where it ends. @throws HostError SYSCALL_FAILED */
export function readBlobRange(range: BlobRange, offset: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(lengthBytes, range.sizeBytes - offset)));
  return bytes.subarray(0, readAt(range.fd, bytes, range.offsetBytes + offset));
}

/** The bytes of a blob in pieces, which are overwritten by the next one. */
export function sourceOf(content: BlobContent): Source {
  return 'fd' in content ? readRange(content) : content;
}

function iteratorOf(source: Source): AsyncIterator<Uint8Array> | Iterator<Uint8Array> {
  return Symbol.asyncIterator in source
    ? source[Symbol.asyncIterator]()
    : source[Symbol.iterator]();
}

function* readRange(range: BlobRange): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, range.sizeBytes)));
  for (let at = 0; at < range.sizeBytes; ) {
    const wanted = Math.min(buffer.length, range.sizeBytes - at);
    const count = readAt(range.fd, buffer.subarray(0, wanted), range.offsetBytes + at);
    if (count === 0) return;
    at += count;
    yield buffer.subarray(0, count);
  }
}
