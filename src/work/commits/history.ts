import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { lookupVariant, STRING } from '#formats/gvariant';
import { type Commit, computeContentChecksum } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { tryOpenCommit } from './open.ts';
import { openPartial, resolveStored } from './partials.ts';

/** The summary of a commit. */
export interface CommitSummary {
  readonly checksum: OstreeChecksum;
  readonly parent: OstreeChecksum | undefined;
  /** Equal for commits of equal trees. */
  readonly contentChecksum: OstreeChecksum;
  readonly timestampSec: bigint;
  readonly version: string | undefined;
  readonly subject: string;
  readonly body: string;
}

/** A commit and its stored ancestors, newest first, including partial ones. */
export interface History {
  readonly commits: readonly CommitSummary[];
  /** The first ancestor that is not stored; undefined if the history is complete. */
  readonly missing: OstreeChecksum | undefined;
}

/**
 * Follows the stored parents of a commit.
 * @throws NotFoundError OSTREE_COMMIT_NOT_FOUND if the commit itself is not stored; as `openCommit`
 */
export function readHistory(
  repository: Repository,
  name: string,
  limit = Number.POSITIVE_INFINITY,
): History {
  const commits: CommitSummary[] = [];
  const seen = new Set<OstreeChecksum>();
  let next: OstreeChecksum | undefined = resolveStored(repository, name);
  while (next !== undefined && commits.length < limit && !seen.has(next)) {
    seen.add(next);
    const stored: { readonly commit: Commit } | undefined =
      tryOpenCommit(repository, next) ?? openPartial(repository, next);
    if (stored === undefined) {
      if (commits.length > 0) return { commits, missing: next };
      throw new NotFoundError(
        'OSTREE_COMMIT_NOT_FOUND',
        `Cannot find commit "${name}": the repository does not have it`,
        { name },
      );
    }
    commits.push(summarizeCommit(next, stored.commit));
    next = stored.commit.parent;
  }
  return { commits, missing: undefined };
}

/** The part of a commit that `log` and `show` print. */
export function summarizeCommit(checksum: OstreeChecksum, commit: Commit): CommitSummary {
  const { parent, timestampSec, subject, body, metadata } = commit;
  return {
    checksum,
    parent,
    contentChecksum: computeContentChecksum(commit),
    timestampSec,
    version: lookupVariant(metadata, 'version', STRING),
    subject,
    body,
  };
}

/** Largest distance from 1970 of a Date, in seconds. Source: ECMAScript, time values. */
const DATE_MAX_SEC = 8_640_000_000_000n;

/** A commit time for JSON, RFC 3339 in UTC; undefined if it is out of range. Negative if it is stored as two's complement. */
export function commitDate(timestampSec: bigint): Date | undefined {
  const signed = BigInt.asIntN(64, timestampSec);
  if (signed > DATE_MAX_SEC || signed < -DATE_MAX_SEC) return undefined;
  return new Date(Number(signed) * 1000);
}
