import type { OstreeChecksum } from '#base/digest';
import { ConflictError, NotFoundError } from '#base/errors';
import { METADATA_MAX_BYTES, SUMMARY_MAX_BYTES } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import type { OstreeRepo } from '#stores/ostree';
import type { PullCommitOptions, PullOrigin } from '../options.ts';
import type { TrustPolicy } from '../trust/trust.ts';
import {
  type ResolvedRef,
  refsOfSummary,
  resolveRemoteRefs,
  type SuppliedSummary,
  type WantedRefs,
} from './resolve.ts';
import type { PullTarget, ResolvedTarget } from './target.ts';

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
  const { trust = {}, summary, subset, signal } = options;
  if (!('remote' in origin)) {
    const believed = summary ?? summaryToVerify(origin.repo, trust);
    if (believed !== undefined) return await refsOfSummary(believed, refs, trust);
    return localRefs(origin.repo, origin.path, refs);
  }
  return await resolveRemoteRefs(repository, origin, refs, { trust, summary, subset, signal });
}

/** The files of refs are not signed: where summaries must be, the summary alone says what a ref means. */
function summaryToVerify(repo: OstreeRepo, trust: TrustPolicy): SuppliedSummary | undefined {
  if ((trust.summaryGates?.length ?? 0) === 0) return undefined;
  const bytes = repo.readFile('summary', SUMMARY_MAX_BYTES) ?? new Uint8Array(0);
  return { bytes, signatures: repo.readFile('summary.sig', METADATA_MAX_BYTES) };
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
  throw new NotFoundError(
    'OSTREE_REF_NOT_FOUND',
    `Cannot find ref "${ref}" in ${where}`,
    { ref },
    { hint: 'List the refs of a source with: onecopy ostree list-refs SOURCE' },
  );
}

function failAmbiguous(name: string, candidates: readonly OstreeChecksum[]): never {
  throw new ConflictError(
    'OSTREE_REF_AMBIGUOUS',
    `Cannot pull "${name}": expected one commit for it, found ${candidates.join(' and ')}`,
    { name, candidates },
  );
}
