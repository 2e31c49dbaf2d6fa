import { type ByteString, roundUp } from '#base/bytes';
import { isExtensionFlag } from './extensions.ts';
import { failTar } from './fault.ts';
import { HeaderBlock, type HeaderDialect, isHeaderOnlyFlag } from './header.ts';
import { EXTENSION_BYTES_MAX, GNU_TIMES, TAR_BLOCK_BYTES, TYPE_FLAG } from './layout.ts';
import { forEachPaxRecord, PAX_XATTR_PREFIX, type PaxTime, paxNumber, paxTime } from './pax.ts';

/**
 * The header of one member exactly as written: nothing is normalised, masked or cut, as the records of podman require
 * (a tree needs `TarEntry`).
 */
export interface TarMemberHeader {
  /** The type flag; an old `\0` becomes file or directory, depending on a trailing slash in the name. */
  readonly typeFlag: number;
  readonly name: ByteString;
  readonly linkName: ByteString;
  /** The whole field, file type bits included. */
  readonly mode: number;
  /** The size in the header, whether or not a payload follows. */
  readonly sizeBytes: number;
  /** Bytes of payload that follow, padding excluded: 0 for links, devices, directories and fifos. */
  readonly payloadBytes: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: PaxTime;
  readonly atime: PaxTime | undefined;
  readonly ctime: PaxTime | undefined;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** By name, in the order of the header. */
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
  /** A sparse file in one of the PAX forms: the payload is not its content. */
  readonly isPaxSparse: boolean;
  /** Bytes of all headers, extension payloads with padding included. */
  readonly headerBytes: number;
}

/** Filled anew for each block; nothing of it is kept. */
const BLOCK = new HeaderBlock();
const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();
const SPARSE_PREFIX = 'GNU.sparse.';

/** Extension headers of one member; PAX records with their last values. */
interface Extended {
  readonly records: Map<string, Buffer>;
  longName: string | undefined;
  longLink: string | undefined;
}

/** One header block: its type flag and the bytes of the extension payload after it, padding included. */
export interface TarBlockHead {
  readonly typeFlag: number;
  /** 0 when the block is not an extension header. */
  readonly extensionBytes: number;
}

/**
 * Reads one block of 512 bytes; undefined when it is all zeros. `offset` counts from the start of the tar, for messages.
 * @throws FormatError TAR_HEADER_CHECKSUM, TAR_FIELD_INVALID, TAR_EXTENSION_TOO_LARGE
 */
export function readTarBlockHead(bytes: Uint8Array, offset: number): TarBlockHead | undefined {
  const block = new HeaderBlock();
  block.bytes.set(bytes.subarray(0, TAR_BLOCK_BYTES));
  block.offset = offset;
  if (!block.verify()) return undefined;
  const { typeFlag } = block;
  if (!isExtensionFlag(typeFlag)) return { typeFlag, extensionBytes: 0 };
  return { typeFlag, extensionBytes: roundUp(extensionSize(block), TAR_BLOCK_BYTES) };
}

/**
 * Parses the headers of one member: its extension headers with their payloads, then its own block. `bytes` holds exactly these.
 * Undefined when the first block is all zeros, which is the end of an archive.
 * Source: Go archive/tar reader, which podman reads layers with; POSIX.1-2017 pax.
 * @throws FormatError TAR_HEADER_CHECKSUM, TAR_FIELD_INVALID, TAR_EXTENSION_TOO_LARGE, TAR_EXTENSION_ORPHANED,
 * TAR_PAX_MALFORMED, TAR_TRUNCATED
 */
export function parseTarMemberHeader(
  bytes: Uint8Array,
  offset: number,
): TarMemberHeader | undefined {
  const extended: Extended = { records: new Map(), longName: undefined, longLink: undefined };
  const block = BLOCK;
  for (let at = 0; ; ) {
    if (at + TAR_BLOCK_BYTES > bytes.length) {
      failTar('TAR_TRUNCATED', 'header', offset + at, 'expected more bytes, found the end');
    }
    block.bytes.set(bytes.subarray(at, at + TAR_BLOCK_BYTES));
    block.offset = offset + at;
    at += TAR_BLOCK_BYTES;
    if (!block.verify()) {
      if (at === TAR_BLOCK_BYTES) return undefined;
      const reason = 'expected a member after it, found the end';
      return failTar('TAR_EXTENSION_ORPHANED', 'extension header', offset, reason);
    }
    if (!isExtensionFlag(block.typeFlag)) return memberOf(block, extended, at);
    const sizeBytes = extensionSize(block);
    if (at + sizeBytes > bytes.length) {
      failTar(
        'TAR_TRUNCATED',
        'extension header',
        offset + at,
        'expected more bytes, found the end',
      );
    }
    extend(extended, block, Buffer.from(bytes.subarray(at, at + sizeBytes)));
    at += roundUp(sizeBytes, TAR_BLOCK_BYTES);
  }
}

