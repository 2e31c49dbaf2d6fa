import type { OstreeChecksum } from '#base/digest';
import { ConflictError, NotFoundError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import type { OstreeRepo } from '#stores/ostree';
import type { PullCommitOptions } from './pull.ts';
import type { PullOrigin, ResolvedTarget } from './pull-one.ts';
import { type ResolvedRef, resolveRemoteRefs, type WantedRefs } from './resolve.ts';
import type { PullTarget } from './target.ts';

/**
 * Finds out which commits targets mean, with one view of the source: in order, each target once.
 * @throws NotFoundError OSTREE_REF_NOT_FOUND; ConflictError OSTREE_REF_AMBIGUOUS when one ref is to name two commits; as
 * `resolveRemoteRefs`
 */
export async function resolveTargets(
  repository: Repository | undefined,
  origin: PullOrigin,
  targets: readonly PullTarget[] | 'all',
  options: Pick<PullCommitOptions, 'trust' | 'summary' | 'subset' | 'signal'>,
): Promise<ResolvedTarget[]> {
  if (targets === 'all') {
    const all = await resolveRefs(repository, origin, 'all', options);
    return [...all].map(([ref, found]) => ({ ref, isByRef: true, ...found }));
  }
  const open = targets.flatMap(({ ref, commit }) =>
    ref === undefined || commit !== undefined ? [] : [ref],
  );
  const found =
    open.length === 0
      ? new Map<string, ResolvedRef>()
      : await resolveRefs(repository, origin, [...new Set(open)], options);
  const resolved = new Map<string, ResolvedTarget>();
  for (const { ref, commit } of targets) {
    const target = commit === undefined ? byRef(ref ?? '', found) : { ref, commit, isByRef: false };
    const name = ref ?? target.commit;
    const other = resolved.get(name);
    if (other !== undefined && other.commit !== target.commit) {
      failAmbiguous(name, [other.commit, target.commit]);
    }
    resolved.set(name, target);
  }
  return [...resolved.values()];
}

async function resolveRefs(
  repository: Repository | undefined,
  origin: PullOrigin,
  refs: WantedRefs,
  options: Pick<PullCommitOptions, 'trust' | 'summary' | 'subset' | 'signal'>,
): Promise<ReadonlyMap<string, ResolvedRef>> {
  if (!('remote' in origin)) return localRefs(origin.repo, origin.path, refs);
  const { trust = {}, summary, subset, signal } = options;
  return await resolveRemoteRefs(repository, origin, refs, { trust, summary, subset, signal });
}

function localRefs(
  repo: OstreeRepo,
  path: string,
  refs: WantedRefs,
): ReadonlyMap<string, ResolvedRef> {
  const known = { commitMaxBytes: undefined, summary: undefined };
  if (refs === 'all') {
    // A ref that cannot be read makes the set of refs incomplete, which a mirror must not be.
    const all = repo.refs.list(({ error }) => {
      throw error;
    });
    const heads = all.filter(({ space }) => space.kind === 'heads');
    return new Map(heads.map(({ name, checksum }) => [name, { commit: checksum, ...known }]));
  }
  const found = new Map<string, ResolvedRef>();
  for (const ref of refs) {
    const commit = repo.refs.resolveForPull(ref);
    if (commit === undefined) failNotFound(ref, path);
    found.set(ref, { commit, ...known });
  }
  return found;
}

function byRef(ref: string, found: ReadonlyMap<string, ResolvedRef>): ResolvedTarget {
  const resolved = found.get(ref);
  if (resolved === undefined) failNotFound(ref, 'the source');
  return { ref, isByRef: true, ...resolved };
}

function failNotFound(ref: string, where: string): never {
  throw new NotFoundError('OSTREE_REF_NOT_FOUND', `Cannot find ref "${ref}" in ${where}`, { ref });
}

function failAmbiguous(name: string, candidates: readonly OstreeChecksum[]): never {
  throw new ConflictError(
    'OSTREE_REF_AMBIGUOUS',
    `Cannot pull "${name}": expected one commit for it, found ${candidates.join(' and ')}`,
    { name, candidates },
  );
}
