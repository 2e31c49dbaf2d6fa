import type { OstreeChecksum } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Reading } from '#formats/tree';
import type { OstreeRemote, OstreeRemoteOptions } from '#remotes/ostree';
import type { OstreeRepo } from '#stores/ostree';
import type { DeltaPolicy } from './delta/delta.ts';
import type { SuppliedSummary } from './resolve/resolve.ts';
import type { TrustPolicy } from './trust/trust.ts';

/** The source of a pull: a remote repository, or one on this host. */
export type OstreeAddress =
  | ({ readonly kind: 'remote' } & OstreeRemoteOptions)
  | { readonly kind: 'local'; readonly path: string };

/** An opened source of commits. */
export type PullOrigin =
  | { readonly remote: OstreeRemote; readonly url: string }
  | { readonly repo: OstreeRepo; readonly path: string };

/** What to pull: targets as `pullCommit` takes them, or every ref that the source offers. */
export type PullTargets = readonly string[] | 'all';

/** How to pull. */
export interface PullCommitOptions extends OperationOptions {
  /** Commits or refs of the repository whose objects are reused, in addition to automatic bases. */
  readonly bases?: readonly string[] | undefined;
  readonly deltas?: DeltaPolicy | undefined;
  readonly trust?: TrustPolicy | undefined;
  readonly summary?: SuppliedSummary | undefined;
  /** Key of flatpak's summary index; the architecture of the host when undefined. */
  readonly subset?: string | undefined;
  /** Keep the detached metadata of the commit; the stream's id then differs from composefs-ostree's. */
  readonly keepDetached?: boolean | undefined;
  /**
   * Pull only these paths, in addition to the paths of earlier pulls of the same commit. The commit is then stored as a partial one, beside
   * the complete ones, with an image of these paths.
   */
  readonly subpaths?: readonly string[] | undefined;
  /** Store the commit object alone, as a partial commit without an image. */
  readonly commitOnly?: boolean | undefined;
  /** Pull this many ancestors of each commit too; -1: all. An ancestor that the source does not have ends the history without an error. */
  readonly depth?: number | undefined;
  readonly reading?: Reading | undefined;
  /** Verify the content of every stored object before it is reused, not only of those that a check has marked. */
  readonly verifyReused?: boolean | undefined;
  /** Also compute the stream id that `cfsctl` prints. */
  readonly withUpstreamId?: boolean | undefined;
  /** Number of threads that verify and store files; 0 for this thread only. */
  readonly workers?: number | undefined;
}

/** Options of a pull of one commit, in addition to those of the run. */
export interface PullOneOptions extends PullCommitOptions {
  /** Commits that this run has already pulled. */
  readonly recent?: readonly OstreeChecksum[];
  /** True for an ancestor: a missing path is not an error, because the path may be newer. */
  readonly isAncestor?: boolean;
}
