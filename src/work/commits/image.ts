import type { ObjectId } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { encodeImage } from '#formats/erofs';
import { computeVerity } from '#formats/fsverity';
import { commitStreamName, encodeCommitStream, IMAGE_REF, treeOfCommit } from '#formats/ostree';
import type { Reading, Tree } from '#formats/tree';
import type { ErofsVersion, Repository } from '#stores/composefs';
import { type OpenedCommit, openCommit } from './open.ts';
import { type StoredCommit, storeImage } from './store.ts';

/** How the tree of a commit is made. */
export interface CommitImageOptions extends OperationOptions {
  /**
   * Keep the NUL that ends xattr names in OSTree, as composefs-ostree 0.9 does by mistake: for the same image id as a
   * store that it filled.
   */
  readonly reading?: Reading | undefined;
}

/** The tree of a stored commit. @throws as `treeOfCommit` */
export function treeOfOpened(stored: OpenedCommit, options: CommitImageOptions = {}): Tree {
  return treeOfCommit(stored.checksum, stored.objects, treeOptions(options));
}

/**
 * The id of the image of a stored commit in some EROFS version, without storing anything.
 * @throws as `openCommit` and `treeOfCommit`
 */
export function computeCommitImageId(
  repository: Repository,
  name: string,
  options: CommitImageOptions & { readonly version?: ErofsVersion | undefined } = {},
): ObjectId {
  const tree = treeOfOpened(openCommit(repository, name), options);
  const bytes = encodeCommitImage(repository, tree, options.version);
  return computeVerity(bytes, repository.algorithm);
}

/**
 * Makes sure that a stored commit has its image and that its stream names it. What the stream names is kept when it is there, unless
 * `reading` is given and says otherwise.
 * @throws as `openCommit`, `treeOfCommit`; UnsupportedError REPO_READ_ONLY
 */
export async function ensureCommitImage(
  repository: Repository,
  name: string,
  options: CommitImageOptions = {},
): Promise<StoredCommit & { readonly built: boolean }> {
  const stored = openCommit(repository, name);
  const { checksum: commit, streamId, imageId: named } = stored;
  const ids = { commit, streamId, upstreamId: undefined };
  const isThere = named !== undefined && repository.images.has(named);
  if (isThere && options.reading === undefined && repository.objects.has(named)) {
    return { ...ids, imageId: named, built: false };
  }
  options.signal?.throwIfAborted();
  const imageId = storeImage(repository, stored.objects, {
    reading: options.reading ?? 'standard',
  });
  if (imageId === named) return { ...ids, imageId, built: !isThere };
  const others = [...stored.namedRefs].filter(([key]) => key !== IMAGE_REF);
  const { content, objectRefs } = stored.objects;
  const stream = await encodeCommitStream(
    { content, objectRefs },
    { algorithm: repository.algorithm, image: imageId, namedRefs: new Map(others) },
  );
  const newId = repository.streams.publish(commitStreamName(commit), stream);
  return { ...ids, streamId: newId, imageId, built: true };
}

function encodeCommitImage(
  { algorithm, formats }: Repository,
  tree: Tree,
  version: ErofsVersion = formats.default,
): Uint8Array {
  return encodeImage(tree, { version, algorithm });
}

function treeOptions({ reading }: CommitImageOptions): { reading?: Reading } {
  return reading === undefined ? {} : { reading };
}
