import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { keyBoolean, parseTombstone } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import type { PullOneOptions, PullOrigin } from './options.ts';
import { pullOne } from './pull-one.ts';
import type { OnePulled, PulledAncestor, PulledHistory } from './report.ts';

/**
 * Pulls the ancestors of a commit, one after the other, until the depth is reached or the source does not have one, which is not an error.
 * Deltas are not used, because most objects are those of the descendant.
 * @throws as `pullCommit`, but for an ancestor that is missing
 */
export async function pullHistory(
  repository: Repository,
  tip: OnePulled,
  options: PullOneOptions,
  origin: PullOrigin,
): Promise<PulledHistory> {
  const { depth = 0, trust = {} } = options;
  const { notOlderThan: _, ...ancestorTrust } = trust;
  const commits: PulledAncestor[] = [];
  let child = tip;
  while (depth < 0 || commits.length < depth) {
    const { parent } = child;
    if (parent === undefined) return { commits, end: 'root', missing: undefined };
    const how = {
      ...options,
      trust: ancestorTrust,
      deltas: 'never',
      bases: [],
      recent: [child.commit],
      isAncestor: true,
    } as const;
    const target = { ref: undefined, commit: parent, isByRef: false };
    const pulled = isPartial(parent, origin, options)
      ? undefined
      : await pullOne(repository, target, how, origin).catch((error: unknown) => {
          if (isLackOf(error, parent)) return undefined;
          throw error;
        });
    if (pulled === undefined) {
      const end = (await isDeleted(parent, origin, options.signal)) ? 'deleted' : 'missing';
      return { commits, end, missing: parent };
    }
    const { commit, streamId, imageId, subpaths, wasPresent } = pulled;
    commits.push({ commit, streamId, imageId, subpaths, wasPresent });
    child = pulled;
  }
  return { commits, end: 'depth', missing: undefined };
}

/** A local repository records the commits with missing objects. */
function isPartial(commit: OstreeChecksum, origin: PullOrigin, options: PullOneOptions): boolean {
  if ('remote' in origin || options.commitOnly === true) return false;
  return origin.repo.state.partialReason(commit) !== undefined;
}

/** True if the source does not have the commit object. */
function isLackOf(error: unknown, commit: OstreeChecksum): boolean {
  if (!isOnecopyError(error) || !hasCode(error, 'OSTREE_OBJECT_MISSING')) return false;
  const { kind, checksum } = error.details as { kind?: unknown; checksum?: unknown };
  return kind === 'commit' && checksum === commit;
}

/** Whether the source has a tombstone of a commit; requested only from sources that state that they keep tombstones. */
async function isDeleted(
  commit: OstreeChecksum,
  origin: PullOrigin,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!('remote' in origin)) {
    return origin.repo.config.tombstoneCommits && origin.repo.state.hasTombstone(commit);
  }
  const config = await origin.remote.config({ signal });
  if (config === undefined || keyBoolean(config, 'core', 'tombstone-commits') !== true)
    return false;
  const bytes = await origin.remote.tombstone(commit, { signal });
  return bytes !== undefined && parseTombstone(bytes) === commit;
}