function extensionSize(block: HeaderBlock): number {
  const sizeBytes = block.number('size');
  if (sizeBytes > EXTENSION_BYTES_MAX) {
    const reason = `expected at most ${EXTENSION_BYTES_MAX} bytes, found ${sizeBytes}`;
    failTar('TAR_EXTENSION_TOO_LARGE', 'extension header', block.offset, reason);
  }
  return sizeBytes;
}

function extend(extended: Extended, block: HeaderBlock, payload: Buffer): void {
  if (block.typeFlag === TYPE_FLAG.pax) {
    forEachPaxRecord(payload, block.offset + TAR_BLOCK_BYTES, (key, value) => {
      extended.records.set(key, value);
    });
    return;
  }
  const nul = payload.indexOf(0);
  const text = payload.toString('latin1', 0, nul < 0 ? payload.length : nul);
  if (block.typeFlag === TYPE_FLAG.gnuLongName) extended.longName = text;
  else extended.longLink = text;
}

function memberOf(block: HeaderBlock, extended: Extended, headerBytes: number): TarMemberHeader {
  const { records, longName, longLink } = extended;
  const dialect = block.dialect('standard');
  const text = (key: string) => {
    const value = records.get(key)?.toString('latin1');
    return value === undefined || value === '' ? undefined : value;
  };
  const number = (key: 'size' | 'uid' | 'gid') => {
    const value = text(key);
    return value === undefined ? block.number(key) : paxNumber(value, key, block.offset);
  };
  const time = (key: string) => {
    const value = text(key);
    return value === undefined ? undefined : paxTime(value, block.offset);
  };
  const name = text('path') ?? longName ?? headerName(block, dialect);
  const typeFlag = typeOf(block.typeFlag, name);
  const sizeBytes = number('size');
  return {
    typeFlag,
    name: name as ByteString,
    linkName: (text('linkpath') ?? longLink ?? block.text('linkName')) as ByteString,
    mode: block.number('mode'),
    sizeBytes,
    payloadBytes: isHeaderOnlyFlag(typeFlag) ? 0 : sizeBytes,
    uid: number('uid'),
    gid: number('gid'),
    mtime: time('mtime') ?? { sec: block.bigint('mtime'), nsec: 0 },
    atime: time('atime') ?? gnuTime(block, dialect, 'access'),
    ctime: time('ctime') ?? gnuTime(block, dialect, 'change'),
    rdevMajor: dialect === 'v7' ? 0 : block.number('deviceMajor'),
    rdevMinor: dialect === 'v7' ? 0 : block.number('deviceMinor'),
    xattrs: xattrsOf(records),
    isPaxSparse:
      records.size > 0 && [...records.keys()].some((key) => key.startsWith(SPARSE_PREFIX)),
    headerBytes,
  };
}

function typeOf(flag: number, name: string): number {
  if (flag !== TYPE_FLAG.regularOld) return flag;
  return name.endsWith('/') ? TYPE_FLAG.directory : TYPE_FLAG.regular;
}

function headerName(block: HeaderBlock, dialect: HeaderDialect): string {
  const prefix = dialect === 'ustar' ? block.text('prefix') : block.strayPrefix();
  const name = block.text('name');
  return prefix === '' ? name : `${prefix}/${name}`;
}

function gnuTime(
  block: HeaderBlock,
  dialect: HeaderDialect,
  name: keyof typeof GNU_TIMES,
): PaxTime | undefined {
  const [start, length] = GNU_TIMES[name];
  const isTime = dialect === 'gnu' && block.bytes[start] !== 0 && block.strayPrefix() === '';
  if (!isTime) return undefined;
  return { sec: BigInt(block.numberAt(start, length, name)), nsec: 0 };
}

function xattrsOf(records: ReadonlyMap<string, Buffer>): ReadonlyMap<ByteString, Uint8Array> {
  if (records.size === 0) return NO_XATTRS;
  const xattrs = new Map<ByteString, Uint8Array>();
  for (const [key, value] of records) {
    if (!key.startsWith(PAX_XATTR_PREFIX)) continue;
    xattrs.set(key.slice(PAX_XATTR_PREFIX.length) as ByteString, new Uint8Array(value));
  }
  return xattrs;
}
