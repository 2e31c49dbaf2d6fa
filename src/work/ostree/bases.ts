import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError, NotFoundError } from '#base/errors';
import {
  type Commit,
  type CommitStream,
  parseCommit,
  partialStreamName,
  readCommitStream,
  verifyMetadata,
  walkCommit,
} from '#formats/ostree';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';
import type { KnownObjects } from './known.ts';
import { type OpenedCommit, tryOpenCommit } from './open.ts';
import { listCommitRefs, readCommitRef } from './refs.ts';
import { PARTIAL_REF, parseSubpathsDocument } from './subpaths.ts';
import { parseTarget } from './target.ts';

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
  readonly commit: Commit;
  /** The commit object. A view. */
  readonly bytes: Uint8Array;
  readonly objects: CommitStream;
  /** Empty when only the commit object is here. */
  readonly subpaths: readonly string[];
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
}

/** Largest list of subpaths, in bytes. */
const SUBPATHS_MAX_BYTES = 16 * 1024 * 1024;

/** What is stored of a commit that was pulled by subpaths, or as metadata only; undefined when it was not, or that is damaged. */
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
    const bytes = objects.metadata(checksum, 'commit');
    verifyMetadata(bytes, checksum, 'commit');
    const namedRefs = new Map(opened.stream.namedRefs);
    return { commit: parseCommit(bytes), bytes, objects, subpaths, namedRefs };
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return undefined;
  }
}

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

/** Whether everything that a commit reaches is there: a stream made of a bad delta may lack objects, and objects may be lost. */
export function isComplete(repository: Repository, stream: CommitStream): boolean {
  for (const { external } of stream.objects()) {
    if (external !== undefined && !repository.objects.has(external)) return false;
  }
  const lookup = (checksum: OstreeChecksum) => stream.find(checksum)?.data;
  for (const { kind, checksum, isMissing } of walkCommit(stream.commit, lookup)) {
    if (isMissing || (kind === 'file' && !stream.has(checksum))) return false;
  }
  return true;
}
