import type { ByteString } from '#base/bytes';
import { bytesOf } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import {
  parseTarMemberHeader,
  TAR_BLOCK_BYTES,
  TAR_TYPE_FLAG,
  type TarMemberHeader,
} from '#formats/tar';
import type { TarSplitFile, TarSplitRecord } from '#formats/tar-split';
import { replaceInvalidUtf8 } from './lossy.ts';
import { MemberPaths } from './member-paths.ts';
import { isNoTime } from './time.ts';
import { show, type Toc, type TocChunk, type TocEntry, type TocType } from './toc.ts';
import { failMismatch, UnusableToc } from './verdict.ts';

/** A file of the layer with content, in the order of the tar. */
export interface ChunkedFile {
  /** Name as in the tar. */
  readonly name: ByteString;
  readonly sizeBytes: number;
  readonly digest: ContentDigest;
  readonly chunks: readonly TocChunk[];
}

/** The content of a layer's tar, on which TOC and tar-split agree. */
export interface ChunkedLayer {
  /** Files with content, in the order of the tar; their ranges ascend and do not overlap. */
  readonly files: readonly ChunkedFile[];
  /** Number of tar members of any type. */
  readonly memberCount: number;
  /** Length of the tar made of segments and contents. */
  readonly tarBytes: number;
}

const TYPE_OF_FLAG: ReadonlyMap<number, TocType> = new Map([
  [TAR_TYPE_FLAG.regular, 'reg'],
  [TAR_TYPE_FLAG.hardlink, 'hardlink'],
  [TAR_TYPE_FLAG.symlink, 'symlink'],
  [TAR_TYPE_FLAG.directory, 'dir'],
  [TAR_TYPE_FLAG.chr, 'char'],
  [TAR_TYPE_FLAG.blk, 'block'],
  [TAR_TYPE_FLAG.fifo, 'fifo'],
]);

/** Kind of TOC entry for a type flag; undefined for a member that a TOC cannot hold. */
export function tocTypeOf(typeFlag: number): TocType | undefined {
  return TYPE_OF_FLAG.get(typeFlag);
}

/**
 * Compares a TOC with the tar-split of its layer, record by record. The records contain the tar headers, so the tar decides
 * and the TOC must agree: one entry for each member, equal attributes, and equal names in records and headers.
 * An unusable layer throws UnusableToc, which never leaves this module.
 * Source: containers-storage pkg/chunked, ensureTOCMatchesTarSplit; spec of zstd:chunked 1.5 and 1.9.
 */
export class LayerMatcher {
  readonly #toc: Toc;
  readonly #paths = new MemberPaths();
  readonly #matched: Uint8Array;
  #byName: ReadonlyMap<string, number> | undefined;
  readonly #files: ChunkedFile[] = [];
  #next = 0;
  #memberCount = 0;
  #tarBytes = 0;
  #rangeEnd = 0;
  #padding = 0;
  #header: TarMemberHeader | undefined;
  #isTrailer = false;

  constructor(toc: Toc) {
    this.#toc = toc;
    this.#matched = new Uint8Array(toc.entries.length);
  }

  /** Reads the next record. @throws FormatError TAR_*, CHUNKED_TOC_INVALID; IntegrityError CHUNKED_TOC_MISMATCH */
  push(record: TarSplitRecord): void {
    if (record.kind === 'file') this.#pushFile(record);
    else this.#pushSegment(record.bytes);
  }

  /** Call after the last record. @throws IntegrityError CHUNKED_TOC_MISMATCH */
  finish(): ChunkedLayer {
    if (this.#header !== undefined) {
      failMismatch(
        `tar-split of ${show(this.#header.name)}`,
        'a record after its header',
        'the end',
      );
    }
    const extra = this.#matched.indexOf(0);
    if (extra >= 0) {
      const name = this.#toc.entries[extra]?.name ?? '';
      failMismatch('entries', 'one for each member', `${show(name)} besides`);
    }
    return { files: this.#files, memberCount: this.#memberCount, tarBytes: this.#tarBytes };
  }

  /** All segments after the last member are the trailer, at any split; the diff id verifies its bytes. */
  #pushSegment(bytes: Uint8Array): void {
    const offset = this.#tarBytes + this.#padding;
    this.#tarBytes += bytes.length;
    if (this.#isTrailer) return;
    if (this.#header !== undefined) {
      failMismatch(`tar-split of ${show(this.#header.name)}`, 'its file record', 'a segment');
    }
    const rest = bytes.subarray(this.#padding);
    const header = rest.length < TAR_BLOCK_BYTES ? undefined : parseTarMemberHeader(rest, offset);
    if (header === undefined) {
      this.#isTrailer = true;
      return;
    }
    if (header.headerBytes !== rest.length) {
      failMismatch(
        `tar-split of ${show(header.name)}`,
        `a segment of ${header.headerBytes} bytes`,
        `${rest.length}`,
      );
    }
    this.#header = header;
  }

  #pushFile(record: TarSplitFile): void {
    const header = this.#header;
    if (header === undefined) {
      failMismatch(`tar-split record ${show(record.name)}`, 'a header before it', 'none');
    }
    this.#header = undefined;
    const type = checkUsable(header);
    if (record.name !== header.name) {
      failMismatch('tar-split name', show(header.name), show(record.name));
    }
    if (record.sizeBytes !== header.payloadBytes) {
      const what = `tar-split size of ${show(header.name)}`;
      failMismatch(what, `${header.payloadBytes}`, `${record.sizeBytes}`);
    }
    this.#paths.add(header);
    const entry = this.#entryOf(header);
    checkEqual(header, type, entry);
    this.#memberCount += 1;
    this.#tarBytes += header.payloadBytes;
    this.#padding = -header.payloadBytes & (TAR_BLOCK_BYTES - 1);
    if (header.payloadBytes > 0) this.#addFile(header, entry);
  }

  #addFile({ name, sizeBytes }: TarMemberHeader, { digest, chunks }: TocEntry): void {
    const [first] = chunks;
    const last = chunks.at(-1);
    if (digest === undefined || first === undefined || last === undefined) return;
    if (first.offset < this.#rangeEnd) {
      failMismatch(`range of ${show(name)}`, `one from ${this.#rangeEnd} on`, `${first.offset}`);
    }
    this.#rangeEnd = last.offset + last.lengthBytes;
    this.#files.push({ name, sizeBytes, digest, chunks });
  }

