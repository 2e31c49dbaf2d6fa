/**
 * Export: writes a stored image to a layout, an archive, plain files, or a registry. Contents are shared by reflink if both filesystems
 * support it, and all data is verified.
 */
export {
  type ImageReference,
  type LocalReference,
  type OstreeReference,
  parseReference,
} from '#formats/oci';
export type { CheckoutCounts, LeftOut } from './checkout.ts';
export type { Packing } from './layer-blobs.ts';
export { rebuildLayer } from './layer-bytes.ts';
export { removeAbandonedExports } from './staging.ts';
export {
  copyEntry,
  type DirectoryOptions,
  type DirectoryReport,
  type EntryOfTree,
  exportDirectory,
  exportPath,
  exportTree,
} from './to-directory.ts';
export {
  type ExportedLayer,
  type ExportOptions,
  type ExportReport,
  exportImage,
  exportIndex,
  type IndexExportReport,
  type LayerMethod,
} from './to-layout.ts';
export {
  type PushedLayer,
  type PushMethod,
  type PushOptions,
  type PushReport,
  pushImage,
  pushIndex,
} from './to-registry.ts';
