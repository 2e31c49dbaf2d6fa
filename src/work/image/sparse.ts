import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import type { VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  INLINE_BYTES_MAX,
  type StoredContent,
  type StoredTarEntry,
  type TarSparse,
} from '#formats/tar';
import { openVerityHasher, truncate, writeAt } from '#host';

/** Largest sparse file that is expanded, in bytes including its holes, because hashing holes takes time. */
export const SPARSE_BYTES_MAX = 2 ** 36;
/** Bytes that are copied or hashed at once. */
const PIECE_BYTES = 1 << 20;
const ZEROS = new Uint8Array(PIECE_BYTES);

/** Target of expanded sparse files: a repository, or a temporary store while an image is read. */
export interface SparseStore {
  readonly algorithm: VerityAlgorithm;
  readonly objects: {
    open(id: ObjectId): Disposable & { read(offset: number, into: Uint8Array): number };
    stage(): Disposable & { readonly fd: number; publish(id: ObjectId): unknown };
  };
}

/**
 * Converts a stored entry to its form in a filesystem: the content of a sparse member becomes an object of the file with its holes. The
 * stream of the layer must refer to that object, because nothing else keeps it alive. Other entries are returned unchanged.
 * @throws FormatError LAYER_TOO_LARGE; HostError SYSCALL_FAILED, NO_SPACE
 */
export function expandSparse(
  store: SparseStore,
  { entry, content }: StoredTarEntry,
): StoredContent {
  const { sparse } = entry;
  if (sparse === undefined || entry.type !== 'file') return content;
  if (sparse.realSizeBytes > SPARSE_BYTES_MAX) {
    throw new FormatError(
      'LAYER_TOO_LARGE',
      `Cannot expand sparse file "${entry.path}": expected at most ${SPARSE_BYTES_MAX} bytes, found ${sparse.realSizeBytes}`,
      { offset: entry.offset, what: 'sparse file', limit: SPARSE_BYTES_MAX },
    );
  }
  if (content.kind === 'inline') return expandInto(store, sparse, bytesReader(content.bytes));
  using object = store.objects.open(content.id);
  return expandInto(store, sparse, (offset, into) => object.read(offset, into));
}

type ReadData = (offset: number, into: Uint8Array) => number;

function bytesReader(bytes: Uint8Array): ReadData {
  return (offset, into) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
}

function expandInto(store: SparseStore, sparse: TarSparse, read: ReadData): StoredContent {
  const { realSizeBytes: sizeBytes } = sparse;
  if (sizeBytes <= INLINE_BYTES_MAX) {
    const bytes = new Uint8Array(sizeBytes);
    for (const { at, piece } of dataOf(sparse, read)) bytes.set(piece, at);
    return { kind: 'inline', bytes };
  }
  const hasher = openVerityHasher(store.algorithm);
  using staged = store.objects.stage();
  truncate(staged.fd, sizeBytes);
  for (const { at, piece } of dataOf(sparse, read)) {
    hashZeros(hasher, at - hasher.sizeBytes);
    hasher.update(piece);
    writeAt(staged.fd, piece, at);
  }
  hashZeros(hasher, sizeBytes - hasher.sizeBytes);
  const id: ObjectId = hasher.finish();
  staged.publish(id);
  return { kind: 'external', id, sizeBytes };
}

/** The data of the runs, in pieces, with their offsets in the real file. A map inside the payload is not part of the stored data. */
function* dataOf({ map }: TarSparse, read: ReadData) {
  const buffer = new Uint8Array(PIECE_BYTES);
  let from = 0;
  for (const run of map) {
    for (let done = 0; done < run.sizeBytes; ) {
      const wanted = buffer.subarray(0, Math.min(PIECE_BYTES, run.sizeBytes - done));
      const count = read(from, wanted);
      if (count === 0) throw new Error('a checked sparse map reaches beyond its data');
      yield { at: run.offset + done, piece: buffer.subarray(0, count) };
      done += count;
      from += count;
    }
  }
}

function hashZeros(hasher: VerityHasher, sizeBytes: number): void {
  for (let left = sizeBytes; left > 0; left -= PIECE_BYTES) {
    hasher.update(ZEROS.subarray(0, Math.min(left, PIECE_BYTES)));
  }
}
