import { type ByteString, byteStringFromText, byteStringOf, displayText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import {
  type Dirtree,
  isLinkMode,
  type OstreeXattr,
  PERMISSION_BITS,
  parseDirmeta,
  parseDirtree,
  verifyMetadata,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import type { OpenedCommit } from './open.ts';
import { presentEntries } from './subpaths.ts';

/** One file, link or directory of a commit. */
export interface CommitEntry {
  readonly kind: 'file' | 'symlink' | 'directory';
  /** Absolute. */
  readonly path: ByteString;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** 0 for links and directories. */
  readonly sizeBytes: number;
  /** Id of the file object, or of the dirtree. */
  readonly checksum: OstreeChecksum;
  /** Id of the dirmeta of a directory. */
  readonly meta: OstreeChecksum | undefined;
  readonly target: ByteString | undefined;
  readonly xattrs: readonly OstreeXattr[];
}

/** What to list. */
export interface ListOptions {
  /** List subdirectories recursively, in the order of `ostree ls -R`. */
  readonly recursive?: boolean;
  /** List only the entry itself, not the contents of a directory. */
  readonly directoryOnly?: boolean;
}

/** Accept names without their NUL, as in streams that composefs-ostree created from images. */
const XATTR_RULES = { acceptUnterminated: true } as const;

/**
 * Lists a path of a commit as `ostree ls` does: first the directory itself, then its files, then its directories, each in stored order.
 * Metadata is verified against its checksums.
 * @throws NotFoundError OSTREE_PATH_NOT_FOUND, OSTREE_OBJECT_NOT_FOUND; IntegrityError OSTREE_CHECKSUM_MISMATCH; as the parsers
 */
export function* listEntries(
  stored: OpenedCommit,
  path = '/',
  options: ListOptions = {},
): Generator<CommitEntry> {
  const start = findEntry(stored, path);
  yield start;
  if (start.kind !== 'directory' || options.directoryOnly === true) return;
  const pending: { entry: CommitEntry; isNew: boolean }[] = [{ entry: start, isNew: false }];
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    const { entry } = step;
    if (step.isNew) yield entry;
    const tree = readTree(stored, entry.checksum);
    const base = entry.path === '/' ? '' : entry.path;
    for (const { name, checksum } of tree.files) {
      yield fileEntry(stored, `${base}/${name}` as ByteString, checksum);
    }
    const below = tree.directories.map((one) =>
      directoryEntry(stored, `${base}/${one.name}` as ByteString, one.tree, one.meta),
    );
    if (options.recursive === true) {
      for (const one of below.toReversed()) pending.push({ entry: one, isNew: true });
    } else yield* below;
  }
}

/** One entry by its path; links are not followed. @throws as `listEntries` */
export function findEntry(stored: OpenedCommit, path: string): CommitEntry {
  const { rootTree, rootMeta } = stored.commit;
  if (stored.subpaths?.length === 0) throw pathNotFound(stored, path, 'the commit object alone');
  let entry = directoryEntry(stored, '/' as ByteString, rootTree, rootMeta);
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    const found = entry.kind === 'directory' ? childOf(stored, entry, part) : undefined;
    if (found === undefined) throw pathNotFound(stored, path);
    entry = found;
  }
  return entry;
}

/**
 * The content of a file of a commit in pieces, verified: inline content by its checksum, larger files by the id of their object.
 * @throws NotFoundError OSTREE_PATH_NOT_FOUND if there is no file at this path; as `ObjectStore.open`
 */
export function* readEntry(
  repository: Repository,
  stored: OpenedCommit,
  path: string,
): Generator<Uint8Array> {
  const entry = findEntry(stored, path);
  if (entry.kind !== 'file') throw pathNotFound(stored, path, `a ${entry.kind}`);
  const { inline, external } = stored.objects.file(entry.checksum, XATTR_RULES);
  if (external === undefined) {
    yield inline;
    return;
  }
  using object = repository.objects.open(external, { verify: 'content' });
  const piece = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < object.sizeBytes; ) {
    const length = object.read(at, piece);
    if (length === 0) break;
    yield piece.subarray(0, length);
    at += length;
  }
}

/** Pieces in which content is read, in bytes. */
const PIECE_BYTES = 262_144;

/** A verified dirtree of the commit; for a partial commit, only its stored entries. @throws as `listEntries` */
export function readTree(stored: OpenedCommit, checksum: OstreeChecksum): Dirtree {
  const bytes = stored.objects.metadata(checksum, 'dirtree');
  verifyMetadata(bytes, checksum, 'dirtree');
  const tree = parseDirtree(bytes);
  return stored.subpaths === undefined ? tree : presentEntries(stored.objects, tree);
}

