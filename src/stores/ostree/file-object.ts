import { type ByteString, byteStringOf, bytesOf } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError, IntegrityError, NotFoundError } from '#base/errors';
import type { Source } from '#base/flow';
import {
  FileHasher,
  HEADER_PREFIX_BYTES,
  inflateSource,
  isLinkMode,
  isUtf8,
  METADATA_MAX_BYTES,
  type OstreeXattr,
  ostreeObjectPath,
  parseFileXattrs,
  parseHeaderPrefix,
  parseOstreemeta,
  parseZlibHeader,
  requireNoLinkPayload,
  S_IFLNK,
  S_IFREG,
  type SizedFileHeader,
  sortXattrs,
} from '#formats/ostree';
import {
  type Dir,
  type FileStat,
  getXattr,
  type HostFile,
  OPEN,
  readAt,
  readXattrs,
  statFd,
} from '#host';
import type { OstreeMode } from './config.ts';
import { LINK_TARGET_MAX_BYTES, OSTREEMETA_XATTR } from './layout.ts';
import { readRegular, readWithin, wrongType } from './regular.ts';

/** A file may be replaced by a link or a pipe at any time: links are not followed, and pipes do not block. */
const NO_WAIT = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
/** Pieces in which content is read, in bytes. */
const PIECE_BYTES = 262_144;

/** A file object of a repository, open. The header is parsed and checked; nothing is verified against the checksum. */
export class OstreeFile implements Disposable {
  readonly checksum: OstreeChecksum;
  readonly header: SizedFileHeader;
  /** The stored header with its prefix; only archive repositories have one. */
  readonly rawHeader: Uint8Array | undefined;
  readonly #file: HostFile | undefined;
  /** Offset of the deflated content; undefined if the file is the content. */
  readonly #deflatedAt: number | undefined;

  constructor(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    content: {
      readonly file?: HostFile | undefined;
      readonly rawHeader?: Uint8Array;
      readonly deflatedAt?: number;
    },
  ) {
    this.checksum = checksum;
    this.header = header;
    this.rawHeader = content.rawHeader;
    this.#file = content.file;
    this.#deflatedAt = content.deflatedAt;
  }

  /** The file whose bytes are exactly the content, for reflinks; undefined for links and archive objects. */
  get plain(): HostFile | undefined {
    return this.#deflatedAt === undefined && !isLinkMode(this.header.mode) ? this.#file : undefined;
  }

