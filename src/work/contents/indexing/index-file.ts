import type { ObjectId } from '#base/digest';
import type { ChunkedFile } from '#formats/chunked';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import type { ContentPlace } from '../place.ts';
import { placeOfBytes } from '../place.ts';
import { KEY_BYTES, keyOf, type WantedContents } from '../wanted.ts';

/*
 * The contents of a layer: a header, the ids of its objects, the bytes of its small files, and fixed records, all little-endian.
 *
 *     head 32: magic 8 · bytes of an id u32 · ids u32 · bytes of small files u64 · records u64
 *     record 40: key 16 · object u32 (of a small file 2^32 - 1) · zero u32 · offset f64 · size f64
 */
const MAGIC = Buffer.from('OCCONT1\n', 'latin1');
const HEAD_BYTES = 32;
const RECORD_BYTES = 40;
const RECORD_WORDS = RECORD_BYTES / 4;
const NO_OBJECT = 0xffff_ffff;
/** Largest index that is read, in bytes. */
export const INDEX_BYTES_MAX = 512 * 2 ** 20;
/** Maximum number of records of a layer; files beyond it are not indexed. */
const RECORDS_MAX = 8_000_000;

/** Initial capacity, in records. */
const RECORDS_MIN = 2048;

/** How a file of a layer was stored: as an object, or inline. */
export type StoredFile = ObjectId | Uint8Array;

/** Collects the contents of a layer, file by file in the order of the tar. */
export class IndexWriter {
  readonly #algorithm: VerityAlgorithm;
  readonly #ids = new Map<ObjectId, number>();
  readonly #small: Uint8Array[] = [];
  #smallBytes = 0;
  #records = Buffer.alloc(RECORDS_MIN * RECORD_BYTES);
  #count = 0;

  constructor(algorithm: VerityAlgorithm) {
    this.#algorithm = algorithm;
  }

  /** Adds a file and how it was stored. */
  add({ digest, sizeBytes, chunks }: ChunkedFile, stored: StoredFile): void {
    if (typeof stored !== 'string') {
      this.#record(digest, NO_OBJECT, this.#smallBytes, sizeBytes);
      this.#small.push(Uint8Array.from(stored));
      this.#smallBytes += stored.length;
      return;
    }
    const known = this.#ids.get(stored);
    const object = known ?? this.#ids.size;
    if (known === undefined) this.#ids.set(stored, object);
    this.#record(digest, object, 0, sizeBytes);
    if (chunks.length < 2) return;
    for (const chunk of chunks) {
      if (chunk.isZeros) continue;
      this.#record(chunk.digest, object, chunk.fileOffset, chunk.sizeBytes);
    }
  }

  #record(digest: ChunkedFile['digest'], object: number, offset: number, size: number): void {
    if (this.#count === RECORDS_MAX) return;
    const at = this.#count * RECORD_BYTES;
    if (at === this.#records.length) {
      const larger = Buffer.alloc(2 * at);
      this.#records.copy(larger);
      this.#records = larger;
    }
    this.#records.set(keyOf(digest), at);
    this.#records.writeUInt32LE(object, at + KEY_BYTES);
    this.#records.writeDoubleLE(offset, at + 24);
    this.#records.writeDoubleLE(size, at + 32);
    this.#count += 1;
  }

