/**
 * Compose: images without a repository. A directory or a dumpfile becomes one image file, byte for byte as C mkcomposefs
 * makes it, and an image file is listed, dumped and compared with a directory of objects.
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
