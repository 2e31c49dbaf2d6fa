import { type ContentDigest, type ContentHasher, createHasherLike } from '#base/digest';
import {
  type BlobContent,
  type BlobRange,
  type Source,
  verifyDigest,
  verifySize,
} from '#base/flow';
import { readAt } from '#host';

/** Bytes that are read at once. */
const PIECE_BYTES = 512 << 10;

/** What a blob must be. */
export interface BlobExpectation {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
}

/**
 * Reads a blob once and knows at the end whether it was the right one. Pieces are overwritten by the next one. When the consumer gives
 * up before the end, `verify` reads the rest, so that damage is called damage and not a malformed layer.
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

  /** The blob from where it was left. @throws IntegrityError BLOB_SIZE_MISMATCH as soon as it is too long; what the source throws */
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
   * Reads what is left and compares size and digest with what was expected.
   * @throws IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH; what the source throws
   */
  async verify(): Promise<ContentDigest> {
    if (this.#found !== undefined) return this.#found;
    while ((await this.#read()) !== undefined);
    verifySize(this.expected, this.#sizeBytes);
    this.#found = this.#hasher.finish();
    verifyDigest(this.expected.digest, this.#found);
    return this.#found;
  }

  /** Lets the source go when nothing more is wanted. */
  async stop(): Promise<void> {
    await this.#pieces.return?.(undefined);
  }
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
