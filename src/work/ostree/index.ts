/**
 * OSTree commits in a composefs repository: pulled from served or local repositories, by single objects or static deltas; found, named,
 * listed and compared.
 *
 *     resolve ─▶ commit ─▶ trust ─▶ delta? ─▶ gather (metadata and files) ─▶ stream + image ─▶ ref
 *                                     └── known objects: bases, journal of an earlier attempt ──┘
 */

export { jsonOfMetadata } from '#formats/ostree';
export { OSTREE_MODES, type OstreeMode } from '#stores/ostree';
export {
  type AppliedDelta,
  type ApplyDeltaOptions,
  applyDeltaFile,
  type DeltaPlan,
  planDeltaFile,
} from './apply-delta.ts';
export { type CommitDetails, type CommitOptions, type CommitReport, commitTree } from './commit.ts';
export {
  type CommitImageOptions,
  computeCommitImageId,
  ensureCommitImage,
  treeOfOpened,
} from './commit-image.ts';
export { type CommitChange, compareCommits } from './compare.ts';
export type { DeltaPolicy, UsedDelta } from './delta.ts';
export { dumpCommit } from './dump.ts';
export {
  type CommitEntry,
  findEntry,
  formatEntry,
  type ListOptions,
  listEntries,
  readEntry,
} from './entries.ts';
export { type ExportCommitOptions, type ExportCommitReport, exportCommit } from './export.ts';
export type { FetchCounts } from './fetch.ts';
export {
  type FinishOptions,
  type StoredCommit,
  storeCommit,
  storeImage,
  streamRefName,
} from './finish.ts';
export {
  createTrustPolicy,
  gatesOfKeys,
  type KeyPlaces,
  readKeyFile,
  remoteTrustPolicy,
  type TrustedKeys,
  type TrustSettings,
} from './gates.ts';
export {
  type CommitSummary,
  commitDate,
  type History,
  readHistory,
  summarizeCommit,
} from './history.ts';
export { formatMetadata } from './metadata.ts';
export { encodeDetachedOptions, parseMetadataOptions } from './metadata-options.ts';
export {
  type CommitModifiers,
  parseSkipList,
  parseStatOverrides,
  type StatOverride,
} from './modifiers.ts';
export {
  COMMITMETA_REF,
  type OpenedCommit,
  openCommit,
  openCommitById,
  tryOpenCommit,
} from './open.ts';
export type { PullCommitOptions, PullSource, PullTargets } from './options.ts';
export { listPartialCommits, type PartialCommitRef } from './partials.ts';
export { type PullCommitPlan, planPullCommits } from './plan-pull.ts';
export { pullCommit, pullCommits } from './pull.ts';
export {
  type CommitRef,
  type CommitRow,
  listCommitRefs,
  listCommits,
  readCommitRef,
  resolveCommit,
  tagCommit,
  untagCommit,
} from './refs.ts';
export { type ConfiguredRemote, openConfiguredRemote } from './remote-config.ts';
export { listRemoteRefs, type RemoteRef, type RemoteRefs } from './remote-refs.ts';
export { remoteSourceOf } from './remote-source.ts';
export type {
  HistoryEnd,
  PulledAncestor,
  PulledCommit,
  PulledCommits,
  PulledHistory,
} from './report.ts';
export type { SuppliedSummary } from './resolve.ts';
export { type PullTarget, parseTarget, publishedRefName } from './target.ts';
export type { TreeSource } from './tree-source.ts';
export { type SignatureGate, type TrustPolicy, verifyCommit } from './trust.ts';
