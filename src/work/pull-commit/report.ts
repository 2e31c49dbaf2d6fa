import type { ObjectId, OstreeChecksum } from '#base/digest';
import type { RemoteTraffic } from '#remotes/ostree';
import type { UsedDelta } from './delta/delta.ts';
import type { GatherCounts } from './gather/gather.ts';

/** What a pull did. */
export interface PulledCommit {
  readonly commit: OstreeChecksum;
  readonly parent: OstreeChecksum | undefined;
  /** The ref that now names it. */
  readonly ref: string | undefined;
  readonly streamId: ObjectId;
  /** Undefined when only the commit object was wanted. */
  readonly imageId: ObjectId | undefined;
  readonly upstreamId: ObjectId | undefined;
  /** True if the complete commit was already stored. */
  readonly wasPresent: boolean;
  /** The stored paths; undefined for a complete commit, empty if only the commit object is stored. */
  readonly subpaths: readonly string[] | undefined;
  /** The pulled ancestors; undefined if none were requested. */
  readonly history: PulledHistory | undefined;
  readonly counts: GatherCounts;
  readonly delta: UsedDelta | undefined;
  /** Undefined for a local pull. */
  readonly traffic: RemoteTraffic | undefined;
  /** Keys whose signatures were accepted. */
  readonly signedBy: readonly string[];
}

/** What a pull of several commits did. */
export interface PulledCommits {
  /** In the order in which they were asked for; `traffic` is that of all. */
  readonly commits: readonly PulledCommit[];
  /** Undefined for a local pull. */
  readonly traffic: RemoteTraffic | undefined;
}

/** What a pull of one commit reports, beside what concerns the run as a whole. */
export type OnePulled = Omit<PulledCommit, 'history' | 'traffic'>;

/** An ancestor of a pulled commit. */
export interface PulledAncestor {
  readonly commit: OstreeChecksum;
  readonly streamId: ObjectId;
  readonly imageId: ObjectId | undefined;
  readonly subpaths: readonly string[] | undefined;
  readonly wasPresent: boolean;
}

/** Why a history ends: the depth is reached, the first commit, the source does not have the next one, or it was deleted. */
export type HistoryEnd = 'depth' | 'root' | 'missing' | 'deleted';

/** The ancestors of a pulled commit, the parent first. */
export interface PulledHistory {
  readonly commits: readonly PulledAncestor[];
  readonly end: HistoryEnd;
  /** The ancestor that the source does not have, when that is the end. */
  readonly missing: OstreeChecksum | undefined;
}
