import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { commitStreamName } from '#formats/ostree';
import { OstreeRemote } from '#remotes/ostree';
import type { Repository } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import type { PullCommitOptions, PullSource } from './pull.ts';
import { readCommitRef } from './refs.ts';
import { resolveRemoteRef } from './resolve.ts';
import { parseTarget } from './target.ts';

/** What a pull would do. */
export interface PullCommitPlan {
  readonly commit: OstreeChecksum;
  readonly ref: string | undefined;
  /** What the ref names now. */
  readonly current: OstreeChecksum | undefined;
  /** True when the commit is stored already. */
  readonly isPresent: boolean;
}

/** Finds out which commit a pull would bring, without bringing it; also for a repository that is not there yet. @throws as the resolution of `pullCommit` */
export async function planPullCommit(
  repository: Repository | undefined,
  source: PullSource,
  target: string,
  options: PullCommitOptions = {},
): Promise<PullCommitPlan> {
  const { ref, commit } = parseTarget(target);
  const resolved = commit ?? (await resolveRef(repository, source, ref ?? '', options));
  return {
    commit: resolved,
    ref,
    current:
      ref === undefined || repository === undefined ? undefined : readCommitRef(repository, ref),
    isPresent: repository?.streams.has(commitStreamName(resolved)) === true,
  };
}

async function resolveRef(
  repository: Repository | undefined,
  source: PullSource,
  ref: string,
  options: PullCommitOptions,
): Promise<OstreeChecksum> {
  const { trust = {}, summary, subset, signal } = options;
  if (source.kind === 'remote') {
    await using remote = new OstreeRemote(source);
    const how = { trust, summary, subset, signal };
    return (await resolveRemoteRef(repository, remote, source.url, ref, how)).commit;
  }
  using repo = openOstreeRepo(source.path);
  const found = repo.refs.resolveForPull(ref);
  if (found !== undefined) return found;
  throw new NotFoundError('OSTREE_REF_NOT_FOUND', `Cannot find ref "${ref}" in ${source.path}`, {
    ref,
  });
}
