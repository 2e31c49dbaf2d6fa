import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { requireRefName, type Summary } from '#formats/ostree';

/** What a pull is asked for: a ref, a commit, or a commit to be stored under a ref. */
export interface PullTarget {
  readonly ref: string | undefined;
  readonly commit: OstreeChecksum | undefined;
}

/** A commit that is to be pulled, and what is known about it before. */
export interface ResolvedTarget extends PullTarget {
  readonly commit: OstreeChecksum;
  /** True when the ref says which commit it is, and not the caller. */
  readonly isByRef: boolean;
  /** Most bytes the commit object may have, when a summary says so. */
  readonly commitMaxBytes?: number | undefined;
  readonly summary?: Summary | undefined;
}

/**
 * Parses `REF`, 64 hex digits, or `REF@` and 64 hex digits.
 * @throws FormatError OSTREE_REF_INVALID
 */
export function parseTarget(text: string): PullTarget {
  if (/^[0-9a-f]{64}$/.test(text)) return { ref: undefined, commit: parseOstreeChecksum(text) };
  const [, ref = text, commit] = /^(.*)@([0-9a-f]{64})$/.exec(text) ?? [];
  requireRefName(ref);
  return { ref, commit: commit === undefined ? undefined : parseOstreeChecksum(commit) };
}

/** The ref as its publisher names it: without the `heads/` or `remotes/NAME/` that says where a local repository keeps it. */
export function publishedRefName(ref: string): string {
  return ref.replace(/^(?:heads|remotes\/[^/]+|mirrors\/[^/]+)\//, '');
}
