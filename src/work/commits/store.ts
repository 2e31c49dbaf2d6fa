import type { ObjectId, OstreeChecksum } from '#base/digest';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  type CommitObjects,
  CommitStream,
  type CommitStreamContent,
  commitStreamName,
  encodeCommitStream,
  encodeStreamRef,
  partialStreamName,
  treeOfCommitInSteps,
} from '#formats/ostree';
import type { Reading, Tree } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { publishTree } from '#work/encode';
import {
  encodeSubpaths,
  PARTIAL_REF,
  parseSubpaths,
  presentObjects,
  pruneTree,
} from './subpaths.ts';

/** Options for storing a commit. */
export interface StoreCommitOptions {
  /** Also set this OSTree ref to the commit. */
  readonly ref?: string | undefined;
  /** Named refs of the stream beside the image, such as detached metadata; they change its id. */
  readonly namedRefs?: ReadonlyMap<string, ObjectId> | undefined;
  /** Keep the NUL of xattr names in the image, as composefs-ostree 0.9 does, to get its image ids. */
  readonly reading?: Reading | undefined;
  /**
   * Store also the stream as it is before it names its image, and say its id, which `cfsctl` prints. Nothing uses that stream, and the next
   * garbage collection removes it; scripts written for `cfsctl` count it.
   */
  readonly withUpstreamId?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A faster source of the objects than the stream. */
  readonly objects?: CommitObjects | undefined;
}

/** A commit in the repository. */
export interface StoredCommit {
  readonly commit: OstreeChecksum;
  /** Id of the commit's stream. */
  readonly streamId: ObjectId;
  /** Id of the EROFS image, in the default version of the repository. */
  readonly imageId: ObjectId;
  /** Id of the stream without its image; only on request. */
  readonly upstreamId: ObjectId | undefined;
}

/** A partial commit in the repository. */
export interface StoredPartialCommit extends Omit<StoredCommit, 'imageId'> {
  /** Id of an image of the stored paths; undefined if only the commit object is stored. */
  readonly imageId: ObjectId | undefined;
}

/** Directory of OSTree refs below `streams/refs`. */
const REF_DIRECTORY = 'ostree';
/** Directory of the refs of partial commits. */
export const PARTIAL_REF_DIRECTORY = 'ostree-partial';
/** Directory of the refs of ancestors, with one directory for each ref. */
const HISTORY_REF_DIRECTORY = 'ostree-history';

/** Name of an OSTree ref as a named reference of the repository. @throws FormatError OSTREE_REF_INVALID */
export function streamRefName(ref: string): string {
  return `${REF_DIRECTORY}/${encodeStreamRef(ref)}`;
}

/** Name of the reference that keeps a partial commit; readers of complete commits do not see it. */
export function partialRefName(ref: string): string {
  return `${PARTIAL_REF_DIRECTORY}/${encodeStreamRef(ref)}`;
}

/** Name of the reference that keeps an ancestor of the commit of a ref. */
export function historyRefName(ref: string, commit: OstreeChecksum): string {
  return `${historyRefFolder(ref)}/${commit}`;
}

/** Directory of the references that keep the history of a ref. */
export function historyRefFolder(ref: string): string {
  return `${HISTORY_REF_DIRECTORY}/${encodeStreamRef(ref)}`;
}

/**
 * Stores the image of a complete commit, then its stream with a reference to the image, then the names: after a crash, the commit is absent
 * or complete.
 * @throws those of treeOfCommit and encodeImage; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function storeCommit(
  repository: Repository,
  commit: OstreeChecksum,
  content: CommitStreamContent,
  options: StoreCommitOptions = {},
): Promise<StoredCommit> {
  const { ref, reading, signal } = options;
  signal?.throwIfAborted();
  const objects = options.objects ?? new CommitStream(content.content, content.objectRefs);
  const steps = treeOfCommitInSteps(commit, objects, { reading: reading ?? 'standard' });
  const imageId = await buildImage(repository, steps, options);
  const stored = await encodeStream(repository, content, imageId, options);
  signal?.throwIfAborted();
  const streamId = repository.streams.publish(commitStreamName(commit), stored.stream, {
    ref: ref === undefined ? undefined : streamRefName(ref),
  });
  return { commit, streamId, imageId, upstreamId: stored.upstreamId };
}

/**
 * Stores a partial commit: the objects of some paths with an image of them or, without any path, only the commit object. It gets a name
 * that readers of complete commits ignore, and no ref.
 * @throws as `storeCommit`
 */
export async function storePartialCommit(
  repository: Repository,
  commit: OstreeChecksum,
  content: CommitStreamContent,
  subpaths: readonly string[],
  options: Omit<StoreCommitOptions, 'ref' | 'objects'> = {},
): Promise<StoredPartialCommit> {
  const { reading, signal } = options;
  signal?.throwIfAborted();
  const objects = new CommitStream(content.content, content.objectRefs);
  const imageId =
    subpaths.length === 0
      ? undefined
      : await storeImage(repository, objects, { reading: reading ?? 'standard', subpaths, signal });
  const namedRefs = new Map(options.namedRefs ?? []);
  namedRefs.set(PARTIAL_REF, repository.objects.ensureBytes(encodeSubpaths(subpaths)).id);
  const stored = await encodeStream(repository, content, imageId, { ...options, namedRefs });
  signal?.throwIfAborted();
  const streamId = repository.streams.publish(partialStreamName(commit), stored.stream);
  return { commit, streamId, imageId, upstreamId: stored.upstreamId };
}

async function encodeStream(
  { algorithm, objects }: Repository,
  content: CommitStreamContent,
  imageId: ObjectId | undefined,
  { namedRefs, withUpstreamId, signal }: Omit<StoreCommitOptions, 'ref' | 'objects' | 'reading'>,
): Promise<{ readonly stream: Uint8Array; readonly upstreamId: ObjectId | undefined }> {
  const upstreamId =
    withUpstreamId === true
      ? objects.ensureBytes(await encodeCommitStream(content, { algorithm, signal })).id
      : undefined;
  const image = imageId === undefined ? {} : { image: imageId };
  const refs = namedRefs === undefined ? {} : { namedRefs };
  const stream = await encodeCommitStream(content, { algorithm, signal, ...image, ...refs });
  return { stream, upstreamId };
}

/** Options of an image. */
export interface ImageOptions extends Pick<OperationOptions, 'signal'> {
  readonly reading: Reading;
  /** The only paths of the image (default: the complete tree). */
  readonly subpaths?: readonly string[] | undefined;
}

/** Builds and stores the EROFS image of a commit, or of some of its paths; nothing is synced. */
export async function storeImage(
  repository: Repository,
  stream: CommitStream,
  options: ImageOptions,
): Promise<ObjectId> {
  const { reading, subpaths } = options;
  const objects = subpaths === undefined ? stream : presentObjects(stream);
  return await buildImage(
    repository,
    partOf(treeOfCommitInSteps(stream.commit, objects, { reading }), subpaths),
    options,
  );
}

/** The part of a tree that some paths are; the whole tree without them. */
export function* partOf(tree: Steps<Tree>, subpaths: readonly string[] | undefined): Steps<Tree> {
  const whole = yield* tree;
  if (subpaths !== undefined) pruneTree(whole, parseSubpaths(subpaths));
  return whole;
}

async function buildImage(
  repository: Repository,
  steps: Steps<Tree>,
  options: Pick<OperationOptions, 'signal'>,
): Promise<ObjectId> {
  const tree = await inTurns(steps, options);
  return await publishTree(repository, tree, repository.formats.default, options);
}
