/**
 * Stored OSTree commits: found by name or id, listed, read, compared and dumped; and how a commit is stored, with its image and its names.
 *
 *     streams/ostree-commit-<id> ─▶ every object of the commit ─▶ tree ─▶ EROFS image
 *     streams/refs/ostree/<ref>  ─▶ the commit that a ref names
 */

export { jsonOfMetadata } from '#formats/ostree';
export { forgetAncestors, keepAncestors, tagCommit } from './ancestors.ts';
export { type CommitCheck, type CommitFinding, checkCommit, isCommitName } from './check.ts';
export { type CommitChange, compareCommits } from './compare.ts';
export { dumpCommit } from './dump.ts';
export {
  type CommitEntry,
  findEntry,
  formatEntry,
  type ListOptions,
  listEntries,
  readEntry,
} from './entries.ts';
export {
  type CommitSummary,
  commitDate,
  type History,
  readHistory,
  summarizeCommit,
} from './history.ts';
export {
  type CommitImageOptions,
  computeCommitImageId,
  ensureCommitImage,
  restoreCommitImage,
  treeOfOpened,
} from './image.ts';
export { formatMetadata } from './metadata.ts';
export {
  type CommitRef,
  type CommitRow,
  listCommitRefs,
  listCommits,
  readCommitRef,
  readPartialRef,
  resolveCommit,
  untagCommit,
} from './names.ts';
export {
  COMMITMETA_REF,
  isWhole,
  type OpenedCommit,
  openBase,
  openCommit,
  openCommitById,
  tryOpenCommit,
} from './open.ts';
export {
  listPartialCommits,
  openPartial,
  openStored,
  openStoredInSteps,
  type PartialCommit,
  type PartialCommitRef,
} from './partials.ts';
export {
  historyRefFolder,
  historyRefName,
  partialRefName,
  type StoreCommitOptions,
  type StoredCommit,
  storeCommit,
  storeImage,
  storePartialCommit,
  streamRefName,
} from './store.ts';
export {
  normaliseSubpaths,
  parseSubpaths,
  requirePaths,
  type Wanted,
  wantedOf,
} from './subpaths.ts';
