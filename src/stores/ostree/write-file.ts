import { createDeflateRaw } from 'node:zlib';
import { type ByteString, bytesOf, displayText } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { IntegrityError, UnsupportedError } from '#base/errors';
import type { Source } from '#base/flow';
import {
  encodeFilez,
  encodeOstreemeta,
  encodeZlibHeader,
  FileHasher,
  type FileHeader,
  frameHeader,
  isLinkMode,
  PERMISSION_BITS,
  refusedOnDisk,
  S_IFLNK,
  type SizedFileHeader,
  sortXattrs,
  xattrsOnDisk,
} from '#formats/ostree';
import {
  cloneFile,
  type Descriptor,
  type Dir,
  type FileStat,
  fchmod,
  fchown,
  futimens,
  type HostFile,
  OPEN,
  readPieces,
  setXattr,
  statFd,
  writeAll,
} from '#host';
import type { OstreeMode } from './config.ts';
import {
  BARE_USER_LINK_MODE,
  BARE_USER_MODE_BITS,
  BARE_USER_MODE_FORCED,
  BARE_USER_ONLY_MODE_BITS,
  OBJECT_MODE,
  OSTREEMETA_XATTR,
} from './layout.ts';

/** Content of a file to write. `file` is shared by reflink if the filesystem supports it, from offset 0. */
export type FileContent =
  | { readonly bytes: Uint8Array }
  | { readonly file: Descriptor }
  | { readonly pieces: Source };

/** How content gets from a file: `auto`: reflink, else copy; `always`: reflink or refuse; `never`: copy. */
export type ReflinkPolicy = 'auto' | 'always' | 'never';

/** Whether the content was shared with its source. */
export type WriteMethod = 'reflinked' | 'written';

/** Options of a write. */
export interface FileWrite {
  /** A directory on the filesystem of the repository, and an unused name in it. */
  readonly staging: Dir;
  readonly name: string;
  readonly mode: OstreeMode;
  readonly zlibLevel: number;
  readonly checksum: OstreeChecksum;
  readonly header: SizedFileHeader;
  readonly content: FileContent;
  /** The content has just been hashed, so a clone of it need not be verified again. */
  readonly isHashed?: boolean | undefined;
  /** Default `auto`. */
  readonly reflink?: ReflinkPolicy | undefined;
}

/** Content up to this size is deflated in one call, in bytes. */
const DEFLATE_AT_ONCE_BYTES = 1 << 20;
const EPOCH = { sec: 0n, nsec: 0 } as const;

/**
 * Writes one file object under a staging name in the mode of the repository, and verifies header and content against the checksum. After an
 * error, the name may remain; the transaction removes its directory.
 * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH, OBJECT_SIZE_MISMATCH; UnsupportedError OSTREE_FILE_UNFIT; HostError
 */
export async function writeFileObject(write: FileWrite): Promise<WriteMethod> {
  const { mode, checksum } = write;
  requireFit(mode, checksum, write.header);
  // libostree hashes xattrs as they are stored.
  const header = { ...write.header, xattrs: sortXattrs(write.header.xattrs) };
  return await writeForm({ ...write, header });
}

async function writeForm(write: FileWrite): Promise<WriteMethod> {
  const { mode, header } = write;
  if (mode === 'archive') return writeArchive(write);
  if (isLinkMode(header.mode)) return writeLink(write);
  if (!('pieces' in write.content)) return writePlain(write);
  using file = openStaged(write);
  await fillFromPieces(file, write);
  finish(file, write);
  return 'written';
}

/**
 * As `writeFileObject`, without waiting, for content that is there; not for `archive`.
 * @throws as `writeFileObject`; UnsupportedError IMPORT_WOULD_COPY
 */
export function writeFileObjectNow(write: FileWrite): WriteMethod {
  const { mode, checksum } = write;
  requireFit(mode, checksum, write.header);
  const header = { ...write.header, xattrs: sortXattrs(write.header.xattrs) };
  return isLinkMode(header.mode)
    ? writeLink({ ...write, header })
    : writePlain({ ...write, header });
}

function writePlain(write: FileWrite): WriteMethod {
  using file = openStaged(write);
  const method = fill(file, write);
  finish(file, write);
  return method;
}

/** Nearly every file gets its final permissions here; the staging directory keeps others out. */
function openStaged({ staging, name, mode, header }: FileWrite): HostFile {
  const permissions = storedPermissions(mode, header) & 0o777;
  return staging.openFile(name, OPEN.readWrite | OPEN.create | OPEN.exclusive, permissions);
}

function finish(file: HostFile, write: FileWrite): void {
  const { mode, header, checksum } = write;
  const stat = statFd(file);
  requireSize(checksum, header, stat.sizeBytes);
  applyMetadata(file, stat, mode, header);
  futimens(file, EPOCH, EPOCH);
}

/**
 * Refuses a file that a repository of this mode cannot store without loss.
 * @throws UnsupportedError OSTREE_FILE_UNFIT
 */