  /** The entry of a member: mostly the next one of the TOC. */
  #entryOf({ name }: TarMemberHeader): TocEntry {
    const { entries } = this.#toc;
    const lossy = replaceInvalidUtf8(name);
    let at = this.#next;
    if (entries[at]?.name !== lossy) {
      this.#byName ??= new Map(entries.map((entry, index) => [entry.name, index]));
      at = this.#byName.get(lossy) ?? -1;
    }
    const entry = entries[at];
    if (entry === undefined) return failMismatch('entries', `one of ${show(name)}`, 'none');
    if (this.#matched[at] === 1) {
      if (lossy !== name) throw new UnusableToc('name', `two names are ${show(lossy)} in it`);
      failMismatch(`entries of ${show(name)}`, 'two', 'one');
    }
    this.#matched[at] = 1;
    this.#next = at + 1;
    return entry;
  }
}

function checkUsable(header: TarMemberHeader): TocType {
  const type = tocTypeOf(header.typeFlag);
  if (type === undefined) {
    const flag = JSON.stringify(String.fromCharCode(header.typeFlag));
    throw new UnusableToc('kind', `${show(header.name)} is a member of type ${flag}`);
  }
  if (header.isPaxSparse)
    throw new UnusableToc('sparse', `${show(header.name)} is a file with holes in it`);
  if (header.payloadBytes !== header.sizeBytes) {
    const size = `${header.sizeBytes} bytes`;
    throw new UnusableToc('link-size', `${show(header.name)} states ${size} without content`);
  }
  return type;
}

function checkEqual(header: TarMemberHeader, type: TocType, entry: TocEntry): void {
  const compare = (attribute: string, expected: string | number, found: string | number) => {
    if (expected === found) return;
    failMismatch(`${attribute} of ${show(header.name)}`, `${expected}`, `${found}`);
  };
  compare('type', type, entry.type);
  const linkName = replaceInvalidUtf8(header.linkName);
  if (linkName !== entry.linkName) {
    failMismatch(`link name of ${show(header.name)}`, show(linkName), show(entry.linkName));
  }
  compare('mode', header.mode, entry.mode);
  compare('size', header.sizeBytes, entry.sizeBytes);
  compare('uid', header.uid, entry.uid);
  compare('gid', header.gid, entry.gid);
  compare('device major', header.rdevMajor, entry.rdevMajor);
  compare('device minor', header.rdevMinor, entry.rdevMinor);
  for (const time of TIMES) {
    if (isSameTime(header[time], entry[time])) continue;
    compare(time, timeText(header[time]), timeText(entry[time]));
  }
  if (header.xattrs.size === 0 && entry.xattrs.size === 0) return;
  compare('xattrs', xattrText(base64Values(header.xattrs)), xattrText(entry.xattrs));
}

const TIMES = ['mtime', 'atime', 'ctime'] as const;

function isSameTime(a: TocEntry['mtime'], b: TocEntry['mtime']): boolean {
  if (a !== undefined && a.sec === b?.sec && a.nsec === b.nsec) return true;
  return isNoTime(a) && isNoTime(b);
}

function timeText(time: TocEntry['mtime']): string {
  return time === undefined ? 'none' : `${time.sec} s ${time.nsec} ns`;
}

function base64Values(xattrs: ReadonlyMap<ByteString, Uint8Array>): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of xattrs) {
    values.set(replaceInvalidUtf8(name), Buffer.from(value).toString('base64'));
  }
  return values;
}

function xattrText(xattrs: ReadonlyMap<string, string>): string {
  if (xattrs.size === 0) return 'none';
  const pairs = [...xattrs].map(([name, value]) => `${bytesOf(name as ByteString)}=${value}`);
  return pairs.sort().join(' ');
}
