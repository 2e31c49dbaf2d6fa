import { FormatError } from '#base/errors';
import { STEP_ITEMS, type Steps } from '#base/flow';
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  C_SHARED_LIMIT,
  CHUNK_BITS_LIMIT,
  COMPACT,
  DIRENT,
  type ErofsVersion,
  EXTENDED,
  INODES_OFFSET,
  LAYOUT,
  SHARED_COUNT_LIMIT,
  SLOT_SIZE,
  V2_CHUNK_FORMAT,
  WRITER_IMAGE_LIMIT,
} from '../layout.ts';
import { type InodeTable, KIND } from './inode-table.ts';
import { sectionBytes } from './xattr-section.ts';

/** Placement of all structures, as columns by inode number. Lengths and offsets in bytes. */
export interface Placement {
  /** Offset / 32. */
  readonly nid: Uint32Array;
  readonly isExtended: Uint8Array;
  readonly layout: Uint8Array;
  readonly xattrBytes: Uint32Array;
  readonly inlineBytes: Uint32Array;
  /** Number of data blocks, and index of the first one, counted from the first data block of the image. */
  readonly blocks: Uint32Array;
  readonly firstBlock: Uint32Array;
  /** log2 of the chunk size of chunk-based inodes. */
  readonly chunkBits: Uint8Array;
  readonly inodesEnd: number;
  readonly dataOffset: number;
  readonly sizeBytes: number;
  /** Most references to the shared table that one inode may have. */
  readonly sharedLimit: number;
}

/** A directory tail or file tail above this becomes a block. Source: core spec 5.6 */
const TAIL_LIMIT = BLOCK_SIZE / 2;

function invalid(message: string, what: string, inode: number): FormatError {
  return new FormatError('TREE_INVALID', message, { offset: inode, what });
}

/** Positions of `.` and `..` among the sorted names of a directory. */
export function dotPositions(
  names: readonly string[],
  first: number,
  end: number,
): [dot: number, dotDot: number] {
  let dot = 0;
  while (first + dot < end && (names[first + dot] as string) < '.') dot += 1;
  let dotDot = dot;
  while (first + dotDot < end && (names[first + dotDot] as string) < '..') dotDot += 1;
  return [dot, dotDot + 1];
}

/** Chunk size of a file in V0 and V1, as log2 of bytes: the whole file in one chunk when possible. Source: core spec 5.6 */
export function chunkBitsOf(sizeBytes: number): number {
  if (sizeBytes <= 1) return BLOCK_BITS;
  const last = sizeBytes - 1;
  const high = Math.floor(last / 2 ** 32);
  const bits = high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(last % 2 ** 32);
  return Math.min(Math.max(bits, BLOCK_BITS), CHUNK_BITS_LIMIT);
}

/** Lays out an image; depends on sizes only. @throws FormatError TREE_INVALID. Source: core spec 5.6, 5.7 */
export function placeInodes(
  table: InodeTable,
  version: ErofsVersion,
  likeC: boolean,
): Steps<Placement> {
  return new Placer(table, version, likeC ? C_SHARED_LIMIT : SHARED_COUNT_LIMIT).run();
}

class Placer {
  readonly #table: InodeTable;
  readonly #version: ErofsVersion;
  readonly #columns: Omit<Placement, 'inodesEnd' | 'dataOffset' | 'sizeBytes'>;
  #blockCount = 0;

