/**
 * Compose: images without a repository. Converts a directory or a dumpfile to an image file, byte for byte as C mkcomposefs does, and lists
 * an image file, dumps it, and compares it with a directory of objects.
 *
 *     directory ─ scan ──┐
 *                        ├─▶ tree ─▶ image bytes ─▶ file or standard output
 *     dumpfile ─ parse ──┘
 */
export {
  type ComposeSource,
  composeImage,
  computeImageId,
  type DirectoryOptions,
  readDirectory,
  readDumpfile,
  rewriteImage,
  type VersionRange,
  writeImage,
} from './compose.ts';
export {
  dumpImageFile,
  type ListedEntry,
  listBackingPaths,
  listImage,
  listMissing,
  measureFile,
  type OpenedImage,
  openImageFile,
} from './inspect.ts';
export { hashFile, hashPieces, type ScanOptions, scanDirectory } from './scan.ts';
