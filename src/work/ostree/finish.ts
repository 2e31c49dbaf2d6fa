import type { ObjectId, OstreeChecksum } from '#base/digest';
import { encodeImage } from '#formats/erofs';
import { computeVerity } from '#formats/fsverity';
import {
  CommitStream,
  type CommitStreamContent,
  commitStreamName,
  encodeCommitStream,
  encodeStreamRef,
  treeOfCommit,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';

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

/** Name of an OSTree ref as a named reference of the repository. @throws FormatError OSTREE_REF_INVALID */
export function streamRefName(ref: string): string {
  return `${REF_DIRECTORY}/${encodeStreamRef(ref)}`;
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
  const { ref, namedRefs, compatXattrNul, signal } = options;
  signal?.throwIfAborted();
  const imageId = storeImage(repository, new CommitStream(content.content, content.objectRefs), {
    compatXattrNul: compatXattrNul === true,
  });
  const upstreamId =
    options.withUpstreamId === true
      ? computeVerity(await encodeCommitStream(content, { algorithm }), algorithm)
      : undefined;
  const stream = await encodeCommitStream(content, {
    algorithm,
    image: imageId,
    ...(namedRefs === undefined ? {} : { namedRefs }),
  });
  signal?.throwIfAborted();
  const streamId = repository.streams.publish(commitStreamName(commit), stream, {
    ref: ref === undefined ? undefined : streamRefName(ref),
  });
  return { commit, streamId, imageId, upstreamId };
}

/** Builds and stores the EROFS image of a commit; nothing is synced. */
export function storeImage(
  repository: Repository,
  stream: CommitStream,
  options: { readonly compatXattrNul: boolean },
): ObjectId {
  const { algorithm, formats } = repository;
  const tree = treeOfCommit(stream.commit, stream, options);
  return repository.images.publish(encodeImage(tree, { version: formats.default, algorithm }));
}
