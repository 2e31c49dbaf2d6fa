import { encodeDumpfile } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { type CommitImageOptions, requireTree, treeOfOpened } from './image.ts';
import { openStored } from './partials.ts';

/** The tree of a stored commit as a composefs dumpfile, in the form of `cfsctl ostree dump`. @throws as `openCommit`, `treeOfCommit` */
export async function dumpCommit(
  repository: Repository,
  name: string,
  options: CommitImageOptions = {},
): Promise<Uint8Array> {
  return encodeDumpfile(await treeOfOpened(requireTree(openStored(repository, name)), options));
}
