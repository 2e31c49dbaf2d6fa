import type { ObjectId } from '#base/digest';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import { type ErofsVersion, encodeImageInSteps, encodePiecesInSteps } from '#formats/erofs';
import type { Tree } from '#formats/tree';
import { hashContent, openVerityHasher } from '#host';
import type { Repository } from '#stores/composefs';

/** What the id of an image depends on, besides its tree and version. */
type Algorithm = Pick<Repository, 'algorithm'>;

/** An EROFS image in memory. */
export interface EncodedTree {
  readonly id: ObjectId;
  readonly bytes: Uint8Array;
}

/** The EROFS image of a tree in one version, and its id; nothing is stored. @throws as `encodeImage`; the signal's reason */
export async function encodeTree(
  { algorithm }: Algorithm,
  tree: Tree,
  version: ErofsVersion,
  options: OperationOptions = {},
): Promise<EncodedTree> {
  const bytes = await inTurns(encodeImageInSteps(tree, { version, algorithm }), options);
  return { id: hashContent(bytes, algorithm), bytes };
}

/** The id of the EROFS image of a tree in one version. The image itself is never in memory. @throws as `encodeTree` */
export async function identifyTree(
  repository: Algorithm,
  tree: Tree,
  version: ErofsVersion,
  options: OperationOptions = {},
): Promise<ObjectId> {
  return await inTurns(identifyTreeInSteps(repository, tree, version), options);
}

/** As `identifyTree`, in steps. */
export function* identifyTreeInSteps(
  { algorithm }: Algorithm,
  tree: Tree,
  version: ErofsVersion,
): Steps<ObjectId> {
  const hasher = openVerityHasher(algorithm);
  yield* encodePiecesInSteps(tree, { version, algorithm }, (piece) => hasher.update(piece));
  return hasher.finish();
}

/**
 * Stores the EROFS image of a tree in one version, and its name. The image itself is never in memory. Nothing is synced.
 * @throws as `encodeTree`; UnsupportedError REPO_READ_ONLY; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function publishTree(
  { algorithm, images, objects }: Repository,
  tree: Tree,
  version: ErofsVersion,
  options: OperationOptions = {},
): Promise<ObjectId> {
  const hasher = openVerityHasher(algorithm);
  using staged = objects.stage();
  const steps = encodePiecesInSteps(tree, { version, algorithm }, (piece) => {
    hasher.update(piece);
    staged.write(piece);
  });
  await inTurns(steps, options);
  options.signal?.throwIfAborted();
  return images.publishStaged(staged, hasher.finish());
}
