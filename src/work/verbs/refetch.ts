import type { OstreeChecksum } from '#base/digest';
import { hasCode } from '#base/errors';
import {
  historyRefFolder,
  listCommits,
  listPartialCommits,
  openBase,
  openPartial,
  readCommitRef,
  readPartialRef,
} from '#work/commits';
import { parseReference } from '#work/export';
import type { OstreeAddress } from '#work/pull-commit';
import type { Repository } from '#work/repository';
import { createLocalJudge } from '#work/trust';
import { isRegistryReference } from './registry-keys.ts';
import type { VerbContext } from './verb.ts';

/**
 * Pulls images and commits again, so that what a check has marked as damaged is replaced. No tag and no ref moves: of a commit the one is
 * pulled that the repository has under that name, and its ancestors that are kept, or, without a name, every commit.
 * @throws as `pullImage`, `pullCommits`
 */
export async function refetchFrom(
  context: VerbContext,
  repository: Repository,
  references: readonly string[],
): Promise<void> {
  for (const reference of references) {
    const parsed = parseReference(reference);
    if (parsed.transport === 'ostree' || parsed.transport === 'ostree-local') {
      const { transport, location, ref } = parsed;
      const source: OstreeAddress =
        transport === 'ostree'
          ? { kind: 'remote', url: location }
          : { kind: 'local', path: location };
      await refetchCommits(context, repository, source, ref);
    } else {
      await refetchImage(context, repository, reference);
    }
  }
}

/** Asks the host's policy as any pull does: the source may have another image under that name by now. */
async function refetchImage(
  { signal, onProgress, jobs }: VerbContext,
  repository: Repository,
  reference: string,
): Promise<void> {
  const { pullImage } = await import('#work/pull-image');
  const judge = isRegistryReference(reference) ? undefined : createLocalJudge(reference);
  await pullImage(repository, reference, { signal, onProgress, jobs, judge });
}

/** What is here was verified when it was pulled, so its checksum is all that has to fit now. */
async function refetchCommits(
  { signal, onProgress, jobs }: VerbContext,
  repository: Repository,
  source: OstreeAddress,
  name: string | undefined,
): Promise<void> {
  const { planPullCommits, pullCommit } = await import('#work/pull-commit');
  const stored = name === undefined ? allCommits(repository) : commitsOf(repository, name);
  const wanted =
    stored.length > 0 || name === undefined
      ? stored
      : (await planPullCommits(undefined, source, [name], { signal })).map(({ commit }) => commit);
  for (const commit of wanted) {
    const isWhole = openBase(repository, commit) !== undefined;
    const subpaths = isWhole ? undefined : openPartial(repository, commit)?.subpaths;
    const part =
      subpaths === undefined ? {} : subpaths.length === 0 ? { commitOnly: true } : { subpaths };
    try {
      await pullCommit(repository, source, commit, { signal, onProgress, workers: jobs, ...part });
    } catch (error) {
      // Commits of a repository may come from several remotes.
      if (name !== undefined || !hasCode(error, 'OSTREE_OBJECT_MISSING')) throw error;
    }
  }
}

function allCommits(repository: Repository): OstreeChecksum[] {
  const all = [...listCommits(repository), ...listPartialCommits(repository)];
  return [...new Set(all.map(({ commit }) => commit))];
}

/** The commit that a ref names here, and its ancestors. */
function commitsOf(repository: Repository, ref: string): OstreeChecksum[] {
  const tip = readCommitRef(repository, ref) ?? readPartialRef(repository, ref);
  if (tip === undefined) return [];
  const ancestors = repository.refs.list('streams', historyRefFolder(ref));
  return [tip, ...ancestors.map(({ name }) => name as string as OstreeChecksum)];
}
