import { type CommitCheck, checkCommit, isCommitName } from '#work/commits';
import type { Repository } from '#work/repository';
import type { Context } from '../context.ts';
import { EXIT_FINDINGS } from '../output.ts';

/** Checks those of the names that mean OSTree commits, and says what is found; an image of the same name comes first. */
export function checkNamedCommits(
  context: Context,
  repository: Repository,
  names: readonly string[],
  metadataOnly: boolean,
): { readonly commits: readonly CommitCheck[]; readonly others: readonly string[] } {
  const isCommit = (name: string) =>
    repository.tags.resolve(name) === undefined && isCommitName(repository, name);
  const named = names.filter(isCommit);
  const options = { ...context.operation, content: !metadataOnly };
  const commits = named.map((name) => checkCommit(repository, name, options));
  for (const one of commits) print(context, one);
  return { commits, others: names.filter((name) => !named.includes(name)) };
}

/** What `fsck` ends with when nothing but commits was named. */
export function finishCommits(context: Context, commits: readonly CommitCheck[]): number {
  const ok = commits.every(isSound);
  if (context.out.json) context.out.document({ ok, commits });
  return ok ? 0 : EXIT_FINDINGS;
}

/** Whether nothing is wrong with a commit. */
export function isSound({ findings }: CommitCheck): boolean {
  return findings.length === 0;
}

function print({ out }: Context, check: CommitCheck): void {
  const { name, commit, subpaths, objects, findings } = check;
  const part = subpaths === undefined ? '' : `, only: ${subpaths.join(' ')}`;
  out.line(
    `commit ${name}: ${isSound(check) ? 'ok' : 'bad'}, ${objects} objects of ${commit}${part}`,
  );
  for (const { code, checksum, detail } of findings) {
    out.line(`  ${code}: ${checksum ?? commit}: ${detail}`);
  }
}
