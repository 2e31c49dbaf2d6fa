/**
 * Files and arguments of boot loaders: entries of the Boot Loader Specification, unified kernel images, Android boot images, and the
 * kernel argument that names a composefs image.
 */

export { requireAndroidKernel } from './android.ts';
export {
  type BlsEntry,
  createBlsEntry,
  editBlsEntry,
  encodeBlsEntry,
  filesOfBlsEntry,
  parseBlsEntry,
} from './bls.ts';
export { findImageArgument, formatImageArgument, type ImageArgument } from './kernel-argument.ts';
export { isPe, readPeSection } from './pe.ts';
