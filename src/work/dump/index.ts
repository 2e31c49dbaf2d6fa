/**
 * What a repository stores, in the terms of its formats: streams as bytes, files of images as dumpfile lines, objects of images, layers.
 */

export {
  dumpImageFile,
  type ImageFiles,
  listImageObjects,
  openImageFiles,
  payloadOfImageFile,
} from './image-files.ts';
export { describeLayer, dumpLayer, type LayerDescription, requireLayer } from './layer.ts';
export { readStream } from './stream.ts';
