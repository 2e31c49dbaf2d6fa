/**
 * Export: a stored image leaves the repository, as a layout, an archive, plain files, or into a registry. Contents are shared by reflink where both
 * filesystems can, and everything is verified on its way out.
 */
export {
  type ImageReference,
  type LocalReference,
  type OstreeReference,
  parseReference,
} from '#formats/oci';
export type { CheckoutCounts, LeftOut } from './checkout.ts';
export { removeAbandonedExports } from './staging.ts';
export {
  type DirectoryOptions,
  type DirectoryReport,
  exportDirectory,
  exportPath,
} from './to-directory.ts';
export {
  type ExportedLayer,
  type ExportOptions,
  type ExportReport,
  exportImage,
  type LayerMethod,
} from './to-layout.ts';
export {
  type PushedLayer,
  type PushMethod,
  type PushOptions,
  type PushReport,
  pushImage,
} from './to-registry.ts';
