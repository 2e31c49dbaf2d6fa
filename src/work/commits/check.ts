import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  type CommitStream,
  checkCommitStream,
  FileHasher,
  type StreamFindingCode,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { openStored, resolveStored } from './partials.ts';

/** Something wrong with a stored commit. */
export interface CommitFinding {
  readonly code: StreamFindingCode | 'CONTENT_DAMAGED' | 'CONTENT_MISSING' | 'IMAGE_MISSING';
  /** The object of the commit; undefined for the commit as a whole. */
  readonly checksum: OstreeChecksum | undefined;
  readonly detail: string;
}

/** What a check of a commit found. */
export interface CommitCheck {
  readonly name: string;
  readonly commit: OstreeChecksum;
  /** The only paths that are here; undefined for a whole commit. */
  readonly subpaths: readonly string[] | undefined;
  readonly objects: number;
  readonly findings: readonly CommitFinding[];
}

/** Pieces in which content is read, in bytes. */
const PIECE_BYTES = 262_144;

/** True when a name means a stored commit, whole or in part. */
export function isCommitName(repository: Repository, name: string): boolean {
  try {
    resolveStored(repository, name);
    return true;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return hasCode(error, 'OSTREE_REF_AMBIGUOUS');
  }
}

/**
 * Checks a stored commit: its stream, that everything it reaches is there, and, with `content`, that every file has the checksum that the
 * commit says.
 * @throws as `openStored`; the reason of `signal`
 */
export function checkCommit(
  repository: Repository,
  name: string,
  options: OperationOptions & { readonly content: boolean },
): CommitCheck {
  const { checksum: commit, objects, subpaths, imageId } = openStored(repository, name);
  const findings: CommitFinding[] = [];
  for (const found of checkCommitStream(objects, repository)) {
    // What is not here of a partial commit is not missing.
    if (subpaths !== undefined && found.code === 'OBJECT_MISSING') continue;
    findings.push({ code: found.code, checksum: found.checksum, detail: found.message });
  }
  for (const { checksum, external } of objects.objects()) {
    options.signal?.throwIfAborted();
    if (external === undefined) continue;
    if (!repository.objects.has(external)) {
      findings.push({ code: 'CONTENT_MISSING', checksum, detail: `object ${external} is missing` });
    } else if (options.content) {
      const detail = findDamage(repository, objects, checksum);
      if (detail !== undefined) findings.push({ code: 'CONTENT_DAMAGED', checksum, detail });
    }
  }
  if (imageId !== undefined && !repository.objects.has(imageId)) {
    const detail = `image ${imageId} is missing`;
    findings.push({ code: 'IMAGE_MISSING', checksum: undefined, detail });
  }
  return { name, commit, subpaths, objects: objects.size, findings };
}

/** What is wrong with the content of a file, or undefined. */
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
