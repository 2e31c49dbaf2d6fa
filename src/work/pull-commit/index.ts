/**
 * Pulling OSTree commits into a composefs repository, from served or local repositories, by single objects or static deltas.
 *
 *     resolve ─▶ commit ─▶ trust ─▶ delta? ─▶ gather (metadata and files) ─▶ stream + image ─▶ ref
 *                                     └── known objects: bases, journal of an earlier attempt ──┘
 */

export {
  type AppliedDelta,
  type ApplyDeltaOptions,
  applyDeltaFile,
  type DeltaPlan,
  planDeltaFile,
} from './delta/apply-delta.ts';
export type { DeltaPolicy, UsedDelta } from './delta/delta.ts';
export type { GatherCounts } from './gather/gather.ts';
export type { OstreeAddress, PullCommitOptions, PullTargets } from './options.ts';
export { type PullCommitPlan, planPullCommits } from './plan.ts';
export { pullCommit, pullCommits } from './pull.ts';
export type {
  HistoryEnd,
  PulledAncestor,
  PulledCommit,
  PulledCommits,
  PulledHistory,
} from './report.ts';
export { remoteSourceOf } from './resolve/remote-address.ts';
export { type ConfiguredRemote, openConfiguredRemote } from './resolve/remote-config.ts';
export {
  listLocalRefs,
  listRemoteRefs,
  type RemoteRef,
  type RemoteRefs,
} from './resolve/remote-refs.ts';
export type { ResolveOptions, SuppliedSummary } from './resolve/resolve.ts';
export { type PullTarget, parseTarget, publishedRefName } from './resolve/target.ts';
export {
  createTrustPolicy,
  gatesOfKeys,
  type KeyPlaces,
  readKeyFile,
  remoteTrustPolicy,
  type TrustedKeys,
  type TrustSettings,
} from './trust/gates.ts';
export { type SignatureGate, type TrustPolicy, verifyCommit } from './trust/trust.ts';
