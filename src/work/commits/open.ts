import type { ObjectId, OstreeChecksum } from '#base/digest';
import { IntegrityError, isOnecopyError } from '#base/errors';
import { atOnce, type OperationOptions, type Steps } from '#base/flow';
import {
  type Commit,
  type CommitStream,
  commitStreamName,
  IMAGE_REF,
  parseCommit,
  readCommitStreamInSteps,
  verifyMetadata,
  walkCommit,
} from '#formats/ostree';
import { CONTENT_TYPES } from '#formats/splitstream';
import { findSound, isSound, type Repository } from '#stores/composefs';
import { resolveCommit } from './names.ts';

/** Named ref of a commit stream: the object with the detached metadata of the commit. Source: OSTree spec 9.3. */
export const COMMITMETA_REF = 'ostree.commitmeta';

/** A commit of the repository, in memory: nothing stays open. */
export interface OpenedCommit {
  readonly checksum: OstreeChecksum;
  readonly commit: Commit;
  /** The commit object. A view. */
  readonly bytes: Uint8Array;
  readonly streamId: ObjectId;
  /** The EROFS image of the commit, if the stream refers to one. */
  readonly imageId: ObjectId | undefined;
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
  /** The objects of the commit; larger files refer to objects of the repository. */
  readonly objects: CommitStream;
  /** The only stored paths; empty if only the commit object is stored, undefined for a complete commit. */
  readonly subpaths?: readonly string[] | undefined;
}

/**
 * Opens a stored commit by ref, id, or abbreviated id. The stream is verified against its object id and the commit against its checksum;
 * the objects are verified when they are used.
 * @throws NotFoundError OSTREE_COMMIT_NOT_FOUND, OBJECT_NOT_FOUND; ConflictError OSTREE_REF_AMBIGUOUS;
 * FormatError OSTREE_STREAM_INVALID; IntegrityError OBJECT_DIGEST_MISMATCH, OSTREE_CHECKSUM_MISMATCH
 */
export function openCommit(repository: Repository, name: string): OpenedCommit {
  return openCommitById(repository, resolveCommit(repository, name));
}

/** As `openCommit` with the full id. */
export function openCommitById(repository: Repository, checksum: OstreeChecksum): OpenedCommit {
  return atOnce(openCommitByIdInSteps(repository, checksum));
}

/** As `openCommitById`, in steps. */
export function* openCommitByIdInSteps(
  repository: Repository,
  checksum: OstreeChecksum,
): Steps<OpenedCommit> {
  using opened = repository.streams.open(commitStreamName(checksum), {
    contentType: CONTENT_TYPES.ostreeCommit,
  });
  const objects = yield* readCommitStreamInSteps(opened.stream);
  if (objects.commit !== checksum) {
    throw new IntegrityError(
      'OSTREE_CHECKSUM_MISMATCH',
      `Cannot open commit ${checksum}: its stream holds commit ${objects.commit}`,
      { expected: checksum, found: objects.commit, what: 'commit stream' },
    );
  }
  const bytes = objects.metadata(checksum, 'commit');
  verifyMetadata(bytes, checksum, 'commit');
  const { namedRefs } = opened.stream;
  return {
    checksum,
    commit: parseCommit(bytes),
    bytes,
    streamId: opened.id,
    imageId: namedRefs.get(IMAGE_REF),
    namedRefs: new Map(namedRefs),
    objects,
  };
}

/** The commit if it is stored completely, otherwise undefined. @throws as `openCommit` */
export function tryOpenCommit(
  repository: Repository,
  checksum: OstreeChecksum,
): OpenedCommit | undefined {
  return atOnce(tryOpenCommitInSteps(repository, checksum));
}

/** As `tryOpenCommit`, in steps. */
export function* tryOpenCommitInSteps(
  repository: Repository,
  checksum: OstreeChecksum,
): Steps<OpenedCommit | undefined> {
  if (!repository.streams.has(commitStreamName(checksum))) return undefined;
  return yield* openCommitByIdInSteps(repository, checksum);
}

/**
 * A stored commit whose objects a pull reuses, or undefined. A damaged commit is ignored and pulled again, and its stream is
 * replaced.
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

/** True if a stored commit is complete, and its image exists and can be reused. */
export async function isWhole(
  repository: Repository,
  { objects, imageId }: OpenedCommit,
  options: Pick<OperationOptions, 'signal'> = {},
): Promise<boolean> {
  if (imageId === undefined || !repository.images.has(imageId)) return false;
  return (
    (await isSound(repository, imageId, options)) &&
    (await isComplete(repository, objects, options))
  );
}

/**
 * True if everything that a commit reaches exists and can be reused: a stream from a bad delta may lack objects, and objects may be lost or
 * damaged.
 */
async function isComplete(
  repository: Repository,
  stream: CommitStream,
  options: Pick<OperationOptions, 'signal'> = {},
): Promise<boolean> {
  const sound = await findSound(repository, stream.objectDigests, options);
  for (let index = 0; index < stream.size; index += 1) {
    const external = stream.externalAt(index);
    if (external !== undefined && sound[external] !== 1) return false;
  }
  const lookup = (checksum: OstreeChecksum) => stream.find(checksum)?.data;
  for (const { kind, checksum, isMissing } of walkCommit(stream.commit, lookup)) {
    if (isMissing || (kind === 'file' && !stream.has(checksum))) return false;
  }
  return true;
}
