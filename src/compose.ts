/** Image files without a repository: made from directories and dumpfiles byte for byte as C mkcomposefs makes them, listed and dumped. */
export type { ImageOverrides } from '#formats/tree';
export {
  type ComposeSource,
  composeImage,
  computeImageId,
  type DirectoryOptions,
  dumpImageFile,
  type ListedEntry,
  listBackingPaths,
  listImage,
  listMissing,
  type OpenedImage,
  openImageFile,
  readDirectory,
  readDumpfile,
  type VersionRange,
  writeImage,
} from '#work/compose';
