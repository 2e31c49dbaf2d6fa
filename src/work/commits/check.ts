import type { ObjectId, OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import {
  type CommitStream,
  checkCommitStreamInSteps,
  FileHasher,
  type StreamFindingCode,
} from '#formats/ostree';
import type { ErofsVersion, Repository } from '#stores/composefs';
import { identifyTreeInSteps } from '#work/encode';
import { treeOfOpenedInSteps } from './image.ts';
import type { OpenedCommit } from './open.ts';
import { openStoredInSteps, resolveStored } from './partials.ts';

/** A problem of a stored commit. */
export interface CommitFinding {
  readonly code:
    | StreamFindingCode
    | 'CONTENT_DAMAGED'
    | 'CONTENT_MISSING'
    | 'IMAGE_MISSING'
    | 'IMAGE_MISMATCH';
  /** The object of the commit; undefined for the commit as a whole. */
  readonly checksum: OstreeChecksum | undefined;
  readonly detail: string;
}

/** Result of a check of a commit. */
export interface CommitCheck {
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** The only stored paths; undefined for a complete commit. */
  readonly subpaths: readonly string[] | undefined;
  readonly objects: number;
  readonly findings: readonly CommitFinding[];
}

/** Pieces in which content is read, in bytes. */
const PIECE_BYTES = 262_144;

/** True if a name refers to a stored commit, complete or partial. */
export function isCommitName(repository: Repository, name: string): boolean {
  try {
    resolveStored(repository, name);
    return true;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return hasCode(error, 'OSTREE_REF_AMBIGUOUS');
  }
}

/** How to check commits. */
export interface CommitCheckOptions extends OperationOptions {
  /** Verify the checksums of files, and rebuild the image. */
  readonly content: boolean;
  /** Objects that were already verified, by the checksum of their file; the objects of this commit are added. Commits share most files. */
  readonly verified?: Map<OstreeChecksum, ObjectId> | undefined;
}

/**
 * Checks a stored commit: its stream, the existence of everything that it reaches and, with `content`, the checksum of every file, and that
 * rebuilding gives the same image.
 * @throws as `openStored`; the reason of `signal`
 */
export async function checkCommit(
  repository: Repository,
  name: string,
  options: CommitCheckOptions,
): Promise<CommitCheck> {
  return await inTurns(checkSteps(repository, name, options), options);
}

function* checkSteps(
  repository: Repository,
  name: string,
  { content, verified = new Map() }: CommitCheckOptions,
): Steps<CommitCheck> {
  const stored = yield* openStoredInSteps(repository, name);
  const { checksum: commit, objects, subpaths } = stored;
  const findings: CommitFinding[] = [];
  for (const found of yield* checkCommitStreamInSteps(objects, repository)) {
    // Paths that a partial commit does not include are not missing.
    if (subpaths !== undefined && found.code === 'OBJECT_MISSING') continue;
    findings.push({ code: found.code, checksum: found.checksum, detail: found.message });
  }
  for (const { checksum, external } of objects.objects()) {
    yield;
    if (external === undefined || verified.get(checksum) === external) continue;
    if (!repository.objects.has(external)) {
      findings.push({ code: 'CONTENT_MISSING', checksum, detail: `object ${external} is missing` });
    } else if (content) {
      const detail = findDamage(repository, objects, checksum);
      if (detail === undefined) verified.set(checksum, external);
      else findings.push({ code: 'CONTENT_DAMAGED', checksum, detail });
    }
  }
  const isBuildable = content && findings.length === 0;
  return {
    name,
    commit,
    subpaths,
    objects: objects.size,
    findings: [...findings, ...(yield* checkImage(repository, stored, isBuildable))],
  };
}

/** Checks that the image of the stream exists and, if it can be rebuilt, that its id is the same. */
function* checkImage(
  repository: Repository,
  stored: OpenedCommit,
  isBuildable: boolean,
): Steps<CommitFinding[]> {
  const { imageId } = stored;
  if (imageId === undefined) return [];
  if (!repository.objects.has(imageId)) {
    const detail = `image ${imageId} is missing`;
    return [{ code: 'IMAGE_MISSING', checksum: undefined, detail }];
  }
  if (!isBuildable || (yield* canBe(repository, stored, imageId))) return [];
  const detail = `image ${imageId} is not the one that its tree has`;
  return [{ code: 'IMAGE_MISMATCH', checksum: undefined, detail }];
}

/** True for the image of a commit in either reading and any version. */
function* canBe(repository: Repository, stored: OpenedCommit, id: ObjectId): Steps<boolean> {
  for (const reading of ['standard', 'cfsctl'] as const) {
    const tree = yield* treeOfOpenedInSteps(stored, { reading });
    for (const version of new Set<ErofsVersion>([...repository.versions, 2, 1, 0])) {
      if ((yield* identifyTreeInSteps(repository, tree, version)) === id) return true;
    }
  }
  return false;
}

/** The problem of the content of a file, or undefined. */
function findDamage(
  { objects: store }: Repository,
  objects: CommitStream,
  checksum: OstreeChecksum,
): string | undefined {
  try {
    const { header, external } = objects.file(checksum, { acceptUnterminated: true });
    if (external === undefined) return undefined;
    using object = store.open(external, { verify: 'content' });
    const hasher = new FileHasher(header);
    const piece = new Uint8Array(PIECE_BYTES);
    for (let at = 0, length = 1; length > 0; at += length) {
      length = object.read(at, piece);
      hasher.update(piece.subarray(0, length));
    }
    const found = hasher.finish();
    return found === checksum ? undefined : `its header and content have the checksum ${found}`;
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    return error.message;
  }
}
