import { type ByteString, byteStringFromText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError, NotFoundError } from '#base/errors';
import {
  type CommitObjects,
  type CommitStream,
  encodeDirtree,
  parseDirtree,
  requireEntryName,
} from '#formats/ostree';
import { compactTree, Directory, type Tree } from '#formats/tree';

/** Which part of a directory is wanted: all of it, or the entries named, each with its own part. */
export type Wanted = 'all' | WantedEntries;

/** The wanted entries of a directory. `isFound` is set by whoever meets the entry. */
export type WantedEntries = ReadonlyMap<ByteString, { wanted: Wanted; isFound: boolean }>;

/**
 * Parses paths like `/usr/share/locale/de` into what is wanted of the root. `/` wants everything.
 * @throws FormatError OSTREE_NAME_INVALID
 */
export function parseSubpaths(paths: readonly string[]): Wanted {
  const root = new Map<ByteString, { wanted: Wanted; isFound: boolean }>();
  for (const path of paths) {
    const names = path.split('/').filter((name) => name !== '');
    if (names.length === 0) return 'all';
    addPath(root, names.map(byteStringFromText));
  }
  return root;
}

function addPath(
  into: Map<ByteString, { wanted: Wanted; isFound: boolean }>,
  names: readonly ByteString[],
): void {
  const [name, ...rest] = names;
  if (name === undefined) return;
  requireEntryName(name);
  const known = into.get(name);
  if (known?.wanted === 'all') return;
  if (rest.length === 0) {
    into.set(name, { wanted: 'all', isFound: false });
    return;
  }
  const inner = new Map(known?.wanted ?? []);
  addPath(inner, rest);
  into.set(name, { wanted: inner, isFound: false });
}

/** What is wanted of an entry; undefined when it is not. Remembers that the entry is there. */
export function wantedOf(wanted: Wanted, name: ByteString): Wanted | undefined {
  if (wanted === 'all') return 'all';
  const entry = wanted.get(name);
  if (entry === undefined) return undefined;
  entry.isFound = true;
  return entry.wanted;
}

/** @throws NotFoundError OSTREE_PATH_NOT_FOUND for the first path that the commit does not have */
export function requireAllFound(wanted: Wanted, commit: OstreeChecksum, prefix = ''): void {
  if (wanted === 'all') return;
  for (const [name, { wanted: inner, isFound }] of wanted) {
    const path = `${prefix}/${Buffer.from(name, 'latin1').toString('utf8')}`;
    if (!isFound) {
      throw new NotFoundError(
        'OSTREE_PATH_NOT_FOUND',
        `Cannot pull "${path}": commit ${commit} has no such path`,
        { path, commit },
      );
    }
    requireAllFound(inner, commit, path);
  }
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
      if (kind !== 'dirtree') return bytes;
      const { files, directories } = parseDirtree(bytes);
      return encodeDirtree({
        files: files.filter((file) => stream.has(file.checksum)),
        directories: directories.filter(({ tree, meta }) => stream.has(tree) && stream.has(meta)),
      });
    },
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
    const inner = wanted.get(name)?.wanted;
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
