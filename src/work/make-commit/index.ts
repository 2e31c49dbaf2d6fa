/**
 * A new OSTree commit from folders, tars, images and other commits, as `ostree commit` makes it.
 */
export { type CommitDetails, type CommitOptions, type CommitReport, commitTree } from './commit.ts';
export { notCommittable, requireName, requireTarget } from './committable.ts';
export { encodeDetachedOptions, parseMetadataOptions } from './metadata-options.ts';
export {
  type CommitModifiers,
  parseSkipList,
  parseStatOverrides,
  type StatOverride,
} from './modifiers.ts';
export type { TreeSource } from './tree-source.ts';