  /** Returns the encoded index. */
  finish(): Uint8Array {
    const { digestBytes } = ALGORITHMS[this.#algorithm];
    const padding = -this.#smallBytes & 7;
    const head = Buffer.alloc(HEAD_BYTES);
    MAGIC.copy(head);
    head.writeUInt32LE(digestBytes, 8);
    head.writeUInt32LE(this.#ids.size, 12);
    head.writeBigUInt64LE(BigInt(this.#smallBytes + padding), 16);
    head.writeBigUInt64LE(BigInt(this.#count), 24);
    const ids = Buffer.from([...this.#ids.keys()].join(''), 'hex');
    const records = this.#records.subarray(0, this.#count * RECORD_BYTES);
    return Buffer.concat([head, ids, ...this.#small, Buffer.alloc(padding), records]);
  }
}

/** The objects of the repository. */
export interface IndexedObjects {
  /** Which objects exist: 1 or 0 for each of the concatenated ids. */
  findPresent(ids: Uint8Array<ArrayBuffer>): Uint8Array;
  /** An object that exists and had this size, as a place; one value for each. Undefined when it is not trusted. */
  placeOf(id: ObjectId, sizeBytes: number): ContentPlace | undefined;
}

/**
 * Offers the wanted contents of an index. False when the bytes are not an index of this repository: such an index is useless.
 */
export function scanIndex(
  bytes: Uint8Array,
  algorithm: VerityAlgorithm,
  wanted: WantedContents,
  objects: IndexedObjects,
): boolean {
  const index = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const { digestBytes } = ALGORITHMS[algorithm];
  if (index.length < HEAD_BYTES || !index.subarray(0, 8).equals(MAGIC)) return false;
  const idCount = index.readUInt32LE(12);
  const smallBytes = Number(index.readBigUInt64LE(16));
  const count = Number(index.readBigUInt64LE(24));
  const smallAt = HEAD_BYTES + idCount * digestBytes;
  const recordsAt = smallAt + smallBytes;
  if (index.readUInt32LE(8) !== digestBytes || recordsAt + count * RECORD_BYTES !== index.length) {
    return false;
  }
  // Copied for alignment.
  const records = Uint8Array.prototype.slice.call(index, recordsAt);
  const words = new Uint32Array(records.buffer);
  const view = new DataView(records.buffer);
  const places = new PlacesOfIndex(Uint8Array.prototype.slice.call(index, HEAD_BYTES, smallAt), {
    idCount,
    digestBytes,
    objects,
  });
  for (let at = 0; at < words.length; at += RECORD_WORDS) {
    const object = words[at + 4] as number;
    const offset = view.getFloat64(4 * at + 24, true);
    const sizeBytes = view.getFloat64(4 * at + 32, true);
    // The first record of an object is that of its whole content.
    if (object < idCount && offset === 0) places.measure(object, sizeBytes);
    const found = wanted.find(words, at);
    if (found < 0 || !(offset >= 0) || !(sizeBytes > 0)) continue;
    if (object === NO_OBJECT && offset + sizeBytes <= smallBytes) {
      const start = smallAt + offset;
      const small = Uint8Array.prototype.slice.call(index, start, start + sizeBytes);
      wanted.offerAt(found, sizeBytes, { source: placeOfBytes(small), offset: 0 });
    }
    const source = object < idCount ? places.placeOf(object) : undefined;
    if (source === undefined || offset + sizeBytes > source.sizeBytes) continue;
    wanted.offerAt(found, sizeBytes, { source, offset });
  }
  return true;
}

/** The objects of an index as places, by their number in it. */
class PlacesOfIndex {
  readonly #ids: Buffer<ArrayBuffer>;
  readonly #digestBytes: number;
  readonly #objects: IndexedObjects;
  readonly #sizes: Float64Array;
  readonly #places: (ContentPlace | undefined)[];
  #present: Uint8Array | undefined;

  constructor(
    ids: Uint8Array<ArrayBuffer>,
    {
      idCount,
      digestBytes,
      objects,
    }: {
      readonly idCount: number;
      readonly digestBytes: number;
      readonly objects: IndexedObjects;
    },
  ) {
    this.#ids = Buffer.from(ids.buffer);
    this.#digestBytes = digestBytes;
    this.#objects = objects;
    this.#sizes = new Float64Array(idCount);
    this.#places = new Array(idCount);
  }

  /** Tells the size of an object, before it is asked for. */
  measure(object: number, sizeBytes: number): void {
    if (this.#sizes[object] === 0) this.#sizes[object] = sizeBytes;
  }

  placeOf(object: number): ContentPlace | undefined {
    this.#present ??= this.#objects.findPresent(new Uint8Array(this.#ids.buffer));
    if (this.#present[object] !== 1) return undefined;
    const known = this.#places[object];
    if (known !== undefined) return known;
    const start = object * this.#digestBytes;
    const id = this.#ids.toString('hex', start, start + this.#digestBytes) as ObjectId;
    const place = this.#objects.placeOf(id, this.#sizes[object] ?? 0);
    this.#places[object] = place;
    return place;
  }
}