  constructor(table: InodeTable, version: ErofsVersion, sharedLimit: number) {
    const { count } = table.list;
    this.#table = table;
    this.#version = version;
    this.#columns = {
      nid: new Uint32Array(count),
      isExtended: new Uint8Array(count),
      layout: new Uint8Array(count),
      xattrBytes: new Uint32Array(count),
      inlineBytes: new Uint32Array(count),
      blocks: new Uint32Array(count),
      firstBlock: new Uint32Array(count),
      chunkBits: new Uint8Array(count),
      sharedLimit,
    };
  }

  *run(): Steps<Placement> {
    const { count } = this.#table.list;
    const { blocks, firstBlock, nid, inlineBytes } = this.#columns;
    let position: number = INODES_OFFSET;
    for (let inode = 0; inode < count; inode += 1) {
      if (inode % STEP_ITEMS === 0) yield;
      this.#measure(inode);
      const head = this.#head(inode);
      position = Math.ceil(position / SLOT_SIZE) * SLOT_SIZE;
      position = this.#adjust(inode, position, head);
      nid[inode] = position / SLOT_SIZE;
      position += head + (inlineBytes[inode] as number);
      firstBlock[inode] = this.#blockCount;
      this.#blockCount += blocks[inode] as number;
      if (position > WRITER_IMAGE_LIMIT) throw tooLarge(position);
    }
    const inodesEnd = Math.ceil(position / SLOT_SIZE) * SLOT_SIZE;
    const dataOffset =
      Math.ceil((inodesEnd + this.#table.xattrs.sharedBytes) / BLOCK_SIZE) * BLOCK_SIZE;
    const sizeBytes = dataOffset + this.#blockCount * BLOCK_SIZE;
    if (sizeBytes > WRITER_IMAGE_LIMIT) throw tooLarge(sizeBytes);
    if ((nid[0] as number) > 0xffff) throw invalid('Cannot place the root inode', 'root', 0);
    return { ...this.#columns, inodesEnd, dataOffset, sizeBytes };
  }

  #head(inode: number): number {
    const { isExtended, xattrBytes } = this.#columns;
    const header = isExtended[inode] === 1 ? EXTENDED.sizeBytes : COMPACT.sizeBytes;
    return header + (xattrBytes[inode] as number);
  }

  /** Computes form, xattr section, layout, inline bytes and blocks of an inode, before it has a position. */
  #measure(inode: number): void {
    const { table, columns } = { table: this.#table, columns: this.#columns };
    const size = table.sizeBytes[inode] as number;
    columns.xattrBytes[inode] = sectionBytes(table, inode, columns.sharedLimit);
    switch (table.kind[inode]) {
      case KIND.directory:
        this.#measureDirectory(inode);
        break;
      case KIND.inline:
        this.#measureFile(inode, size);
        break;
      case KIND.chunked:
        this.#measureChunks(inode, size);
        break;
      case KIND.symlink:
        if (this.#version === 2) this.#refuseLong(inode, size);
        if (size >= BLOCK_SIZE)
          throw invalid(`Cannot write a symlink target of ${size} bytes`, 'symlink', inode);
        columns.layout[inode] = LAYOUT.flatInline;
        columns.inlineBytes[inode] = size;
        break;
      default:
        columns.layout[inode] = LAYOUT.flatPlain;
    }
    columns.isExtended[inode] = this.#needsExtended(inode) ? 1 : 0;
  }

  #needsExtended(inode: number): boolean {
    if (this.#version === 2) return true;
    const { stats, minimum } = this.#table;
    return !(
      stats.compareMtime(inode, minimum) === 0 &&
      (this.#table.nlink[inode] as number) <= 0xffff &&
      (stats.uid[inode] as number) <= 0xffff &&
      (stats.gid[inode] as number) <= 0xffff &&
      (this.#table.sizeBytes[inode] as number) <= 0xffffffff
    );
  }

  /** Directories fill blocks greedily; the remainder is an inline tail, or one more block when it is large. */
  #measureDirectory(inode: number): void {
    const { list, sizeBytes } = this.#table;
    const { blocks, inlineBytes, layout } = this.#columns;
    const at = list.directoryOf[inode] as number;
    const first = list.directoryFirst[at] as number;
    const end = list.directoryEnd[at] as number;
    const [dot, dotDot] = dotPositions(list.names, first, end);
    let full = 0;
    let used = 0;
    let next = first;
    for (let entry = 0; entry < end - first + 2; entry += 1) {
      let length = DIRENT.sizeBytes;
      if (entry === dot) length += 1;
      else if (entry === dotDot) length += 2;
      else {
        length += this.#nameLength(next, inode);
        next += 1;
      }
      if (used + length > BLOCK_SIZE) {
        full += 1;
        used = 0;
      }
      used += length;
    }
    if (used > TAIL_LIMIT) {
      full += 1;
      used = 0;
    }
    sizeBytes[inode] = full * BLOCK_SIZE + used;
    blocks[inode] = full;
    inlineBytes[inode] = used;
    layout[inode] = used === 0 ? LAYOUT.flatPlain : LAYOUT.flatInline;
  }

  #nameLength(entry: number, inode: number): number {
    const { length } = this.#table.list.names[entry] as string;
    if (length > 0 && length <= 255) return length;
    throw invalid(`Cannot write a name of ${length} bytes: expected 1 to 255`, 'name', inode);
  }

  #measureFile(inode: number, size: number): void {
    const { blocks, inlineBytes, layout } = this.#columns;
    if (this.#version === 2) {
      this.#refuseLong(inode, size);
      layout[inode] = size === 0 ? LAYOUT.flatPlain : LAYOUT.flatInline;
      inlineBytes[inode] = size;
      return;
    }
    let full = Math.floor(size / BLOCK_SIZE);
    let tail = size % BLOCK_SIZE;
    if (tail > TAIL_LIMIT) {
      full += 1;
      tail = 0;
    }
    layout[inode] = tail === 0 ? LAYOUT.flatPlain : LAYOUT.flatInline;
    inlineBytes[inode] = tail;
    blocks[inode] = full;
  }

  /** V2 has no data blocks for contents: content that does not fit inline after the inode cannot be written. */
  #refuseLong(inode: number, size: number): void {
    if (size < BLOCK_SIZE) return;
    throw invalid(
      `Cannot write ${size} inline bytes in V2: expected less than a block`,
      'inline content',
      inode,
    );
  }

  #measureChunks(inode: number, size: number): void {
    const { table, columns } = { table: this.#table, columns: this.#columns };
    columns.layout[inode] = LAYOUT.chunkBased;
    if (this.#version === 2) {
      columns.chunkBits[inode] = V2_CHUNK_FORMAT + BLOCK_BITS;
      columns.inlineBytes[inode] = (table.metacopy[inode] as number) >= 0 ? 4 : 0;
      return;
    }
    const bits = chunkBitsOf(size);
    columns.chunkBits[inode] = bits;
    columns.inlineBytes[inode] = 4 * Math.ceil(size / 2 ** bits);
  }

  /** Moves an inode forward so that its inline bytes do not cross a block. Source: core spec 5.7 */
  #adjust(inode: number, position: number, head: number): number {
    const inline = this.#columns.inlineBytes[inode] as number;
    if (this.#version === 2) return this.#adjustV2(inode, position, head);
    if (this.#table.kind[inode] === KIND.symlink) return this.#adjustSymlink(inode, position, head);
    if (inline === 0) return position;
    const rest = BLOCK_SIZE - ((position + head) % BLOCK_SIZE);
    if (rest >= inline) return position;
    const padding = Math.ceil(rest / SLOT_SIZE) * SLOT_SIZE;
    const restAfter = BLOCK_SIZE - ((position + head + padding) % BLOCK_SIZE);
    if (inline <= restAfter) return position + padding;
    if (this.#table.kind[inode] !== KIND.chunked) {
      throw invalid('Cannot place the inline bytes of an inode', 'inline content', inode);
    }
    this.#columns.inlineBytes[inode] = 0;
    this.#columns.blocks[inode] = 1;
    return Math.ceil(position / BLOCK_SIZE) * BLOCK_SIZE;
  }

  /** A symlink target that cannot share a block with its header is stored in a data block of its own. */
  #adjustSymlink(inode: number, position: number, head: number): number {
    const { inlineBytes, blocks, layout } = this.#columns;
    const total = head + (inlineBytes[inode] as number);
    if (total >= BLOCK_SIZE) {
      inlineBytes[inode] = 0;
      blocks[inode] = 1;
      layout[inode] = LAYOUT.flatPlain;
    }
    const crosses =
      Math.floor(position / BLOCK_SIZE) !== Math.floor((position + total - 1) / BLOCK_SIZE);
    return crosses ? Math.ceil(position / BLOCK_SIZE) * BLOCK_SIZE : position;
  }

  #adjustV2(inode: number, position: number, head: number): number {
    if (this.#columns.layout[inode] !== LAYOUT.flatInline) return position;
    const lastMeta = position + head - 1;
    const end = position + head + ((this.#table.sizeBytes[inode] as number) % BLOCK_SIZE);
    if (Math.floor(lastMeta / BLOCK_SIZE) === Math.floor(end / BLOCK_SIZE)) return position;
    const moved = position + (BLOCK_SIZE - (lastMeta % BLOCK_SIZE));
    return Math.ceil(moved / SLOT_SIZE) * SLOT_SIZE;
  }
}

function tooLarge(position: number): FormatError {
  return new FormatError(
    'EROFS_TOO_LARGE',
    `Cannot write the image: expected at most ${WRITER_IMAGE_LIMIT} bytes, found more`,
    { offset: position, what: 'image' },
  );
}
