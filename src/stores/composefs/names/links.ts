import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { IntegrityError, isOnecopyError } from '#base/errors';
import { objectPath, parseObjectPath, type VerityAlgorithm } from '#formats/fsverity';
import type { Dir, DirEntry } from '#host';
import { DIRECTORY_MODE, OBJECTS, REFS, REFS_DEPTH_MAX } from '../layout.ts';

/** A category of names: streams and images work the same way. */
export type RefCategory = 'streams' | 'images';

/**
 * The relative target of a link, both paths being relative to the repository: common leading directories are dropped, then one `..` for
 * each directory left of the link. Source: composefs-rs 0.9 `symlink`, core formats section 2.2.
 */
export function relativeTarget(linkPath: string, targetPath: string): ByteString {
  const from = linkPath.split('/').slice(0, -1);
  const to = targetPath.split('/');
  let common = 0;
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) common += 1;
  const up = from.slice(common).map(() => '..');
  return [...up, ...to.slice(common)].join('/') as ByteString;
}

/**
 * Makes `linkPath` a symbolic link to `targetPath` (both relative to the repository, as bytes), atomically, and creates its parent
 * directories. Returns false if the link already existed.
 */
export function ensureLink(root: Dir, linkPath: string, targetPath: string): boolean {
  const parts = linkPath.split('/');
  for (let depth = 1; depth < parts.length; depth += 1) {
    const folder = parts.slice(0, depth).join('/');
    if (!root.mkdir(folder, DIRECTORY_MODE)) refuseLink(root, folder);
  }
  return root.replaceSymlink(relativeTarget(linkPath, targetPath), linkPath);
}

/**
 * Refuses a symlink in the place of a directory: it may lead out of the repository.
 * @throws IntegrityError REPO_ENTRY_INVALID
 */
export function refuseLink(root: Dir, folder: string): void {
  if (root.lstat(folder)?.type !== 'symlink') return;
  const target = displayText(root.readlink(folder) ?? ('' as ByteString));
  const path = displayText(folder as ByteString);
  throw new IntegrityError(
    'REPO_ENTRY_INVALID',
    `Cannot open repository "${root.label}": expected "${path}" to be a directory, found a symlink to "${target}"`,
    { path, target },
    {
      hint: 'To keep a directory of the repository on another filesystem, bind-mount it (mount --bind)',
    },
  );
}

/** As `refuseLink`, for all directories that a path leads through. */
export function refuseLinksAbove(root: Dir, path: string): void {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    refuseLink(root, path.slice(0, slash));
  }
}

/** The path of an object relative to the repository. */
export function repositoryPath(id: ObjectId): string {
  return `${OBJECTS}/${objectPath(id)}`;
}

/** True if a first-level entry is exactly the link that onecopy creates for this object. */
export function isLinkTo(root: Dir, path: string, id: ObjectId): boolean {
  const isLink = root.lstat(path)?.type === 'symlink';
  return isLink && root.readlink(path) === relativeTarget(path, repositoryPath(id));
}

/** The target of a first-level entry of a category. */
export type ObjectLink =
  | { readonly kind: 'object'; readonly id: ObjectId }
  | { readonly kind: 'missing' }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Reads `streams/<name>` or `images/<name>`; reports whether it points to an object, not whether the object exists. */
export function readObjectLink(root: Dir, path: string, algorithm: VerityAlgorithm): ObjectLink {
  const type = root.lstat(path)?.type;
  if (type === undefined) return { kind: 'missing' };
  if (type !== 'symlink')
    return { kind: 'invalid', reason: `expected a symbolic link, found a ${type}` };
  const target = root.readlink(path);
  if (target === undefined) return { kind: 'missing' };
  return objectLinkOf(target, algorithm);
}

/** Parses the target of a first-level link. */
export function objectLinkOf(target: ByteString, algorithm: VerityAlgorithm): ObjectLink {
  if (!target.startsWith('../')) {
    return { kind: 'invalid', reason: `expected a target in ../${OBJECTS}, found "${target}"` };
  }
  try {
    return { kind: 'object', id: parseObjectPath(target, algorithm) };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { kind: 'invalid', reason: error.message };
  }
}

/** One file below a `refs/` directory. */
export interface RefEntry {
  /** Name relative to `refs/`, as bytes. */
  readonly name: ByteString;
  /** Link target as stored; undefined if the entry is not a symbolic link. */
  readonly target: ByteString | undefined;
  /** Type of an entry that is not a symbolic link. */
  readonly type: string;
}

/**
 * All files below `<category>/refs/<prefix>`, directories first to last in byte order of their names; nothing when the directory is
 * missing.
 */
export function* walkRefs(root: Dir, category: RefCategory, prefix = ''): Generator<RefEntry> {
  const start = prefix === '' ? '' : `${prefix}/`;
  const top = `${category}/${REFS}${prefix === '' ? '' : `/${prefix}`}`;
  refuseLinksAbove(root, `${top}/`);
  if (root.lstat(top)?.type !== 'directory') return;
  yield* walkBelow(root, top, start, 0);
}

function* walkBelow(root: Dir, path: string, name: string, depth: number): Generator<RefEntry> {
  if (depth > REFS_DEPTH_MAX) {
    yield { name: name.slice(0, -1) as ByteString, target: undefined, type: 'directory too deep' };
    return;
  }
  for (const entry of readSorted(root, path)) {
    const below = `${path}/${entry.name}`;
    const full = `${name}${entry.name}` as ByteString;
    if (entry.type === 'directory') {
      yield* walkBelow(root, below, `${full}/`, depth + 1);
    } else if (entry.type === 'symlink') {
      if (root.stat(below)?.type === 'directory') refuseLink(root, below);
      const target = root.readlink(below);
      if (target !== undefined) yield { name: full, target, type: entry.type };
    } else {
      yield { name: full, target: undefined, type: entry.type };
    }
  }
}

/** The entries of a directory in byte order of their names; none when it is missing. */
export function readSorted(root: Dir, path: string): readonly DirEntry[] {
  return readUnsorted(root, path).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The entries of a directory in the order of the filesystem; none when it is missing. */
export function readUnsorted(root: Dir, path: string): DirEntry[] {
  using dir = root.tryOpenDir(path, { noFollow: true });
  return dir?.readEntries() ?? [];
}

/** The last component of a link target, or undefined when it has none (empty, `..`, ends with a slash). */
export function baseNameOf(target: ByteString): ByteString | undefined {
  const trimmed = target.replace(/\/+$/, '');
  const base = trimmed.slice(trimmed.lastIndexOf('/') + 1);
  return base === '' || base === '.' || base === '..' ? undefined : (base as ByteString);
}
