import type { ObjectId, OstreeChecksum } from '#base/digest';
import { decodeStreamRef, IMAGE_REF, parsePartialStreamName } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { openPartial } from './bases.ts';
import { PARTIAL_REF_DIRECTORY } from './finish.ts';

/** A name of a commit of which not everything is here. */
export interface PartialCommitRef {
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** The paths that are here; empty for the commit object alone, undefined when what was stored is gone or damaged. */
  readonly subpaths: readonly string[] | undefined;
  readonly imageId: ObjectId | undefined;
}

/** All refs that name partial commits, in order of their names. */
export function listPartialCommits(repository: Repository): PartialCommitRef[] {
  const refs: PartialCommitRef[] = [];
  for (const { name, target } of repository.refs.list('streams', PARTIAL_REF_DIRECTORY)) {
    const commit = parsePartialStreamName(target);
    if (commit === undefined) continue;
    const stored = openPartial(repository, commit);
    const imageId = stored?.namedRefs.get(IMAGE_REF);
    refs.push({ name: decodeStreamRef(name), commit, subpaths: stored?.subpaths, imageId });
  }
  return refs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
