import type { ByteString } from '#base/bytes';
import { DIRENT } from '../layout.ts';
import type { ImageBytes } from './image-bytes.ts';
import type { ErofsEntry } from './inode.ts';
import { invalidImage } from './superblock.ts';

/** Longest file name of Linux, in bytes. */
const NAME_LENGTH_LIMIT = 255;

/** A directory block, and its offset in a piece of the image. */
export interface DirectoryBlock {
  readonly view: DataView;
  readonly buffer: Buffer;
  /** Offset in the image. */
  readonly start: number;
  /** Offset in `view` and `buffer`. */
  readonly at: number;
  readonly sizeBytes: number;
  /** Number of entries. */
  readonly count: number;
}

/**
 * Opens the directory block from `start` to `end` of the image. The block stays valid while other parts are read.
 * @throws FormatError EROFS_INVALID
 */
export function openBlock(bytes: ImageBytes, start: number, end: number): DirectoryBlock {
  const at = bytes.locate(start, end - start);
  const { view, buffer } = bytes;
  const sizeBytes = end - start;
  const first = sizeBytes < DIRENT.sizeBytes ? 0 : view.getUint16(at + DIRENT.nameOffset, true);
  if (first === 0 || first % DIRENT.sizeBytes !== 0 || first > sizeBytes) {
    throw invalidImage(start, 'directory block', `first name at ${first}`);
  }
  return { view, buffer, start, at, sizeBytes, count: first / DIRENT.sizeBytes };
}

/** Decodes an entry of a block; the entries before it must be valid. @throws FormatError EROFS_INVALID */
export function entryOf(block: DirectoryBlock, entry: number): ErofsEntry {
  const { view, buffer, at, sizeBytes, count } = block;
  const header = entry * DIRENT.sizeBytes;
  const nameStart = view.getUint16(at + header + DIRENT.nameOffset, true);
  let nameEnd = sizeBytes;
  if (entry + 1 < count) {
    nameEnd = view.getUint16(at + header + DIRENT.sizeBytes + DIRENT.nameOffset, true);
  } else {
    const nul = buffer.subarray(at + nameStart, at + sizeBytes).indexOf(0);
    if (nul >= 0) nameEnd = nameStart + nul;
  }
  const length = nameEnd - nameStart;
  if (nameEnd > sizeBytes || length <= 0 || length > NAME_LENGTH_LIMIT) {
    throw invalidImage(block.start + header, 'directory entry', `a name of ${length} bytes`);
  }
  const name = buffer.toString('latin1', at + nameStart, at + nameEnd) as ByteString;
  if (name.includes('/') || name.includes('\0')) {
    throw invalidImage(block.start + header, 'directory entry', 'a name with a slash or a NUL');
  }
  const high = view.getUint32(at + header + DIRENT.nid + 4, true);
  return { name, nid: high * 2 ** 32 + view.getUint32(at + header + DIRENT.nid, true) };
}

/** Finds the entry with this name. @throws FormatError EROFS_INVALID */
export function entryNamed(block: DirectoryBlock, name: string): ErofsEntry | undefined {
  for (let index = 0; index < block.count; index += 1) {
    const entry = entryOf(block, index);
    if (entry.name === name) return entry;
  }
  return undefined;
}
