import type { ObjectId, OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { commitStreamName, keyBoolean, parseTombstone, partialStreamName } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { historyRefFolder, historyRefName, partialRefName, streamRefName } from './finish.ts';
import { type OnePulled, type PullOneOptions, type PullOrigin, pullOne } from './pull-one.ts';

/** An ancestor of a pulled commit. */
export interface PulledAncestor {
  readonly commit: OstreeChecksum;
  readonly streamId: ObjectId;
  readonly imageId: ObjectId | undefined;
  readonly subpaths: readonly string[] | undefined;
  readonly wasPresent: boolean;
}

/** Why a history goes no further: as deep as asked, the first commit, the source lacks the next one, or says that it was deleted. */
export type HistoryEnd = 'depth' | 'root' | 'missing' | 'deleted';

/** The ancestors of a pulled commit, the parent first. */
export interface PulledHistory {
  readonly commits: readonly PulledAncestor[];
  readonly end: HistoryEnd;
  /** The ancestor that the source does not have, when that is the end. */
  readonly missing: OstreeChecksum | undefined;
}

/**
 * Pulls the ancestors of a commit, one after the other, until the depth is reached or the source lacks one; that is no error. No deltas
 * are tried, most objects are those of the descendant.
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

/**
 * Points the ref of a pulled commit at it, and keeps its history. A complete commit takes the place of a partial one under the same ref;
 * the history that an earlier pull left gives way to the one that was pulled now.
 */
export function nameCommit(
  repository: Repository,
  { commit, ref, subpaths }: OnePulled,
  history: PulledHistory | undefined,
): void {
  if (ref === undefined) return;
  const { refs } = repository;
  const names = (history?.commits ?? []).map((ancestor) => historyRefName(ref, ancestor.commit));
  for (const [index, name] of names.entries()) {
    const ancestor = history?.commits[index];
    if (ancestor !== undefined) refs.set('streams', name, streamNameOf(ancestor));
  }
  if (subpaths === undefined) {
    refs.set('streams', streamRefName(ref), commitStreamName(commit));
    refs.remove('streams', partialRefName(ref));
  } else {
    refs.set('streams', partialRefName(ref), partialStreamName(commit));
  }
  if (history === undefined) return;
  const folder = historyRefFolder(ref);
  for (const { name } of refs.list('streams', folder)) {
    if (!names.includes(`${folder}/${name}`)) refs.remove('streams', `${folder}/${name}`);
  }
}

function streamNameOf({ commit, subpaths }: Pick<PulledAncestor, 'commit' | 'subpaths'>): string {
  return subpaths === undefined ? commitStreamName(commit) : partialStreamName(commit);
}

/** A local repository says itself of which commits it lacks objects. */
function isPartial(commit: OstreeChecksum, origin: PullOrigin, options: PullOneOptions): boolean {
  if ('remote' in origin || options.commitOnly === true) return false;
  return origin.repo.state.partialReason(commit) !== undefined;
}

/** True when the commit object itself is what the source does not have. */
function isLackOf(error: unknown, commit: OstreeChecksum): boolean {
  if (!isOnecopyError(error) || !hasCode(error, 'OSTREE_OBJECT_MISSING')) return false;
  const { kind, checksum } = error.details as { kind?: unknown; checksum?: unknown };
  return kind === 'commit' && checksum === commit;
}

/** Whether the source remembers that it deleted a commit; asked only of sources that say that they remember. */
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
