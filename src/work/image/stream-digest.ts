import { setImmediate as yieldToEvents } from 'node:timers/promises';
import {
  type ContentDigest,
  type ContentHasher,
  createHasherLike,
  type DiffId,
} from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Splitstream } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';

/** Size of the hash buffer, in bytes: hashing small parts together costs less, and the buffer fits into the second-level cache. */
const PIECE_BYTES = 256 << 10;
/** Bytes that are hashed between two yields to the event loop. */
const TURN_BYTES = 16 << 20;
/** Cost of opening an object, in bytes of hashing. */
const OPEN_BYTES = 16 << 10;

/**
 * Rebuilds the bytes of a stream and computes their digest with the algorithm of `like`. Objects are not verified.
 * @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError VERITY_NOT_ENABLED; FormatError of a bad splitstream; the signal's reason
 */
export async function computeStreamDigest(
  repository: Repository,
  stream: Splitstream,
  like: DiffId | ContentDigest,
  { signal }: Pick<OperationOptions, 'signal'> = {},
): Promise<ContentDigest> {
  const gathered = new Gathered(createHasherLike(like));
  using reader = repository.objects.reader();
  let turnBytes = 0;
  for (const part of stream.parts()) {
    if (part.kind === 'inline') {
      gathered.add(part.bytes);
      continue;
    }
    reader.open(part.id);
    turnBytes += OPEN_BYTES;
    for (let isMore = true; isMore; ) {
      const room = gathered.room();
      const count = reader.read(room);
      gathered.took(count);
      isMore = count === room.length;
      turnBytes += count;
      if (turnBytes < TURN_BYTES) continue;
      turnBytes = 0;
      await yieldToEvents();
      signal?.throwIfAborted();
    }
  }
  return gathered.finish();
}

/** Buffers bytes that are hashed together. */
class Gathered {
  readonly #hasher: ContentHasher;
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #used = 0;

  constructor(hasher: ContentHasher) {
    this.#hasher = hasher;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length > PIECE_BYTES - this.#used) this.#flush();
    if (bytes.length > PIECE_BYTES) this.#hasher.update(bytes);
    else {
      this.#piece.set(bytes, this.#used);
      this.#used += bytes.length;
    }
  }

  /** Free space of the buffer; never empty. */
  room(): Uint8Array {
    if (this.#used === PIECE_BYTES) this.#flush();
    return this.#piece.subarray(this.#used);
  }

  /** Records the number of bytes written into the free space. */
  took(count: number): void {
    this.#used += count;
  }

  finish(): ContentDigest {
    this.#flush();
    return this.#hasher.finish();
  }

  #flush(): void {
    this.#hasher.update(this.#piece.subarray(0, this.#used));
    this.#used = 0;
  }
}
