/**
 * Bootable images: the boot transform of an image's tree, the EROFS images of it, and entries for a boot loader.
 */

export { formatImageArgument } from '#formats/boot';
export {
  buildBootImages,
  computeBootImageId,
  dumpBootImage,
  type MatchedBootImage,
  matchBootImage,
} from './boot-image.ts';
export { type PrepareBootOptions, prepareBoot } from './prepare.ts';
export { transformForBoot } from './transform.ts';
