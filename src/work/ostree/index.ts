/**
 * OSTree commits in a composefs repository: pulled from served or local repositories, by single objects or static deltas.
 *
 *     resolve ─▶ commit ─▶ trust ─▶ delta? ─▶ gather (metadata and files) ─▶ stream + image ─▶ ref
 *                                     └── known objects: bases, journal of an earlier attempt ──┘
 */
export {
  type CommitRef,
  listStoredRefs,
  type OpenedCommit,
  openCommit,
  openStored,
  resolveStoredRef,
} from './commits.ts';
export type { DeltaPolicy, UsedDelta } from './delta.ts';
export type { FetchCounts } from './fetch.ts';
export {
  type FinishOptions,
  type StoredCommit,
  storeCommit,
  storeImage,
  streamRefName,
} from './finish.ts';
export {
  DETACHED_REF,
  type PullCommitOptions,
  type PulledCommit,
  type PullSource,
  pullCommit,
} from './pull.ts';
export type { SuppliedSummary } from './resolve.ts';
export { type PullTarget, parseTarget, publishedRefName } from './target.ts';
export { type TrustPolicy, verifyCommit } from './trust.ts';
