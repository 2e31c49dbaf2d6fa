import type { ObjectId, OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { atOnce, type Steps } from '#base/flow';
import {
  type Commit,
  type CommitStream,
  decodeStreamRef,
  IMAGE_REF,
  parseCommit,
  parsePartialStreamName,
  partialStreamName,
  readCommitStreamInSteps,
  verifyMetadata,
} from '#formats/ostree';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';
import { readPartialRef, resolveCommit } from './names.ts';
import { type OpenedCommit, openCommit, tryOpenCommitInSteps } from './open.ts';
import { PARTIAL_REF_DIRECTORY } from './store.ts';
import { PARTIAL_REF, parseSubpathsDocument } from './subpaths.ts';

/** A commit of which only some paths are stored. */
export interface PartialCommit {
  readonly commit: Commit;
  /** The commit object. A view. */
  readonly bytes: Uint8Array;
  readonly objects: CommitStream;
  /** Empty if only the commit object is stored. */
  readonly subpaths: readonly string[];
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
  readonly streamId: ObjectId;
}

/** Largest list of subpaths, in bytes. */
const SUBPATHS_MAX_BYTES = 16 * 1024 * 1024;

/** The stored part of a commit that was pulled by subpaths, or as metadata only; undefined if there is none, or if it is damaged. */
export function openPartial(
  repository: Repository,
  checksum: OstreeChecksum,
): PartialCommit | undefined {
  return atOnce(openPartialInSteps(repository, checksum));
}

function* openPartialInSteps(
  repository: Repository,
  checksum: OstreeChecksum,
): Steps<PartialCommit | undefined> {
  const name = partialStreamName(checksum);
  try {
    if (!repository.streams.has(name)) return undefined;
    using opened = repository.streams.open(name, { contentType: CONTENT_TYPES.ostreeCommit });
    const list = opened.stream.namedRefs.get(PARTIAL_REF);
    const objects = yield* readCommitStreamInSteps(opened.stream);
    if (objects.commit !== checksum || list === undefined) return undefined;
    const subpaths = parseSubpathsDocument(repository.objects.read(list, SUBPATHS_MAX_BYTES));
    const bytes = objects.metadata(checksum, 'commit');
    verifyMetadata(bytes, checksum, 'commit');
    const namedRefs = new Map(opened.stream.namedRefs);
    const { id: streamId } = opened;
    return { commit: parseCommit(bytes), bytes, objects, subpaths, namedRefs, streamId };
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return undefined;
  }
}

/**
 * As `openCommit`, but also opens partial commits, whose paths are in `subpaths` of the result. A complete commit takes precedence.
 * @throws as `openCommit`
 */
export function openStored(repository: Repository, name: string): OpenedCommit {
  return atOnce(openStoredInSteps(repository, name));
}

/** As `openStored`, in steps: a commit of many files takes long to open. */
export function* openStoredInSteps(repository: Repository, name: string): Steps<OpenedCommit> {
  const checksum = resolveStored(repository, name);
  const whole = yield* tryOpenCommitInSteps(repository, checksum);
  if (whole !== undefined) return whole;
  const partial = yield* openPartialInSteps(repository, checksum);
  if (partial === undefined) return openCommit(repository, name);
  return { ...partial, checksum, imageId: partial.namedRefs.get(IMAGE_REF) };
}

/** Resolves a name of a commit, also of a partial one. @throws as `resolveCommit` */
export function resolveStored(repository: Repository, name: string): OstreeChecksum {
  try {
    return resolveCommit(repository, name);
  } catch (error) {
    if (!isOnecopyError(error) || !hasCode(error, 'OSTREE_COMMIT_NOT_FOUND')) throw error;
    const partial = readPartialRef(repository, name) ?? wholeId(name);
    if (partial === undefined || openPartial(repository, partial) === undefined) throw error;
    return partial;
  }
}

function wholeId(name: string): OstreeChecksum | undefined {
  return /^[0-9a-f]{64}$/.test(name) ? (name as OstreeChecksum) : undefined;
}

/** A name of a partial commit. */
export interface PartialCommitRef {
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** The stored paths; empty if only the commit object is stored, undefined if the commit is missing or damaged. */
  readonly subpaths: readonly string[] | undefined;
  readonly imageId: ObjectId | undefined;
}

/** All refs of partial commits, in order of their names. */
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
