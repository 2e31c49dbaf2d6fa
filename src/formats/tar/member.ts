import type { ByteString } from '#base/bytes';
import type { TarEntry, TarEntryType, TarSparse } from './entry.ts';
import { failTar } from './fault.ts';
import { type HeaderBlock, type HeaderDialect, isRegularFlag } from './header.ts';
import { TYPE_FLAG } from './layout.ts';
import { absolutePath, normalisePath } from './path.ts';
import type { PaxOverrides, PaxTime } from './pax.ts';

/** The extension headers that stand before one member. */
export interface Extensions {
  longName: string | undefined;
  longLink: string | undefined;
  pax: PaxOverrides | undefined;
  count: number;
  /** Offset of the first of them in the tar. */
  offset: number;
}

/** No extension headers yet. */
export function noExtensions(): Extensions {
  return { longName: undefined, longLink: undefined, pax: undefined, count: 0, offset: 0 };
}

/** What a member's sparse records contribute to its entry. */
export interface SparseFields {
  readonly name: string | undefined;
  readonly sparse: TarSparse | undefined;
  readonly sizeBytes: number;
}

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/**
 * The entry of a member: extension headers over header fields.
 * @throws FormatError TAR_PATH_EMPTY, TAR_FIELD_INVALID
 */
export function buildEntry(
  block: HeaderBlock,
  extensions: Extensions,
  fields: SparseFields,
): TarEntry {
  const { pax } = extensions;
  const dialect = block.dialect();
  const typeFlag = block.typeFlag;
  const type = entryType(typeFlag, dialect);
  const isDevice = type === 'chr' || type === 'blk';
  const writtenPath = absolutePath(memberName(block, extensions, fields, dialect));
  const mtime = pax?.mtime ?? headerTime(block);
  return {
    type,
    typeFlag,
    path: normalisePath(writtenPath),
    writtenPath,
    linkTarget: linkTarget(block, extensions, type),
    sizeBytes: fields.sizeBytes,
    mode: block.number('mode') % 0o10000,
    uid: pax?.uid ?? block.id('uid'),
    gid: pax?.gid ?? block.id('gid'),
    mtimeSec: mtime.sec,
    mtimeNsec: mtime.nsec,
    rdevMajor: isDevice ? block.number('deviceMajor') : 0,
    rdevMinor: isDevice ? block.number('deviceMinor') : 0,
    xattrs: pax?.xattrs ?? NO_XATTRS,
    sparse: fields.sparse,
    offset: extensions.count > 0 ? extensions.offset : block.offset,
  };
}

function entryType(flag: number, dialect: HeaderDialect): TarEntryType {
  if (isRegularFlag(flag)) return 'file';
  switch (flag) {
    case TYPE_FLAG.directory:
      return 'directory';
    case TYPE_FLAG.hardlink:
      return 'hardlink';
    case TYPE_FLAG.symlink:
      return 'symlink';
    case TYPE_FLAG.chr:
      return 'chr';
    case TYPE_FLAG.blk:
      return 'blk';
    case TYPE_FLAG.fifo:
      return 'fifo';
    case TYPE_FLAG.gnuSparse:
      return dialect === 'gnu' ? 'file' : 'unknown';
    default:
      return 'unknown';
  }
}

/** PAX over GNU long name over prefix and name; a sparse member's real name over all. */
function memberName(
  block: HeaderBlock,
  extensions: Extensions,
  fields: SparseFields,
  dialect: HeaderDialect,
): string {
  const name =
    fields.name ?? extensions.pax?.path ?? extensions.longName ?? headerName(block, dialect);
  if (name === '')
    failTar('TAR_PATH_EMPTY', 'member name', block.offset, 'expected one, found none');
  return name;
}

function headerName(block: HeaderBlock, dialect: HeaderDialect): string {
  const name = block.text('name');
  if (dialect !== 'ustar') return name;
  const prefix = block.text('prefix');
  return prefix === '' ? name : `${prefix}/${name}`;
}

function linkTarget(block: HeaderBlock, extensions: Extensions, type: TarEntryType): ByteString {
  if (type !== 'symlink' && type !== 'hardlink') return '' as ByteString;
  const target = extensions.pax?.linkPath ?? extensions.longLink ?? block.text('linkName');
  return type === 'hardlink' ? normalisePath(target) : (target as ByteString);
}

function headerTime(block: HeaderBlock): PaxTime {
  return { sec: block.bigint('mtime'), nsec: 0 };
}