export function requireFit(mode: OstreeMode, checksum: OstreeChecksum, header: FileHeader): void {
  if (mode === 'bare') requireFitBare(checksum, header);
  else if (mode === 'bare-user-only') requireFitUserOnly(checksum, header);
}

function requireFitBare(checksum: OstreeChecksum, { xattrs }: FileHeader): void {
  if (xattrs.length === 0) return;
  const refused = refusedOnDisk(xattrs);
  if (refused !== undefined) {
    const what = `xattr ${displayText(refused.name)} of ${refused.value.length} bytes that the kernel refuses`;
    throw unfit(checksum, 'bare', what, 'Use an archive or bare-user repository');
  }
  const kept = new Map(xattrsOnDisk(xattrs).map(({ name, value }) => [name, value]));
  const lost = xattrs.find(({ name, value }) => kept.get(name) !== value);
  if (lost === undefined) return;
  const what = lost.value.length === 0 ? 'without a value' : 'of version 3 with root id 0';
  throw unfit(
    checksum,
    'bare',
    `xattr ${displayText(lost.name)} ${what}`,
    'Use an archive or bare-user repository',
  );
}

function requireFitUserOnly(checksum: OstreeChecksum, header: FileHeader): void {
  const permissions = header.mode & PERMISSION_BITS;
  const problem =
    header.uid !== 0 || header.gid !== 0
      ? `owner ${header.uid}:${header.gid}`
      : header.xattrs.length > 0
        ? `${header.xattrs.length} extended attributes`
        : !isLinkMode(header.mode) && (permissions & ~BARE_USER_ONLY_MODE_BITS) !== 0
          ? `mode ${permissions.toString(8)}`
          : undefined;
  if (problem === undefined) return;
  const hint = 'Use a bare-user repository, or commit with canonical permissions';
  throw unfit(checksum, 'bare-user-only', problem, hint);
}

function unfit(
  checksum: OstreeChecksum,
  mode: OstreeMode,
  found: string,
  hint: string,
): UnsupportedError {
  return new UnsupportedError(
    'OSTREE_FILE_UNFIT',
    `Cannot store file ${checksum} in a ${mode} repository: it has ${found}`,
    { checksum, found },
    { hint },
  );
}

async function writeArchive(write: FileWrite): Promise<WriteMethod> {
  const { header, checksum, zlibLevel } = write;
  const flags = OPEN.write | OPEN.create | OPEN.exclusive;
  using file = write.staging.openFile(write.name, flags, OBJECT_MODE);
  fchmod(file, OBJECT_MODE);
  const hasher = new FileHasher(header);
  if (isLinkMode(header.mode)) {
    writeAll(file, frameHeader(encodeZlibHeader(header)));
  } else if (header.sizeBytes <= DEFLATE_AT_ONCE_BYTES) {
    const content = await collect(write);
    hasher.update(content);
    writeAll(file, encodeFilez(header, content, zlibLevel));
  } else {
    writeAll(file, frameHeader(encodeZlibHeader(header)));
    await deflateInto(file, write, hasher);
  }
  requireSum(checksum, hasher.finish());
  return 'written';
}

async function deflateInto(file: HostFile, write: FileWrite, hasher: FileHasher): Promise<void> {
  const deflate = createDeflateRaw({ level: write.zlibLevel, chunkSize: 262_144 });
  const draining = (async () => {
    for await (const piece of deflate as AsyncIterable<Uint8Array>) writeAll(file, piece);
  })();
  draining.catch(() => {});
  try {
    for await (const piece of checkedPieces(write)) {
      hasher.update(piece);
      // zlib reads the piece in another thread after this returns, and the next piece may reuse the memory.
      if (!deflate.write(new Uint8Array(piece)))
        await new Promise((resolve) => deflate.once('drain', resolve));
    }
    deflate.end();
    await draining;
  } finally {
    deflate.destroy();
  }
}

function writeLink(write: FileWrite): WriteMethod {
  const { staging, name, mode, header, checksum } = write;
  requireSum(checksum, new FileHasher(header).finish());
  if (mode === 'bare-user') {
    const flags = OPEN.write | OPEN.create | OPEN.exclusive;
    using file = staging.openFile(name, flags, BARE_USER_LINK_MODE);
    writeAll(file, bytesOf(`${header.target}\0` as ByteString));
    fchmod(file, BARE_USER_LINK_MODE);
    setXattr(file, OSTREEMETA_XATTR, encodeOstreemeta(asDirmeta(header)));
    futimens(file, EPOCH, EPOCH);
    return 'written';
  }
  staging.symlink(header.target, name);
  if (mode === 'bare') {
    staging.lchown(name, header.uid, header.gid);
    for (const { name: key, value } of header.xattrs) setXattr({ dir: staging, name }, key, value);
  }
  return 'written';
}

