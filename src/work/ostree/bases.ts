import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type CommitStream, partialStreamName, readCommitStream } from '#formats/ostree';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';
import { type OpenedCommit, tryOpenCommit } from './open.ts';
import { PARTIAL_REF, parseSubpathsDocument } from './subpaths.ts';

/**
 * A stored commit that spares a pull some transfers, or undefined. One that is damaged is no base and no result: it is pulled anew,
 * and its stream replaced.
 */
export function openBase(
  repository: Repository,
  checksum: OstreeChecksum,
): OpenedCommit | undefined {
  try {
    return tryOpenCommit(repository, checksum);
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return undefined;
  }
}

/** A commit of which only some paths are stored. */
export interface PartialCommit {
  readonly objects: CommitStream;
  readonly subpaths: readonly string[];
}

/** Largest list of subpaths, in bytes. */
const SUBPATHS_MAX_BYTES = 16 * 1024 * 1024;

/** What is stored of a commit that was pulled by subpaths, or undefined. */
export function openPartial(
  repository: Repository,
  checksum: OstreeChecksum,
): PartialCommit | undefined {
  const name = partialStreamName(checksum);
  try {
    if (!repository.streams.has(name)) return undefined;
    using opened = repository.streams.open(name, { contentType: CONTENT_TYPES.ostreeCommit });
    const list = opened.stream.namedRefs.get(PARTIAL_REF);
    const objects = readCommitStream(opened.stream);
    if (objects.commit !== checksum || list === undefined) return undefined;
    const subpaths = parseSubpathsDocument(repository.objects.read(list, SUBPATHS_MAX_BYTES));
    return { objects, subpaths };
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return undefined;
  }
}
