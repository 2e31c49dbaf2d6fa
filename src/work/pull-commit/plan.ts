import type { OstreeChecksum } from '#base/digest';
import { commitStreamName } from '#formats/ostree';
import { OstreeRemote } from '#remotes/ostree';
import type { Repository } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import { readCommitRef } from '#work/commits';
import type { OstreeAddress, PullCommitOptions, PullOrigin, PullTargets } from './options.ts';
import { parseTarget } from './resolve/target.ts';
import { resolveTargets } from './resolve/targets.ts';

/** What a pull of one commit would do. */
export interface PullCommitPlan {
  readonly commit: OstreeChecksum;
  readonly ref: string | undefined;
  /** What the ref names now. */
  readonly current: OstreeChecksum | undefined;
  /** True when the commit is stored already. */
  readonly isPresent: boolean;
}

/**
 * Lists the commits that a pull would store, in order, without pulling them; also for a missing repository. Ancestors are not included.
 * @throws as the resolution of `pullCommits`
 */
export async function planPullCommits(
  repository: Repository | undefined,
  source: OstreeAddress,
  targets: PullTargets,
  options: PullCommitOptions = {},
): Promise<PullCommitPlan[]> {
  const parsed = targets === 'all' ? targets : targets.map(parseTarget);
  const plan = async (origin: PullOrigin) => {
    const resolved = await resolveTargets(repository, origin, parsed, options);
    return resolved.map(({ ref, commit }) => ({
      commit,
      ref,
      current:
        ref === undefined || repository === undefined ? undefined : readCommitRef(repository, ref),
      isPresent: repository?.streams.has(commitStreamName(commit)) === true,
    }));
  };
  if (source.kind === 'remote') {
    await using remote = new OstreeRemote(source);
    return await plan({ remote, url: source.url });
  }
  using repo = openOstreeRepo(source.path);
  return await plan({ repo, path: source.path });
}
