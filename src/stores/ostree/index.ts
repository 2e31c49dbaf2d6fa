/**
 * OSTree repositories on a disk, all five modes: read and verify, and write all but bare-split-xattrs.
 *
 *     config                      mode, remotes            state/COMMIT.commitpartial
 *     objects/ab/cdef….EXT        see formats/ostree       .lock   shared: readers, writers; exclusive: prune
 *     refs/heads/…  refs/remotes/NAME/…  refs/mirrors/COLLECTION/…
 *     tmp/onecopy-staging-…       a transaction: synced as a whole, then renamed into objects/
 */
export {
  OSTREE_MODES,
  type OstreeConfig,
  type OstreeMode,
  type OstreeRemoteConfig,
  parseConfig,
  parseRemotes,
  type SignVerify,
} from './config.ts';
export { OstreeFile } from './file-object.ts';
export { FileStage, type StagedMethod, type StageSeed } from './file-stage.ts';
export { type PruneOptions, type PruneReport, pruneOstree } from './prune.ts';
export { type BrokenRef, type OstreeRef, OstreeRefs, type RefSpace } from './refs.ts';
export {
  type InitOptions,
  initOstreeRepo,
  isOstreeRepo,
  type OstreeObjectEntry,
  OstreeRepo,
  openOstreeRepo,
} from './repo.ts';
export { OstreeState, type PartialReason } from './state.ts';
export { OstreeTransaction, type StoreMethod, type TransactionReport } from './transaction.ts';
export {
  type FileContent,
  type ReflinkPolicy,
  requireFit,
  type WriteMethod,
} from './write-file.ts';
