/**
 * A directory of this host as the root filesystem of an image: its tree, the image's id, its dumpfile; or stored in a repository.
 */

export { parseXattrMode, type XattrMode } from '#formats/tree';
export { dumpRootfs, encodeRootfs, type RootfsOptions, readRootfs } from './read.ts';
export { type StoreRootfsOptions, storeImage, storeRootfs } from './store.ts';
