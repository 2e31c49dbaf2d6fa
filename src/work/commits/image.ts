import type { ObjectId, OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { encodeImage } from '#formats/erofs';
import { computeVerity } from '#formats/fsverity';
import {
  commitStreamName,
  encodeCommitStream,
  IMAGE_REF,
  partialStreamName,
  treeOfCommit,
} from '#formats/ostree';
import type { Reading, Tree } from '#formats/tree';
import { type ErofsVersion, isIntact, type Repository } from '#stores/composefs';
import type { OpenedCommit } from './open.ts';
import { openStored } from './partials.ts';
import { type StoredCommit, storeImage } from './store.ts';
import { parseSubpaths, presentObjects, pruneTree } from './subpaths.ts';

/** Options of the tree of a commit. */
export interface CommitImageOptions extends OperationOptions {
  /** Keep the NUL at the end of xattr names in OSTree, as composefs-ostree 0.9 does by mistake, to get the same image ids. */
  readonly reading?: Reading | undefined;
}

/** The tree of a stored commit; for a partial commit, its stored paths. @throws as `treeOfCommit` */
export function treeOfOpened(stored: OpenedCommit, options: CommitImageOptions = {}): Tree {
  const { checksum, objects, subpaths } = stored;
  if (subpaths === undefined) return treeOfCommit(checksum, objects, treeOptions(options));
  const tree = treeOfCommit(checksum, presentObjects(objects), treeOptions(options));
  pruneTree(tree, parseSubpaths(subpaths));
  return tree;
}

/**
 * Computes the id of the image of a stored commit in an EROFS version, and stores nothing.
 * @throws as `openCommit` and `treeOfCommit`
 */
export function computeCommitImageId(
  repository: Repository,
  name: string,
  options: CommitImageOptions & { readonly version?: ErofsVersion | undefined } = {},
): ObjectId {
  const tree = treeOfOpened(requireTree(openStored(repository, name)), options);
  const bytes = encodeCommitImage(repository, tree, options.version);
  return computeVerity(bytes, repository.algorithm);
}

/**
 * Ensures that a stored commit has an image and that its stream refers to it. An existing image is kept, unless `reading` requests another
 * one.
 * @throws as `openCommit`, `treeOfCommit`; UnsupportedError REPO_READ_ONLY
 */
export async function ensureCommitImage(
  repository: Repository,
  name: string,
  options: CommitImageOptions = {},
): Promise<StoredCommit & { readonly built: boolean }> {
  const stored = requireTree(openStored(repository, name));
  const { checksum: commit, streamId, imageId: named } = stored;
  const ids = { commit, streamId, upstreamId: undefined };
  const isThere = named !== undefined && repository.images.has(named);
  if (isThere && options.reading === undefined && repository.objects.has(named)) {
    return { ...ids, imageId: named, built: false };
  }
  options.signal?.throwIfAborted();
  const { subpaths } = stored;
  const imageId = storeImage(repository, stored.objects, {
    subpaths,
    reading: options.reading ?? 'standard',
  });
  if (imageId === named) return { ...ids, imageId, built: !isThere };
  const others = [...stored.namedRefs].filter(([key]) => key !== IMAGE_REF);
  const { content, objectRefs } = stored.objects;
  const stream = await encodeCommitStream(
    { content, objectRefs },
    { algorithm: repository.algorithm, image: imageId, namedRefs: new Map(others) },
  );
  const streamName = subpaths === undefined ? commitStreamName(commit) : partialStreamName(commit);
  const newId = repository.streams.publish(streamName, stream);
  return { ...ids, streamId: newId, imageId, built: true };
}

/**
 * Rebuilds the image of a stored commit in its reading, if the image is missing or damaged.
 * @returns whether the image was built now
 * @throws as `ensureCommitImage`
 */
export async function restoreCommitImage(
  repository: Repository,
  commit: OstreeChecksum,
  options: OperationOptions = {},
): Promise<boolean> {
  const stored = openStored(repository, commit);
  const { imageId, subpaths } = stored;
  if (subpaths?.length === 0) return false;
  if (imageId !== undefined && repository.images.has(imageId) && isIntact(repository, imageId)) {
    return false;
  }
  const tree = treeOfOpened(stored, { reading: 'cfsctl' });
  const isUpstreams =
    computeVerity(encodeCommitImage(repository, tree), repository.algorithm) === imageId;
  const reading = isUpstreams ? 'cfsctl' : 'standard';
  await ensureCommitImage(repository, commit, { ...options, reading });
  return true;
}

/** @throws NotFoundError OSTREE_OBJECT_MISSING for a commit of which only its commit object is stored */
export function requireTree(stored: OpenedCommit): OpenedCommit {
  if (stored.subpaths?.length !== 0) return stored;
  const { checksum, commit } = stored;
  throw new NotFoundError(
    'OSTREE_OBJECT_MISSING',
    `Cannot read the tree of commit ${checksum}: only its commit object is stored`,
    { checksum: commit.rootTree, kind: 'dirtree' },
    { hint: 'Pull the commit again without --commit-metadata-only' },
  );
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
