import { commitStreamName, partialStreamName } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import {
  historyRefFolder,
  historyRefName,
  keepAncestors,
  partialRefName,
  streamRefName,
} from '#work/commits';
import type { OnePulled, PulledAncestor, PulledHistory } from './report.ts';

/**
 * Sets the ref of a pulled commit, and keeps its history. A complete commit replaces a partial one of the same ref. Stored ancestors are
 * kept or, if ancestors were requested, those of this pull.
 */
export function nameCommit(
  repository: Repository,
  { commit, parent, ref, subpaths }: OnePulled,
  history: PulledHistory | undefined,
): void {
  if (ref === undefined) return;
  const { refs } = repository;
  if (history === undefined) keepAncestors(repository, ref, commit, parent);
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
