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

/** Which part of a directory is wanted: all of it, or the entries named, each with its own part. */
export type Wanted = 'all' | ReadonlyMap<ByteString, Wanted>;

/**
 * Parses paths like `/usr/share/locale/de` into what is wanted of the root. `/` wants everything.
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

/** The names of a path, checked. */
function namesOf(path: string): ByteString[] {
  const names = path
    .split('/')
    .filter((name) => name !== '')
    .map(byteStringFromText);
  for (const name of names) requireEntryName(name);
  return names;
}

/** What is wanted of an entry; undefined when it is not. */
export function wantedOf(wanted: Wanted, name: ByteString): Wanted | undefined {
  return wanted === 'all' ? 'all' : wanted.get(name);
}

/**
 * Looks every path up in the tree of a commit, those too that a wider path covers.
 * @param objects must hold the directories that lead to the paths
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

/** Sorted, without those that lie below another. */
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

/** The objects of a stream that is not complete: directories without the entries that are not there. */
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

/** The entries of a directory that are in a stream. */
export function presentEntries(stream: CommitStream, tree: Dirtree): Dirtree {
  return {
    ...tree,
    files: tree.files.filter(({ checksum }) => stream.has(checksum)),
    directories: tree.directories.filter((one) => stream.has(one.tree) && stream.has(one.meta)),
  };
}

/** Takes away what is not wanted: objects that several directories share are there for all of them. */
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

/** The document behind PARTIAL_REF. */
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
    // Falls through to the one error there is.
  }
  throw new FormatError(
    'OSTREE_METADATA_INVALID',
    'Cannot read the list of subpaths of a partial commit: expected {"subpaths":[…]}',
    { offset: 0, what: 'subpaths' },
  );
}
