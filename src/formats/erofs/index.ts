/**
 * EROFS images as composefs writes them: a byte-exact writer for the three layouts, and a reader for untrusted images.
 *
 *     0      composefs header, zeros up to 1024
 *     1024   superblock
 *     1152   inodes, each on a 32-byte slot, followed by its xattrs and small contents
 *            shared xattrs, padding to 4096
 *            data blocks: directories, larger inline contents
 */

export type { ErofsVersion } from './layout.ts';
export {
  type BackingFile,
  backingFileOf,
  dumpImage,
  isEscapedWhiteout,
  isStubEntry,
  rootNameOf,
} from './read/dump.ts';
export type {
  ErofsEntry,
  ErofsInode,
  InodeType,
  ObjectReference,
  StoredXattr,
} from './read/inode.ts';
export {
  checkImage,
  checkImageInSteps,
  type ImageFinding,
  type ImageFindingCode,
  listObjectRefs,
  listObjectRefsInSteps,
  visitObjectRefs,
  visitObjectRefsInSteps,
} from './read/inspect.ts';
export { readTree, readTreeInSteps } from './read/read-tree.ts';
export { ErofsImage, openImage } from './read/reader.ts';
export { type DigestVisitor, scanObjectRefs, scanPieces } from './read/scan-refs.ts';
export type { ImageHeader, OpenOptions } from './read/superblock.ts';
export { type WalkedEntry, walkImage } from './read/walk.ts';
export {
  type EncodeOptions,
  encodeImage,
  encodeImageInSteps,
  encodePiecesInSteps,
  type PieceReceiver,
} from './write/writer.ts';
