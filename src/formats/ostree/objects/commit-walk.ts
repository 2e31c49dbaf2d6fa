import type { OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import type { DeltaObject } from '../delta/delta.ts';
import { TREE_DEPTH_MAX } from '../layout.ts';
import { parseCommit } from './commit.ts';
import { parseDirmeta } from './dirmeta.ts';
import { type Dirtree, parseDirtree } from './dirtree.ts';
import { type MetadataKind, verifyMetadata } from './objects.ts';

/** Returns the bytes of a metadata object, or undefined when it is missing. */
export type MetadataLookup = (
  checksum: OstreeChecksum,
  kind: MetadataKind,
) => Uint8Array | undefined;

/** An object that a commit reaches. */
export interface ReachedObject extends DeltaObject {
  readonly isMissing: boolean;
}

/**
 * Walks all objects that a commit reaches, each object once per kind: the commit, then directories depth first, their files
 * in stored order. A missing object is reported and not entered; the caller checks whether files exist
 * (`isMissing` is false for them). Metadata is hashed and verified on the way when `verify` is set.
 * @throws FormatError of the parsers, OSTREE_TREE_TOO_LARGE; IntegrityError OSTREE_CHECKSUM_MISMATCH
 */
export function* walkCommit(
  commit: OstreeChecksum,
  lookup: MetadataLookup,
  options: { readonly verify?: boolean } = {},
): Generator<ReachedObject> {
  const seen = new Set<string>();
  const read = (checksum: OstreeChecksum, kind: MetadataKind): Uint8Array | undefined => {
    const bytes = lookup(checksum, kind);
    if (bytes !== undefined && options.verify === true) verifyMetadata(bytes, checksum, kind);
    return bytes;
  };
  const isNew = (checksum: OstreeChecksum, kind: string): boolean => {
    const before = seen.size;
    return seen.add(kind + checksum).size > before;
  };
  const bytes = read(commit, 'commit');
  yield { kind: 'commit', checksum: commit, isMissing: bytes === undefined };
  if (bytes === undefined) return;
  const { rootTree, rootMeta } = parseCommit(bytes);
  const pending: Step[] = [{ tree: rootTree, meta: rootMeta, depth: 0 }];
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    if (isNew(step.meta, 'dirmeta')) {
      const meta = read(step.meta, 'dirmeta');
      if (meta !== undefined) parseDirmeta(meta, { acceptUnterminated: true });
      yield { kind: 'dirmeta', checksum: step.meta, isMissing: meta === undefined };
    }
    if (!isNew(step.tree, 'dirtree')) continue;
    const tree = read(step.tree, 'dirtree');
    yield { kind: 'dirtree', checksum: step.tree, isMissing: tree === undefined };
    if (tree === undefined) continue;
    const { files, directories } = parseDirtree(tree);
    for (const { checksum } of files) {
      if (isNew(checksum, 'file')) yield { kind: 'file', checksum, isMissing: false };
    }
    pushDirectories(pending, directories, step.depth + 1);
  }
}

interface Step {
  readonly tree: OstreeChecksum;
  readonly meta: OstreeChecksum;
  readonly depth: number;
}

function pushDirectories(
  pending: Step[],
  directories: Dirtree['directories'],
  depth: number,
): void {
  if (depth > TREE_DEPTH_MAX && directories.length > 0) failDepth(depth);
  for (const { tree, meta } of directories.toReversed()) pending.push({ tree, meta, depth });
}

/** @throws FormatError OSTREE_TREE_TOO_LARGE */
export function failDepth(depth: number): never {
  throw new FormatError(
    'OSTREE_TREE_TOO_LARGE',
    `Cannot read commit: expected directories at most ${TREE_DEPTH_MAX} deep, found ${depth}`,
    { offset: 0, what: 'commit', expected: TREE_DEPTH_MAX, found: depth },
  );
}