  /** The content, inflated if needed. A piece is valid until the next one. Links have no content. */
  content(): Source {
    if (this.#file === undefined || isLinkMode(this.header.mode)) return [];
    if (this.#deflatedAt === undefined) return piecesOf(this.#file, 0);
    return inflateSource(asyncPieces(this.#file, this.#deflatedAt), this.header.sizeBytes);
  }

  /**
   * Reads the complete content and compares header and content with the checksum.
   * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH; FormatError OSTREE_PAYLOAD_INVALID
   */
  async verify(): Promise<void> {
    const hasher = new FileHasher(this.header);
    for await (const piece of this.content()) hasher.update(piece);
    const found = hasher.finish();
    if (found === this.checksum) return;
    throw new IntegrityError(
      'OSTREE_CHECKSUM_MISMATCH',
      `Cannot accept file object ${this.checksum}: its header and content have the checksum ${found}`,
      { expected: this.checksum, found, what: 'file' },
    );
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }
}

/**
 * Opens a file object as the mode of the repository stores it; undefined if it does not exist.
 * @throws FormatError as the parsers of headers; OSTREE_FILE_TYPE_INVALID; NotFoundError OSTREE_OBJECT_MISSING
 */
export function openFileObject(
  root: Dir,
  mode: OstreeMode,
  checksum: OstreeChecksum,
): OstreeFile | undefined {
  const path = ostreeObjectPath(checksum, 'file', mode === 'archive');
  const stat = root.lstat(path);
  if (stat === undefined) return undefined;
  if (mode === 'archive') return openArchive(root, path, checksum, stat);
  if (mode === 'bare-user') return openBareUser(root, path, checksum, stat);
  const xattrs = () =>
    mode === 'bare-split-xattrs'
      ? splitXattrsOf(root, checksum)
      : mode === 'bare'
        ? diskXattrsOf(root, path)
        : [];
  const owner = mode === 'bare-user-only' ? { uid: 0, gid: 0 } : stat;
  return openBare(root, path, checksum, stat, owner, xattrs());
}

function openArchive(
  root: Dir,
  path: string,
  checksum: OstreeChecksum,
  stat: FileStat,
): OstreeFile {
  if (stat.type !== 'file') throw wrongType(path, stat.type);
  const file = root.openFile(path, NO_WAIT);
  try {
    const start = Buffer.alloc(Math.min(4096, stat.sizeBytes));
    const length = readAt(file, start, 0);
    const headerEnd =
      HEADER_PREFIX_BYTES + parseHeaderPrefix(start.subarray(0, length), stat.sizeBytes);
    const rawHeader = headerEnd <= length ? start.subarray(0, headerEnd) : Buffer.alloc(headerEnd);
    if (headerEnd > length) readAt(file, rawHeader, 0);
    const header = parseZlibHeader(rawHeader.subarray(HEADER_PREFIX_BYTES));
    requireNoLinkPayload(header, stat.sizeBytes - headerEnd);
    return new OstreeFile(checksum, header, { file, rawHeader, deflatedAt: headerEnd });
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function openBareUser(
  root: Dir,
  path: string,
  checksum: OstreeChecksum,
  stat: FileStat,
): OstreeFile {
  if (stat.type !== 'file') throw wrongType(path, stat.type);
  const file = root.openFile(path, NO_WAIT);
  try {
    const stored = getXattr(file, OSTREEMETA_XATTR);
    if (stored === undefined) {
      throw new FormatError(
        'OSTREE_METADATA_INVALID',
        `Cannot read file object ${checksum}: expected xattr ${OSTREEMETA_XATTR}, found none`,
        { offset: 0, what: OSTREEMETA_XATTR },
      );
    }
    const meta = parseOstreemeta(stored);
    if (!isLinkMode(meta.mode)) {
      const header = { ...meta, target: '' as ByteString, sizeBytes: stat.sizeBytes };
      return new OstreeFile(checksum, header, { file });
    }
    const content = byteStringOf(readWithin(file, path, LINK_TARGET_MAX_BYTES));
    const target = requireTarget(checksum, content.replace(/\0$/, '') as ByteString);
    const header = { ...meta, target, sizeBytes: 0 };
    file[Symbol.dispose]();
    return new OstreeFile(checksum, header, {});
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** A header can store only UTF-8 without NUL. */
function requireTarget(checksum: OstreeChecksum, target: ByteString): ByteString {
  if (isUtf8(bytesOf(target)) && !target.includes('\0')) return target;
  throw new FormatError(
    'OSTREE_HEADER_INVALID',
    `Cannot read file object ${checksum}: expected a link target in UTF-8, found ${JSON.stringify(target.slice(0, 300))}`,
    { offset: 0, what: 'link target', found: target.slice(0, 300) },
  );
}

function openBare(
  root: Dir,
  path: string,
  checksum: OstreeChecksum,
  stat: FileStat,
  owner: { readonly uid: number; readonly gid: number },
  xattrs: readonly OstreeXattr[],
): OstreeFile {
  const { uid, gid } = owner;
  if (stat.type === 'symlink') {
    const target = requireTarget(checksum, root.readlink(path) ?? ('' as ByteString));
    const header = { uid, gid, mode: S_IFLNK | 0o777, target, xattrs, sizeBytes: 0 };
    return new OstreeFile(checksum, header, {});
  }
  if (stat.type !== 'file') throw wrongType(path, stat.type);
  const file = root.openFile(path, NO_WAIT);
  const { sizeBytes } = statFd(file);
  const header = {
    uid,
    gid,
    mode: S_IFREG | stat.mode,
    target: '' as ByteString,
    xattrs,
    sizeBytes,
  };
  return new OstreeFile(checksum, header, { file });
}

/** Xattrs of a content file, sorted: the order of the kernel is arbitrary, and libostree omits xattrs without a value. */
function diskXattrsOf(root: Dir, path: string): OstreeXattr[] {
  const found: OstreeXattr[] = [];
  for (const [name, value] of readXattrs({ dir: root, name: path })) {
    if (value.length > 0) found.push({ name, value });
  }
  return [...sortXattrs(found)];
}

function splitXattrsOf(root: Dir, checksum: OstreeChecksum): OstreeXattr[] {
  const path = ostreeObjectPath(checksum, 'file-xattrs-link');
  const bytes = readRegular(root, path, METADATA_MAX_BYTES);
  if (bytes !== undefined) return parseFileXattrs(bytes);
  throw new NotFoundError(
    'OSTREE_OBJECT_MISSING',
    `Cannot read file object ${checksum}: its file-xattrs-link is not in the repository`,
    { checksum, kind: 'file-xattrs-link' },
  );
}

function* piecesOf(file: HostFile, from: number): Generator<Uint8Array> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let offset = from; ; ) {
    const count = readAt(file, piece, offset);
    if (count === 0) return;
    yield piece.subarray(0, count);
    offset += count;
  }
}

/** The inflater keeps its input, so each piece needs its own memory. */
async function* asyncPieces(file: HostFile, from: number): AsyncGenerator<Uint8Array> {
  for (let offset = from; ; ) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const count = readAt(file, piece, offset);
    if (count === 0) return;
    yield piece.subarray(0, count);
    offset += count;
  }
}