function fill(file: HostFile, write: FileWrite): WriteMethod {
  const { content, header, checksum, reflink = 'auto' } = write;
  if ('file' in content && reflink !== 'never' && cloneFile(content.file, file)) {
    verifyClone(content.file, write);
    return 'reflinked';
  }
  if ('file' in content && reflink === 'always') throw wouldCopy(checksum);
  const hasher = new FileHasher(header);
  let sizeBytes = 0;
  for (const piece of 'bytes' in content ? [content.bytes] : readPieces(sourceOf(content))) {
    sizeBytes += piece.length;
    if (sizeBytes > header.sizeBytes) break;
    hasher.update(piece);
    writeAll(file, piece);
  }
  requireSize(checksum, header, sizeBytes);
  requireSum(checksum, hasher.finish());
  return 'written';
}

/** Both files share extents. The source is more likely to be in the page cache than the new file. */
function verifyClone(source: Descriptor, write: FileWrite): void {
  const { header, checksum } = write;
  if (write.isHashed === true) return;
  const hasher = new FileHasher(header);
  let sizeBytes = 0;
  for (const piece of readPieces(source)) {
    sizeBytes += piece.length;
    hasher.update(piece);
  }
  requireSize(checksum, header, sizeBytes);
  requireSum(checksum, hasher.finish());
}

async function fillFromPieces(file: HostFile, write: FileWrite): Promise<void> {
  const hasher = new FileHasher(write.header);
  for await (const piece of checkedPieces(write)) {
    hasher.update(piece);
    writeAll(file, piece);
  }
  requireSum(write.checksum, hasher.finish());
}

function sourceOf(content: FileContent): Descriptor {
  if ('file' in content) return content.file;
  throw new RangeError('Content in pieces is awaited');
}

/** The error of the policy `always`. */
export function wouldCopy(checksum: OstreeChecksum): UnsupportedError {
  return new UnsupportedError(
    'IMPORT_WOULD_COPY',
    `Cannot store file ${checksum}: the repositories cannot share extents`,
    { reason: 'reflink' },
    {
      hint: 'Allow copies with --reflink auto, or put both on one filesystem that can share extents (XFS, btrfs)',
    },
  );
}

/** What is right already is left: each change is a transaction of the filesystem. */
function applyMetadata(
  file: HostFile,
  { uid, gid, mode: found }: FileStat,
  mode: OstreeMode,
  header: SizedFileHeader,
): void {
  const permissions = storedPermissions(mode, header);
  const isOwned = mode !== 'bare' || (uid === header.uid && gid === header.gid);
  // The owner comes first: the kernel clears setuid and capabilities when it changes.
  if (!isOwned) fchown(file, header.uid, header.gid);
  if (!isOwned || found !== permissions) fchmod(file, permissions);
  if (mode === 'bare') {
    for (const { name, value } of header.xattrs) setXattr(file, name, value);
  } else if (mode === 'bare-user') {
    setXattr(file, OSTREEMETA_XATTR, encodeOstreemeta(asDirmeta(header)));
  }
}

function storedPermissions(mode: OstreeMode, header: SizedFileHeader): number {
  const permissions = header.mode & PERMISSION_BITS;
  return mode === 'bare-user'
    ? (permissions & BARE_USER_MODE_BITS) | BARE_USER_MODE_FORCED
    : permissions;
}

/** Owner, mode and xattrs of a file, in the form of `user.ostreemeta`; a link always has mode 0120777. */
function asDirmeta({ uid, gid, mode, xattrs }: SizedFileHeader) {
  return { uid, gid, mode: isLinkMode(mode) ? S_IFLNK | (mode & PERMISSION_BITS) : mode, xattrs };
}

async function collect(write: FileWrite): Promise<Uint8Array> {
  if ('bytes' in write.content) {
    requireSize(write.checksum, write.header, write.content.bytes.length);
    return write.content.bytes;
  }
  const content = Buffer.alloc(write.header.sizeBytes);
  let at = 0;
  for await (const piece of checkedPieces(write)) {
    content.set(piece, at);
    at += piece.length;
  }
  return content;
}

/** The pieces of the content; ends with an error unless their sum equals the size in the header. */
async function* checkedPieces({
  content,
  header,
  checksum,
}: FileWrite): AsyncGenerator<Uint8Array> {
  const pieces =
    'bytes' in content
      ? [content.bytes]
      : 'pieces' in content
        ? content.pieces
        : readPieces(content.file);
  let sizeBytes = 0;
  for await (const piece of pieces) {
    sizeBytes += piece.length;
    if (sizeBytes > header.sizeBytes) break;
    yield piece;
  }
  requireSize(checksum, header, sizeBytes);
}

function requireSize(checksum: OstreeChecksum, header: SizedFileHeader, found: number): void {
  if (found === header.sizeBytes) return;
  throw new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot write file object ${checksum}: expected ${header.sizeBytes} bytes, found ${found}`,
    { id: checksum, expected: header.sizeBytes, found },
  );
}

function requireSum(expected: OstreeChecksum, found: OstreeChecksum): void {
  if (found === expected) return;
  throw new IntegrityError(
    'OSTREE_CHECKSUM_MISMATCH',
    `Cannot write file object ${expected}: its header and content have the checksum ${found}`,
    { expected, found, what: 'file' },
  );
}
