import type { ObjectId, OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  commitStreamName,
  encodeCommitStream,
  IMAGE_REF,
  partialStreamName,
  treeOfCommitInSteps,
} from '#formats/ostree';
import type { Reading, Tree } from '#formats/tree';
import { type ErofsVersion, isIntact, type Repository } from '#stores/composefs';
import { identifyTree } from '#work/encode';
import type { OpenedCommit } from './open.ts';
import { openStoredInSteps } from './partials.ts';
import { partOf, type StoredCommit, storeImage } from './store.ts';
import { presentObjects } from './subpaths.ts';

/** Options of the tree of a commit. */
export interface CommitImageOptions extends OperationOptions {
  /** Keep the NUL at the end of xattr names in OSTree, as composefs-ostree 0.9 does by mistake, to get the same image ids. */
  readonly reading?: Reading | undefined;
}

/** The tree of a stored commit; for a partial commit, its stored paths. @throws as `treeOfCommit`; the signal's reason */
export async function treeOfOpened(
  stored: OpenedCommit,
  options: CommitImageOptions = {},
): Promise<Tree> {
  return await inTurns(treeOfOpenedInSteps(stored, options), options);
}

/** As `treeOfOpened`, in steps. */
export function treeOfOpenedInSteps(
  { checksum, objects, subpaths }: OpenedCommit,
  options: CommitImageOptions = {},
): Steps<Tree> {
  const present = subpaths === undefined ? objects : presentObjects(objects);
  return partOf(treeOfCommitInSteps(checksum, present, treeOptions(options)), subpaths);
}

/**
 * Computes the id of the image of a stored commit in an EROFS version, and stores nothing.
 * @throws as `openCommit` and `treeOfCommit`
 */
export async function computeCommitImageId(
  repository: Repository,
  name: string,
  options: CommitImageOptions & { readonly version?: ErofsVersion | undefined } = {},
): Promise<ObjectId> {
  const stored = await inTurns(openStoredInSteps(repository, name), options);
  const tree = await treeOfOpened(requireTree(stored), options);
  const version = options.version ?? repository.formats.default;
  return await identifyTree(repository, tree, version, options);
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
  const stored = requireTree(await inTurns(openStoredInSteps(repository, name), options));
  const { checksum: commit, streamId, imageId: named } = stored;
  const ids = { commit, streamId, upstreamId: undefined };
  const isThere = named !== undefined && repository.images.has(named);
  if (isThere && options.reading === undefined && repository.objects.has(named)) {
    return { ...ids, imageId: named, built: false };
  }
  options.signal?.throwIfAborted();
  const { subpaths } = stored;
  const imageId = await storeImage(repository, stored.objects, {
    subpaths,
    signal: options.signal,
    reading: options.reading ?? 'standard',
  });
  if (imageId === named) return { ...ids, imageId, built: !isThere };
  const others = [...stored.namedRefs].filter(([key]) => key !== IMAGE_REF);
  const { content, objectRefs } = stored.objects;
  const stream = await encodeCommitStream(
    { content, objectRefs },
    {
      algorithm: repository.algorithm,
      image: imageId,
      namedRefs: new Map(others),
      signal: options.signal,
    },
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
  const stored = await inTurns(openStoredInSteps(repository, commit), options);
  const { imageId, subpaths } = stored;
  if (subpaths?.length === 0) return false;
  if (imageId !== undefined && repository.images.has(imageId) && isIntact(repository, imageId)) {
    return false;
  }
  const tree = await treeOfOpened(stored, { reading: 'cfsctl', signal: options.signal });
  const { default: version } = repository.formats;
  const isUpstreams = (await identifyTree(repository, tree, version, options)) === imageId;
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

function treeOptions({ reading }: CommitImageOptions): { reading?: Reading } {
  return reading === undefined ? {} : { reading };
}
