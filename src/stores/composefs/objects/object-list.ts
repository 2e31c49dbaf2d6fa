import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import type { Dir, FileType } from '#host';
import { FAN_OUT } from '../layout.ts';
import { ObjectNameDecoder, ObjectSet } from './object-set.ts';

/** Size of an object that has not been read yet. */
const SIZE_UNKNOWN = -1;

/** Plain data that threads share: the objects of a repository, directory by directory. */
export interface SharedObjects {
  /** Digests, concatenated. */
  readonly digests: SharedArrayBuffer;
  /** Float64: the size of each in bytes, or -1; written by the thread that reads it. */
  readonly sizes: SharedArrayBuffer;
}

/** A file in a fan-out directory that is not an object, or whose type the directory does not state. */
export interface OddEntry {
  readonly fanOut: string;
  readonly name: ByteString;
  readonly type: FileType;
}

/** One scan of all fan-out directories. */
export class ObjectList {
  readonly shared: SharedObjects;
  readonly odd: readonly OddEntry[];
  readonly #ids: ObjectSet;
  readonly #sizes: Float64Array;

  constructor(ids: ObjectSet, odd: readonly OddEntry[]) {
    this.#ids = ids;
    this.odd = odd;
    const sizes = new SharedArrayBuffer(ids.size * Float64Array.BYTES_PER_ELEMENT);
    this.shared = { digests: ids.shareDigests(), sizes };
    this.#sizes = new Float64Array(sizes).fill(SIZE_UNKNOWN);
  }

  /** Objects and odd entries. */
  get size(): number {
    return this.#ids.size + this.odd.length;
  }

  /** Words of four bytes in a digest. */
  get digestWords(): number {
    return this.#ids.digestWords;
  }

  /** Number of an object, or -1 if there was no regular file of its name. */
  indexOf(id: ObjectId): number {
    return this.#ids.indexOf(id);
  }

  /** As `indexOf`, of the digest at `at`. */
  indexOfWords(words: Uint32Array, at: number): number {
    return this.#ids.indexOfWords(words, at);
  }

  /** Size in bytes of the object with a number, if a thread has read it. */
  sizeAt(index: number): number | undefined {
    const size = this.#sizes[index] ?? SIZE_UNKNOWN;
    return size === SIZE_UNKNOWN ? undefined : size;
  }
}

/** Lists the contents of the fan-out directories. @throws HostError SYSCALL_FAILED */
export function listObjects(objects: Dir | undefined, algorithm: VerityAlgorithm): ObjectList {
  const { digestBytes } = ALGORITHMS[algorithm];
  const ids = new ObjectSet(digestBytes);
  const odd: OddEntry[] = [];
  const decoder = new ObjectNameDecoder(digestBytes);
  for (const [number, fanOut] of FAN_OUT.entries()) {
    using dir = openFanOut(objects, fanOut);
    dir?.visitEntries((bytes, start, end, type) => {
      if (type === 'file' && decoder.decode(number, bytes, start, end)) {
        ids.addWords(decoder.words, 0);
        return;
      }
      const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
      odd.push({ fanOut, name: name.toString('latin1') as ByteString, type });
    });
  }
  return new ObjectList(ids, odd);
}

/** True if the fan-out directories hold at least this number of entries. Stops reading as soon as the answer is known. */
export function hasObjects(objects: Dir, count: number): boolean {
  let found = 0;
  for (const fanOut of FAN_OUT) {
    using dir = openFanOut(objects, fanOut);
    dir?.visitEntries(() => {
      found += 1;
    });
    if (found >= count) return true;
  }
  return false;
}

/** Opens a fan-out directory; undefined if it does not exist. */
export function openFanOut(objects: Dir | undefined, fanOut: string): Dir | undefined {
  if (objects?.lstat(fanOut)?.type !== 'directory') return undefined;
  return objects.openDir(fanOut, { noFollow: true });
}
