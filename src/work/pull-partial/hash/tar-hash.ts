import { type ContentDigest, createContentHasher, type ObjectId } from '#base/digest';
import { type ObjectReader, type ObjectReaderSeed, openObjectReader } from '#stores/composefs';

/** The hash of a tar that is put together from bytes and objects. */
export interface TarHash extends AsyncDisposable {
  /** The next bytes of the tar; they may be overwritten afterwards. */
  bytes(bytes: Uint8Array): void;
  /** The next bytes of the tar are the content of an object. */
  object(id: ObjectId): void;
  /** Undefined, or what to wait for before more is added. @throws as `finish` */
  ready(): Promise<void> | undefined;
  /** The digest of everything. @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH, VERITY_NOT_ENABLED; HostError SYSCALL_FAILED */
  finish(): Promise<ContentDigest>;
}

/** Size of the buffer for contents, in bytes: most objects are read in one call. */
const ROOM_BYTES = 256 * 1024;

/** Hashes in this thread. */
export class DirectTarHash implements TarHash {
  readonly #hasher = createContentHasher();
  readonly #readers: readonly ObjectReader[];
  readonly #room = new Uint8Array(ROOM_BYTES);
  /** Objects that were asked for, and that were hashed. */
  #asked = 0;
  #hashed = 0;

  /** Without a seed there are no objects. */
  constructor(seed: ObjectReaderSeed | undefined, aheadMax = 1) {
    const count = seed === undefined ? 0 : aheadMax;
    this.#readers = Array.from({ length: count }, () => openObjectReader(seed as ObjectReaderSeed));
  }

  bytes(bytes: Uint8Array): void {
    this.#hasher.update(bytes);
  }

  /** Announces an object of a later turn. False, and nothing happens, when enough are announced. @throws as `object` */
  announce(id: ObjectId): boolean {
    if (this.#asked - this.#hashed >= this.#readers.length) return false;
    const reader = this.#ask(id);
    reader.prefetch(ROOM_BYTES);
    return true;
  }

  #ask(id: ObjectId): ObjectReader {
    const reader = this.#readers[this.#asked % this.#readers.length];
    if (reader === undefined) throw new Error('an object was hashed without a repository');
    reader.open(id);
    this.#asked += 1;
    return reader;
  }

  object(id: ObjectId): void {
    const reader =
      this.#asked > this.#hashed
        ? (this.#readers[this.#hashed % this.#readers.length] as ObjectReader)
        : this.#ask(id);
    this.#hashed += 1;
    for (let count = ROOM_BYTES; count === ROOM_BYTES; ) {
      count = reader.read(this.#room);
      this.#hasher.update(this.#room.subarray(0, count));
    }
  }

  ready(): undefined {
    return undefined;
  }

  async finish(): Promise<ContentDigest> {
    return this.#hasher.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.#readers) reader[Symbol.dispose]();
  }
}
