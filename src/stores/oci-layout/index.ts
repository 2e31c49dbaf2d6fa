/**
 * Image layouts on a disk: OCI layouts and archives, Docker archives, and skopeo's plain directories. Reading describes
 * every blob as a range of an open file, so that workers read it themselves; writing publishes the index last.
 */
export type { SpoolOptions } from './archive.ts';
export { openImageSource, openImageTarget } from './open.ts';
export { readSignatureFiles, type SignatureFile } from './signature-files.ts';
export type { ImageListing, ImageSource } from './source.ts';
export type { BlobMethod, BlobWriter, ImageTarget, WrittenBlob } from './target.ts';