/** The entry of a file object at a path. */
export function fileEntry(
  stored: OpenedCommit,
  path: ByteString,
  checksum: OstreeChecksum,
): CommitEntry {
  const { header } = stored.objects.file(checksum, XATTR_RULES);
  const isLink = isLinkMode(header.mode);
  return {
    kind: isLink ? 'symlink' : 'file',
    path,
    mode: header.mode & PERMISSION_BITS,
    uid: header.uid,
    gid: header.gid,
    sizeBytes: isLink ? 0 : header.sizeBytes,
    checksum,
    meta: undefined,
    target: isLink ? header.target : undefined,
    xattrs: header.xattrs,
  };
}

/** The entry of a directory at a path. */
export function directoryEntry(
  stored: OpenedCommit,
  path: ByteString,
  tree: OstreeChecksum,
  meta: OstreeChecksum,
): CommitEntry {
  const bytes = stored.objects.metadata(meta, 'dirmeta');
  verifyMetadata(bytes, meta, 'dirmeta');
  const { uid, gid, mode, xattrs } = parseDirmeta(bytes, XATTR_RULES);
  return {
    kind: 'directory',
    path,
    mode: mode & PERMISSION_BITS,
    uid,
    gid,
    sizeBytes: 0,
    checksum: tree,
    meta,
    target: undefined,
    xattrs,
  };
}

function childOf(stored: OpenedCommit, parent: CommitEntry, text: string): CommitEntry | undefined {
  const name = byteStringFromText(text);
  const tree = readTree(stored, parent.checksum);
  const path = `${parent.path === '/' ? '' : parent.path}/${name}` as ByteString;
  const file = tree.files.find((one) => one.name === name);
  if (file !== undefined) return fileEntry(stored, path, file.checksum);
  const directory = tree.directories.find((one) => one.name === name);
  if (directory === undefined) return undefined;
  return directoryEntry(stored, path, directory.tree, directory.meta);
}

function pathNotFound(stored: OpenedCommit, path: string, found = 'none'): NotFoundError {
  return new NotFoundError(
    'OSTREE_PATH_NOT_FOUND',
    `Cannot find "${path}" in commit ${stored.checksum}: expected ${found.startsWith('a ') ? 'a file' : 'such a path'}, found ${found}`,
    { path, commit: stored.checksum },
  );
}

/** The line of `ostree ls -RXC`: type, mode, owner, size, ids, xattrs as GVariant text, path and link target. */
export function formatEntry(
  entry: CommitEntry,
  options: { readonly checksums?: boolean; readonly xattrs?: boolean } = {},
): string {
  const letter = entry.kind === 'directory' ? 'd' : entry.kind === 'symlink' ? 'l' : '-';
  const mode = entry.mode.toString(8).padStart(5, '0');
  let line = `${letter}${mode} ${entry.uid} ${entry.gid} ${String(entry.sizeBytes).padStart(6)} `;
  if (options.checksums === true) {
    line += `${entry.checksum} ${entry.meta === undefined ? '' : `${entry.meta} `}`;
  }
  if (options.xattrs === true) line += `{ ${formatXattrs(entry.xattrs)} } `;
  line += displayText(entry.path);
  return entry.target === undefined ? line : `${line} -> ${displayText(entry.target)}`;
}

/** The format of GLib for `a(ayay)`: only the first element states its type. Source: GLib g_variant_print. */
function formatXattrs(xattrs: readonly OstreeXattr[]): string {
  if (xattrs.length === 0) return '@a(ayay) []';
  const pairs = xattrs.map(
    ({ name, value }, at) => `(${quoteBytes(name)}, ${formatBytes(value, at === 0)})`,
  );
  return `[${pairs.join(', ')}]`;
}

function formatBytes(value: Uint8Array, isFirst: boolean): string {
  if (value.length === 0) return isFirst ? '@ay []' : '[]';
  if (value.indexOf(0) === value.length - 1) return quoteBytes(byteStringOf(value.subarray(0, -1)));
  const hex = Array.from(value, (byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  return `[${isFirst ? 'byte ' : ''}${hex.join(', ')}]`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** A bytestring in the quoting of GLib. Source: GLib g_strescape. */
function quoteBytes(text: ByteString): string {
  const escaped = text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
    /[\u0000-\u001f"\\\u007f-\u00ff]/g,
    (unit) => ESCAPES[unit] ?? `\\${unit.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
  return text.includes("'") ? `b"${escaped}"` : `b'${escaped}'`;
}
