import { encodeDumpfile } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { type CommitImageOptions, requireTree, treeOfOpened } from './image.ts';
import { openStored } from './partials.ts';

/** The tree of a stored commit as a composefs dumpfile, in the form of `cfsctl ostree dump`. @throws as `openCommit`, `treeOfCommit` */
export function dumpCommit(
  repository: Repository,
  name: string,
  options: CommitImageOptions = {},
): Uint8Array {
  return encodeDumpfile(treeOfOpened(requireTree(openStored(repository, name)), options));
}
