import { type ByteString, byteStringOf } from '#base/bytes';
import { escapeField, escapeXattr, TYPE_BITS } from '#formats/tree';
import { OVERLAY } from '../layout.ts';
import { parseMetacopy, WHITEOUT_MARKER } from '../xattr-names.ts';
import type { ErofsInode } from './inode.ts';
import type { ErofsImage } from './reader.ts';
import { walkImage } from './walk.ts';

/**
 * Bookkeeping xattrs that C `composefs-info dump` omits. Unlike {@link ErofsImage.xattrs}, the dump shows opaque markers, and the
 * whiteout marker on inodes that are not whiteouts.
 */
const HIDDEN: ReadonlySet<string> = new Set([
  'trusted.overlay.overlay.whiteouts',
  'user.overlay.whiteout',
  'user.overlay.whiteouts',
]);

/** Names of the stub whiteouts in the root of V0 and V1. */
const STUB_NAME = /^[0-9a-f]{2}$/;

/** True for the stub whiteouts of V0 and V1, which listings omit. */
export function isStubEntry(
  image: ErofsImage,
  entry: { readonly name: string; readonly depth: number; readonly inode: ErofsInode },
): boolean {
  return (
    image.header.composefsVersion <= 1 &&
    entry.depth === 1 &&
    entry.inode.type === 'chr' &&
    entry.inode.rdev === 0 &&
    STUB_NAME.test(entry.name)
  );
}

/** True for a whiteout that was written as a regular file: C always prints it as a whiteout device. */
export function isEscapedWhiteout(
  inode: ErofsInode,
  stored: ReadonlyMap<string, Uint8Array>,
): boolean {
  return inode.type === 'regular' && stored.has(WHITEOUT_MARKER);
}

/** The backing file of a regular file as stored in the image: path below the object directory, and digest in hex. */
export interface BackingFile {
  /** Redirect without its leading slash; it need not be an object path. */
  readonly path: ByteString | undefined;
  readonly digest: string | undefined;
}

/** Returns the backing file from an inode's redirect and metacopy; a malformed digest is undefined. */
export function backingFileOf(stored: ReadonlyMap<string, Uint8Array>): BackingFile {
  const redirect = stored.get(OVERLAY.redirect);
  const metacopy = stored.get(OVERLAY.metacopy);
  return {
    path:
      redirect === undefined
        ? undefined
        : (byteStringOf(redirect).replace(/^\//, '') as ByteString),
    digest: metacopy === undefined ? undefined : parseMetacopy(metacopy),
  };
}

/**
 * Yields the lines of an image as C `composefs-info dump` prints them: sizes and link counts as stored (also for directories),
 * payloads as stored, and the metadata of hard links repeated. Also accepts images with wrong link counts.
 * `isWanted` selects names in the root.
 * @throws FormatError EROFS_INVALID. Source: core spec 4.5, 10.5
 */
export function* dumpImage(
  image: ErofsImage,
  isWanted: (rootName: string) => boolean = () => true,
): Generator<string> {
  const firstPaths = new Map<number, ByteString>();
  for (const entry of walkImage(image)) {
    if (entry.depth > 0 && !isWanted(rootNameOf(entry.path))) continue;
    if (isStubEntry(image, entry)) continue;
    const { inode } = entry;
    const path = `/${entry.path}` as ByteString;
    const first = firstPaths.get(inode.nid);
    if (first === undefined) firstPaths.set(inode.nid, path);
    yield dumpLine(image, inode, path, first);
  }
}

/** The first component of a path without leading slash. */
export function rootNameOf(path: string): string {
  const slash = path.indexOf('/');
  return slash < 0 ? path : path.slice(0, slash);
}

function dumpLine(image: ErofsImage, inode: ErofsInode, path: string, first?: ByteString): string {
  const stored = new Map<string, Uint8Array>(image.rawXattrs(inode));
  const isWhiteout = isEscapedWhiteout(inode, stored);
  const type = isWhiteout ? 'chr' : inode.type;
  const backing = backingFileOf(stored);
  const mode = `${first === undefined ? '' : '@'}${(TYPE_BITS[type] | inode.mode).toString(8)}`;
  const time = `${inode.mtimeSec}.${inode.mtimeNsec}`;
  const isInline = inode.type === 'regular' && !isWhiteout && inode.layout !== 'chunkBased';
  const content = isInline ? byteStringOf(image.readInline(inode)) : '';
  let payload: ByteString | undefined = backing.path;
  if (type === 'symlink') payload = byteStringOf(image.readInline(inode));
  if (first !== undefined) payload = first;
  const fields = [
    escapeField(path),
    isWhiteout ? 0 : inode.sizeBytes,
    mode,
    inode.nlink,
    inode.uid,
    inode.gid,
    inode.rdev,
    time,
    payload === undefined ? '-' : escapeField(payload),
    escapeField(content),
    backing.digest ?? '-',
    ...visibleXattrs(stored, isWhiteout),
  ];
  return `${fields.join(' ')}\n`;
}

function visibleXattrs(stored: ReadonlyMap<string, Uint8Array>, isWhiteout: boolean): string[] {
  const lines: [string, string][] = [];
  for (const [name, value] of stored) {
    if (HIDDEN.has(name) || (isWhiteout && name === WHITEOUT_MARKER)) continue;
    let shown = name;
    if (name.startsWith(OVERLAY.escapedPrefix)) {
      shown = OVERLAY.prefix + name.slice(OVERLAY.escapedPrefix.length);
    } else if (name.startsWith(OVERLAY.prefix)) continue;
    lines.push([shown, `${escapeXattr(shown)}=${escapeXattr(byteStringOf(value))}`]);
  }
  lines.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  return lines.map(([, line]) => line);
}
