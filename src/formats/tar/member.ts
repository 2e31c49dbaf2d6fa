import type { ByteString } from '#base/bytes';
import type { Reading, ReadingDifference } from '#formats/tree';
import type { TarEntry, TarEntryType, TarSparse } from './entry.ts';
import type { Extensions } from './extensions.ts';
import { failTar } from './fault.ts';
import { type HeaderBlock, type HeaderDialect, isHeaderOnlyFlag, isRegularFlag } from './header.ts';
import { TYPE_FLAG } from './layout.ts';
import { absolutePath, normalisePath } from './path.ts';
import type { PaxTime } from './pax.ts';

/** Fields of an entry that come from the member's sparse records. */
export interface SparseFields {
  readonly name: string | undefined;
  readonly sparse: TarSparse | undefined;
  readonly sizeBytes: number;
}

const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/**
 * Builds the entry of a member; extension headers override header fields.
 * @throws FormatError TAR_PATH_EMPTY, TAR_FIELD_INVALID
 */
export function buildEntry(
  block: HeaderBlock,
  extensions: Extensions,
  fields: SparseFields,
  reading: Reading,
): TarEntry {
  const { pax } = extensions;
  const typeFlag = block.typeFlag;
  const { name, isStray } = memberName(block, extensions, fields, reading);
  const statedType = entryType(typeFlag, block.dialect(reading));
  const isOldDirectory = typeFlag === TYPE_FLAG.regularOld && name.endsWith('/');
  const type = isOldDirectory && reading === 'standard' ? 'directory' : statedType;
  const isDevice = type === 'chr' || type === 'blk';
  const writtenPath = absolutePath(name);
  const hasNoData = isHeaderOnlyFlag(typeFlag) || type === 'directory';
  const hasNoSize = fields.sizeBytes > 0 && hasNoData;
  const mtime = pax?.mtime ?? headerTime(block);
  return {
    type,
    typeFlag,
    path: normalisePath(writtenPath),
    writtenPath,
    linkTarget: linkTarget(block, extensions, type),
    sizeBytes: hasNoSize && reading === 'standard' ? 0 : fields.sizeBytes,
    mode: block.number('mode') % 0o10000,
    uid: idOf(pax?.uid ?? block.id('uid'), reading),
    gid: idOf(pax?.gid ?? block.id('gid'), reading),
    mtimeSec: mtime.sec,
    mtimeNsec: mtime.nsec,
    rdevMajor: isDevice ? block.number('deviceMajor') : 0,
    rdevMinor: isDevice ? block.number('deviceMinor') : 0,
    xattrs: pax?.xattrs ?? NO_XATTRS,
    sparse: fields.sparse,
    difference: differenceOf({ isStray, isOldDirectory, hasNoSize }),
    offset: extensions.count > 0 ? extensions.offset : block.offset,
  };
}

/** Converts an id; composefs-rs truncates it to 32 bits. Source: oci-and-cli section 3.3. */
function idOf(id: bigint, reading: Reading): number {
  return Number(reading === 'cfsctl' ? BigInt.asUintN(32, id) : id);
}

function differenceOf(found: {
  readonly isStray: boolean;
  readonly isOldDirectory: boolean;
  readonly hasNoSize: boolean;
}): ReadingDifference | undefined {
  if (found.isOldDirectory) return 'old-directory';
  if (found.isStray) return 'prefix';
  return found.hasNoSize ? 'size-without-data' : undefined;
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

/** Precedence: a sparse member's real name, PAX, GNU long name, then prefix and name. */
function memberName(
  block: HeaderBlock,
  extensions: Extensions,
  fields: SparseFields,
  reading: Reading,
): { readonly name: string; readonly isStray: boolean } {
  const extended = fields.name ?? extensions.pax?.path ?? extensions.longName;
  const stray = extended === undefined ? block.strayPrefix() : '';
  const name = extended ?? headerName(block, stray, reading);
  if (name === '')
    failTar('TAR_PATH_EMPTY', 'member name', block.offset, 'expected one, found none');
  return { name, isStray: stray !== '' };
}

function headerName(block: HeaderBlock, stray: string, reading: Reading): string {
  const name = block.text('name');
  const isPosix = block.dialect('cfsctl') === 'ustar';
  const prefix = isPosix ? block.text('prefix') : reading === 'standard' ? stray : '';
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
