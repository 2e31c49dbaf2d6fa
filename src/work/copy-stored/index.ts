/**
 * Copies a stored image from one composefs repository to another, also to one of another fs-verity algorithm. Between repositories of one
 * algorithm the objects are shared by reflink where the filesystem can.
 */

export { type CopyStoredOptions, copyStoredImage } from './copy.ts';
export {
  finishImage,
  type ImageToFinish,
  type LayerId,
  type NamedImage,
  type NameImageOptions,
} from './name-image.ts';
