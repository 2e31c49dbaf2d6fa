import { type ByteString, byteStringFromText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError, NotFoundError } from '#base/errors';
import {
  type CommitObjects,
  type CommitStream,
  type Dirtree,
  encodeDirtree,
  parseCommit,
  parseDirtree,
  requireEntryName,
} from '#formats/ostree';
import { compactTree, Directory, type Tree } from '#formats/tree';

/** The requested part of a directory: all of it, or some entries, each with its own part. */
export type Wanted = 'all' | ReadonlyMap<ByteString, Wanted>;

/**
 * Parses paths like `/usr/share/locale/de` into the requested part of the root. `/` requests everything.
 * @throws FormatError OSTREE_NAME_INVALID
 */
export function parseSubpaths(paths: readonly string[]): Wanted {
  const root = new Map<ByteString, Wanted>();
  for (const path of paths) {
    const names = namesOf(path);
    if (names.length === 0) return 'all';
    addPath(root, names);
  }
  return root;
}

function addPath(into: Map<ByteString, Wanted>, names: readonly ByteString[]): void {
  const [name, ...rest] = names;
  if (name === undefined) return;
  const known = into.get(name);
  if (known === 'all') return;
  if (rest.length === 0) {
    into.set(name, 'all');
    return;
  }
  const inner = new Map(known ?? []);
  addPath(inner, rest);
  into.set(name, inner);
}

/** The validated names of a path. */
function namesOf(path: string): ByteString[] {
  const names = path
    .split('/')
    .filter((name) => name !== '')
    .map(byteStringFromText);
  for (const name of names) requireEntryName(name);
  return names;
}

/** The requested part of an entry; undefined if it is not requested. */
export function wantedOf(wanted: Wanted, name: ByteString): Wanted | undefined {
  return wanted === 'all' ? 'all' : wanted.get(name);
}

/**
 * Looks up every path in the tree of a commit, also those below another path.
 * @param objects must hold the parent directories of the paths
 * @throws NotFoundError OSTREE_PATH_NOT_FOUND for the first path that the commit does not have; FormatError OSTREE_NAME_INVALID
 */
export function requirePaths(
  commit: OstreeChecksum,
  objects: Pick<CommitObjects, 'metadata'>,
  paths: readonly string[],
): void {
  const { rootTree } = parseCommit(objects.metadata(commit, 'commit'));
  for (const path of paths) {
    let tree: OstreeChecksum | undefined = rootTree;
    for (const name of namesOf(path)) {
      if (tree === undefined) failPath(path, commit);
      const { files, directories } = parseDirtree(objects.metadata(tree, 'dirtree'));
      tree = directories.find((entry) => entry.name === name)?.tree;
      if (tree === undefined && !files.some((entry) => entry.name === name)) failPath(path, commit);
    }
  }
}

function failPath(path: string, commit: OstreeChecksum): never {
  throw new NotFoundError(
    'OSTREE_PATH_NOT_FOUND',
    `Cannot pull "${path}": commit ${commit} has no such path`,
    { path, commit },
  );
}

/** Sorted, without paths below another path. */
export function normaliseSubpaths(paths: readonly string[]): string[] {
  const clean = paths.map(
    (path) =>
      `/${path
        .split('/')
        .filter((name) => name !== '')
        .join('/')}`,
  );
  const sorted = [...new Set(clean)].sort();
  return sorted.filter(
    (path) =>
      !sorted.some((other) => other !== path && (other === '/' || path.startsWith(`${other}/`))),
  );
}

/** The objects of an incomplete stream: directories without their missing entries. */
export function presentObjects(stream: CommitStream): CommitObjects {
  return {
    file: (checksum) => stream.file(checksum),
    metadata(checksum, kind) {
      const bytes = stream.metadata(checksum, kind);
      return kind === 'dirtree'
        ? encodeDirtree(presentEntries(stream, parseDirtree(bytes)))
        : bytes;
    },
  };
}

/** The entries of a directory that a stream holds. */
export function presentEntries(stream: CommitStream, tree: Dirtree): Dirtree {
  return {
    ...tree,
    files: tree.files.filter(({ checksum }) => stream.has(checksum)),
    directories: tree.directories.filter((one) => stream.has(one.tree) && stream.has(one.meta)),
  };
}

/** Removes entries that were not requested: shared objects are present for all directories. */
export function pruneTree(tree: Tree, wanted: Wanted): void {
  pruneDirectory(tree.root, wanted);
  compactTree(tree);
}

function pruneDirectory(directory: Directory, wanted: Wanted): void {
  if (wanted === 'all') return;
  for (const [name, inode] of [...directory.entries]) {
    const inner = wanted.get(name);
    if (inner === undefined) directory.entries.delete(name);
    else if (inode instanceof Directory) pruneDirectory(inode, inner);
  }
}

/** Named ref of a partial commit stream: a JSON document that lists the subpaths. Source: OSTree spec 9.9. */
export const PARTIAL_REF = 'onecopy.partial';

/** The document of PARTIAL_REF. */
export function encodeSubpaths(paths: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(`${JSON.stringify({ subpaths: paths })}\n`, 'utf8'));
}

/** @throws FormatError OSTREE_METADATA_INVALID */
export function parseSubpathsDocument(bytes: Uint8Array): string[] {
  try {
    const { subpaths } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { subpaths: unknown };
    if (Array.isArray(subpaths) && subpaths.every((one) => typeof one === 'string'))
      return subpaths;
  } catch {
    // Continues to the common error below.
  }
  throw new FormatError(
    'OSTREE_METADATA_INVALID',
    'Cannot read the list of subpaths of a partial commit: expected {"subpaths":[…]}',
    { offset: 0, what: 'subpaths' },
  );
}
