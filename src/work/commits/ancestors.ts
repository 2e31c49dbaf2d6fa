import type { OstreeChecksum } from '#base/digest';
import { commitStreamName, partialStreamName } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { listCommitRefs, readCommitRef, resolveCommit } from './names.ts';
import { openCommitById, tryOpenCommit } from './open.ts';
import { listPartialCommits, openPartial } from './partials.ts';
import { historyRefFolder, historyRefName, streamRefName } from './store.ts';

/** An ancestor that is stored, at least partially. */
interface StoredAncestor {
  readonly commit: OstreeChecksum;
  /** Name of its stream. */
  readonly stream: string;
}

/**
 * Keeps the stored ancestors of the new commit of a ref, as `ostree prune` does: after a ref has moved, no other name keeps its old commit.
 * Kept commits of another line are released. Call it before setting the ref.
 */
export function keepAncestors(
  repository: Repository,
  ref: string,
  commit: OstreeChecksum,
  parent: OstreeChecksum | undefined,
): void {
  const current = readCommitRef(repository, ref);
  if (current === commit) return;
  const { refs } = repository;
  // The usual case: all kept commits are still ancestors.
  const isNext = current !== undefined && current === parent;
  const ancestors = [...walkAncestors(repository, parent, isNext ? 1 : Number.POSITIVE_INFINITY)];
  for (const { commit: ancestor, stream } of ancestors) {
    refs.set('streams', historyRefName(ref, ancestor), stream);
  }
  if (!isNext) forgetOthers(repository, ref, new Set(ancestors.map((one) => one.commit)));
}

/**
 * Adds a ref to a stored commit, which also keeps its stored ancestors.
 * @throws as `resolveCommit`; FormatError OSTREE_REF_INVALID
 */
export function tagCommit(repository: Repository, source: string, ref: string): OstreeChecksum {
  const commit = resolveCommit(repository, source);
  keepAncestors(repository, ref, commit, openCommitById(repository, commit).commit.parent);
  repository.refs.set('streams', streamRefName(ref), commitStreamName(commit));
  return commit;
}

/**
 * Releases ancestors that are more than `depth` commits before the commit of a ref, for every ref. gc removes them if nothing else refers
 * to them. Returns the number of released commits.
 */
export function forgetAncestors(repository: Repository, depth: number): number {
  let count = 0;
  const named = [...listCommitRefs(repository), ...listPartialCommits(repository)];
  const kept = new Map<string, Set<OstreeChecksum>>();
  for (const { name, commit } of named) {
    const ofRef = kept.get(name) ?? new Set<OstreeChecksum>();
    kept.set(name, ofRef);
    const opened = tryOpenCommit(repository, commit) ?? openPartial(repository, commit);
    for (const one of walkAncestors(repository, opened?.commit.parent, depth))
      ofRef.add(one.commit);
  }
  for (const [name, ofRef] of kept) count += forgetOthers(repository, name, ofRef);
  return count;
}

function forgetOthers({ refs }: Repository, ref: string, kept: ReadonlySet<string>): number {
  const folder = historyRefFolder(ref);
  const others = [...refs.list('streams', folder)].filter(({ name }) => !kept.has(name));
  for (const { name } of others) refs.remove('streams', `${folder}/${name}`);
  return others.length;
}

/** The stored ancestors, nearest first. */
function* walkAncestors(
  repository: Repository,
  parent: OstreeChecksum | undefined,
  depth: number,
): Generator<StoredAncestor> {
  const seen = new Set<OstreeChecksum>();
  for (let next = parent; next !== undefined && seen.size < depth && !seen.has(next); ) {
    seen.add(next);
    const whole = tryOpenCommit(repository, next);
    const found = whole ?? openPartial(repository, next);
    if (found === undefined) return;
    const stream = whole === undefined ? partialStreamName(next) : commitStreamName(next);
    yield { commit: next, stream };
    next = found.commit.parent;
  }
}
