import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import {
  listCommitRefs,
  type OpenedCommit,
  openBase,
  openPartial,
  readCommitRef,
} from '#work/commits';
import { parseTarget } from '../resolve/target.ts';
import type { KnownObjects } from './known.ts';

/** Where a pull looks for commits that are like the one it fetches. */
export interface BaseHints {
  /** What the caller named: commits, or refs of the repository. */
  readonly named: readonly string[];
  /** Commits that this run has brought already. */
  readonly recent?: readonly OstreeChecksum[] | undefined;
  readonly parent: OstreeChecksum | undefined;
  /** What the ref names now. */
  readonly current: OstreeChecksum | undefined;
  readonly ref: string | undefined;
}

/** Refs with the same beginning that serve as bases when there is no better one. */
const RELATED_BASES_MAX = 2;

/**
 * Makes the objects of like commits known: those named, the parent, and what the ref names now; without any of them, of refs with the
 * same beginning.
 * @throws NotFoundError OSTREE_REF_NOT_FOUND when one that was named is not here
 */
export function addBases(repository: Repository, known: KnownObjects, hints: BaseHints): void {
  for (const base of hints.named) known.addBase(openNamed(repository, base).objects);
  for (const commit of [hints.parent, hints.current, ...(hints.recent ?? [])]) {
    if (commit === undefined) continue;
    const opened = openBase(repository, commit) ?? openPartial(repository, commit);
    if (opened !== undefined) known.addBase(opened.objects);
  }
  const { ref } = hints;
  const prefix = ref === undefined ? '' : ref.slice(0, ref.lastIndexOf('/') + 1);
  if (known.bases.length > 0 || prefix === '') return;
  const related = listCommitRefs(repository).filter(({ name }) => name.startsWith(prefix));
  for (const { commit } of related.slice(0, RELATED_BASES_MAX)) {
    const opened = openBase(repository, commit);
    if (opened !== undefined) known.addBase(opened.objects);
  }
}

function openNamed(repository: Repository, base: string): OpenedCommit {
  const { commit, ref } = parseTarget(base);
  const found = commit ?? readCommitRef(repository, ref ?? '');
  const opened = found === undefined ? undefined : openBase(repository, found);
  if (opened !== undefined) return opened;
  throw new NotFoundError(
    'OSTREE_REF_NOT_FOUND',
    `Cannot use base "${base}": the repository has no such commit`,
    { ref: base },
  );
}
