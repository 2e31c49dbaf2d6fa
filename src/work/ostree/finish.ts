import type { ObjectId, OstreeChecksum } from '#base/digest';
import { encodeImage } from '#formats/erofs';
import { computeVerity } from '#formats/fsverity';
import {
  type CommitObjects,
  CommitStream,
  type CommitStreamContent,
  commitStreamName,
  encodeCommitStream,
  encodeStreamRef,
  partialStreamName,
  treeOfCommit,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import {
  encodeSubpaths,
  PARTIAL_REF,
  parseSubpaths,
  presentObjects,
  pruneTree,
} from './subpaths.ts';

/** How a commit is put into the repository. */
export interface FinishOptions {
  /** Also points this OSTree ref at the commit. */
  readonly ref?: string | undefined;
  /** Named refs of the stream beside the image, such as detached metadata; they change its id. */
  readonly namedRefs?: ReadonlyMap<string, ObjectId> | undefined;
  /** Keep the NUL of xattr names in the image, as composefs-ostree 0.9 does, to get its image ids. */
  readonly compatXattrNul?: boolean | undefined;
  /** Also compute the id that the stream has before it names its image, which `cfsctl` prints. */
  readonly withUpstreamId?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where to find the objects faster than in the stream. */
  readonly objects?: CommitObjects | undefined;
  /** The subpaths that the commit was pulled with: it is then stored as a partial one, with an image of these only. */
  readonly subpaths?: readonly string[] | undefined;
}

/** A commit in the repository. */
export interface StoredCommit {
  readonly commit: OstreeChecksum;
  /** Id of the commit's stream. */
  readonly streamId: ObjectId;
  /** Id of the EROFS image, in the default version of the repository. */
  readonly imageId: ObjectId;
  /** Id of the stream without its image; only when asked for. */
  readonly upstreamId: ObjectId | undefined;
}

/** Directory of OSTree refs below `streams/refs`. */
const REF_DIRECTORY = 'ostree';
/** Directory of the refs of partial commits. */
const PARTIAL_REF_DIRECTORY = 'ostree-partial';

/** Name of an OSTree ref as a named reference of the repository. @throws FormatError OSTREE_REF_INVALID */
export function streamRefName(ref: string): string {
  return `${REF_DIRECTORY}/${encodeStreamRef(ref)}`;
}

/** Name of the reference that keeps a partially pulled commit; readers that expect whole commits do not see it. */
export function partialRefName(ref: string): string {
  return `${PARTIAL_REF_DIRECTORY}/${encodeStreamRef(ref)}`;
}

/**
 * Makes the image of a complete commit, then its stream with the image in it, then the names: a crash leaves the commit absent
 * or whole.
 * @throws those of treeOfCommit and encodeImage; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function storeCommit(
  repository: Repository,
  commit: OstreeChecksum,
  content: CommitStreamContent,
  options: FinishOptions = {},
): Promise<StoredCommit> {
  const { algorithm } = repository;
  const { ref, subpaths, compatXattrNul, signal } = options;
  signal?.throwIfAborted();
  const objects = new CommitStream(content.content, content.objectRefs);
  const imageId = storeImage(repository, objects, {
    compatXattrNul: compatXattrNul === true,
    objects: options.objects,
    subpaths,
  });
  const upstreamId =
    options.withUpstreamId === true
      ? computeVerity(await encodeCommitStream(content, { algorithm }), algorithm)
      : undefined;
  const namedRefs = new Map(options.namedRefs ?? []);
  if (subpaths !== undefined) {
    namedRefs.set(PARTIAL_REF, repository.objects.ensureBytes(encodeSubpaths(subpaths)).id);
  }
  const stream = await encodeCommitStream(content, { algorithm, image: imageId, namedRefs });
  signal?.throwIfAborted();
  const isPartial = subpaths !== undefined;
  const name = isPartial ? partialStreamName(commit) : commitStreamName(commit);
  const refName = isPartial ? partialRefName : streamRefName;
  const streamId = repository.streams.publish(name, stream, {
    ref: ref === undefined ? undefined : refName(ref),
  });
  return { commit, streamId, imageId, upstreamId };
}

/** What an image is made of. */
export interface ImageOptions extends Pick<FinishOptions, 'objects' | 'subpaths'> {
  readonly compatXattrNul: boolean;
}

/** Builds and stores the EROFS image of a commit, or of some of its paths; nothing is synced. */
export function storeImage(
  repository: Repository,
  stream: CommitStream,
  options: ImageOptions,
): ObjectId {
  const { algorithm, formats } = repository;
  const { compatXattrNul, subpaths } = options;
  const whole = options.objects ?? stream;
  const objects = subpaths === undefined ? whole : presentObjects(stream);
  const tree = treeOfCommit(stream.commit, objects, { compatXattrNul });
  if (subpaths !== undefined) pruneTree(tree, parseSubpaths(subpaths));
  return repository.images.publish(encodeImage(tree, { version: formats.default, algorithm }));
}
