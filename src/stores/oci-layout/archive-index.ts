import { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';
import {
  EXTENSION_MAX_BYTES,
  MEMBER_LINKS_MAX,
  MEMBERS_MAX,
  TAR_BLOCK_BYTES,
  TAR_FIELDS,
} from './layout.ts';

/** Where the payload of a member lies in the archive. */
export interface MemberRange {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

type Member =
  | ({ readonly kind: 'file' } & MemberRange)
  | { readonly kind: 'link'; readonly target: string };

/** The members of a tar by name (without `./`), found by reading headers only; payloads are skipped. */
export class ArchiveIndex {
  readonly #members: ReadonlyMap<string, Member>;

  constructor(members: ReadonlyMap<string, Member>) {
    this.#members = members;
  }

  /** The file with this name, through links between members; undefined when there is none, or links lead out or in circles. */
  find(name: string): MemberRange | undefined {
    let at: string | undefined = joinPath('', name);
    for (let hops = 0; at !== undefined && hops <= MEMBER_LINKS_MAX; hops += 1) {
      const member = this.#members.get(at);
      if (member === undefined) return undefined;
      if (member.kind === 'file') return member;
      at = member.target;
    }
    return undefined;
  }
}

/** What extension headers said about the next member. */
interface Extension {
  path?: string;
  linkPath?: string;
  size?: number;
}

/**
 * Reads the headers of an archive. Of members with one name the last counts, as tar unpacks them.
 * @throws FormatError ARCHIVE_INVALID
 */
export function readArchiveIndex(reader: RandomReader): ArchiveIndex {
  const members = new Map<string, Member>();
  const header = new Uint8Array(TAR_BLOCK_BYTES);
  let extension: Extension = {};
  for (let offset = 0; ; ) {
    const length = reader.read(offset, header);
    if (length === 0 || isZero(header.subarray(0, length))) break;
    if (length < TAR_BLOCK_BYTES) throw invalid(offset, `a header of 512 bytes`, `${length}`);
    verifyChecksum(header, offset);
    const flag = String.fromCharCode(header[TAR_FIELDS.typeFlag.offset] ?? 0);
    const isExtension = flag === 'x' || flag === 'L' || flag === 'K' || flag === 'g';
    const sizeBytes = (isExtension ? undefined : extension.size) ?? readSize(header, offset);
    const payload = { offsetBytes: offset + TAR_BLOCK_BYTES, sizeBytes };
    if (payload.offsetBytes + sizeBytes > reader.sizeBytes) {
      throw invalid(offset, `${sizeBytes} bytes of payload`, 'the end of the archive');
    }
    if (isExtension) {
      readExtension(reader, flag, payload, extension);
    } else {
      addMember(members, header, flag, { payload, extension, offset });
      extension = {};
    }
    offset = payload.offsetBytes + Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  }
  return new ArchiveIndex(members);
}

function addMember(
  members: Map<string, Member>,
  header: Uint8Array,
  flag: string,
  found: { payload: MemberRange; extension: Extension; offset: number },
): void {
  const { payload, extension, offset } = found;
  const name = joinPath('', extension.path ?? headerName(header));
  if (name === undefined)
    throw invalid(offset, 'a name inside the archive', 'a name that leaves it');
  const link = extension.linkPath ?? text(header, TAR_FIELDS.linkName);
  if (flag === '0' || flag === '\0' || flag === '7') {
    members.set(name, { kind: 'file', ...payload });
  } else if (flag === '1' || flag === '2') {
    // A hard link names a member; a symbolic link is relative to the directory of its own name.
    const base = flag === '1' ? '' : name.slice(0, Math.max(0, name.lastIndexOf('/')));
    const target = link.startsWith('/') && flag === '2' ? undefined : joinPath(base, link);
    if (target === undefined) members.delete(name);
    else members.set(name, { kind: 'link', target });
  }
  if (members.size > MEMBERS_MAX) throw invalid(offset, `at most ${MEMBERS_MAX} members`, 'more');
}

function readExtension(
  reader: RandomReader,
  flag: string,
  payload: MemberRange,
  extension: Extension,
): void {
  if (flag === 'g') return;
  if (payload.sizeBytes > EXTENSION_MAX_BYTES) {
    const limit = `at most ${EXTENSION_MAX_BYTES} bytes of extension header`;
    throw invalid(payload.offsetBytes, limit, `${payload.sizeBytes}`);
  }
  const bytes = new Uint8Array(payload.sizeBytes);
  reader.read(payload.offsetBytes, bytes);
  if (flag === 'L') extension.path = cString(bytes);
  else if (flag === 'K') extension.linkPath = cString(bytes);
  else readPax(bytes, extension, payload.offsetBytes);
}

/** Records `LENGTH KEY=VALUE\n`. Source: POSIX.1-2017 pax, "pax Extended Header". */
function readPax(bytes: Uint8Array, extension: Extension, offset: number): void {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < whole.length; ) {
    const space = whole.indexOf(0x20, at);
    const digits = space < 0 ? '' : whole.toString('latin1', at, space);
    const length = /^[0-9]{1,7}$/.test(digits) ? Number(digits) : 0;
    const equals = whole.indexOf(0x3d, space);
    const end = at + length;
    if (
      length === 0 ||
      end > whole.length ||
      equals < 0 ||
      equals >= end ||
      whole[end - 1] !== 10
    ) {
      throw invalid(offset + at, 'a PAX record', 'other bytes');
    }
    const key = whole.toString('utf8', space + 1, equals);
    const value = whole.toString('utf8', equals + 1, end - 1);
    if (key === 'path') extension.path = value;
    else if (key === 'linkpath') extension.linkPath = value;
    else if (key === 'size') extension.size = decimal(value, offset + at);
    at = end;
  }
}

function decimal(value: string, offset: number): number {
  const size = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw invalid(offset, 'a size in bytes', `"${value}"`);
  return size;
}

function headerName(header: Uint8Array): string {
  const name = text(header, TAR_FIELDS.name);
  const magic = text(header, TAR_FIELDS.magic);
  // GNU tar (magic `ustar `, then a blank) keeps other things where POSIX has the prefix.
  const isPosix = magic === 'ustar' && header[TAR_FIELDS.magic.offset + 5] === 0;
  const prefix = isPosix ? text(header, TAR_FIELDS.prefix) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Octal digits, or a big-endian number when the first bit is set (GNU base-256). */
function readSize(header: Uint8Array, offset: number): number {
  const { offset: at, length } = TAR_FIELDS.size;
  const field = header.subarray(at, at + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    let value = (field[0] ?? 0) & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw invalid(offset, 'a size in bytes', 'one beyond 2^53');
    return value;
  }
  const digits = text(header, TAR_FIELDS.size).trim();
  if (!/^[0-7]*$/.test(digits)) throw invalid(offset, 'an octal size', `"${digits}"`);
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function verifyChecksum(header: Uint8Array, offset: number): void {
  const { offset: at, length } = TAR_FIELDS.checksum;
  let sum = 0;
  for (let byte = 0; byte < TAR_BLOCK_BYTES; byte += 1) {
    sum += byte >= at && byte < at + length ? 0x20 : (header[byte] ?? 0);
  }
  const stated = Number.parseInt(text(header, TAR_FIELDS.checksum).trim(), 8);
  if (stated !== sum) throw invalid(offset, `header checksum ${sum}`, `${stated}`);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function text(header: Uint8Array, field: { offset: number; length: number }): string {
  return cString(header.subarray(field.offset, field.offset + field.length));
}

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

/** `path` seen from the directory `base`, without `.` and `..`; undefined when it leaves the archive. */
function joinPath(base: string, path: string): string | undefined {
  const parts: string[] = base === '' ? [] : base.split('/');
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}

function invalid(offset: number, expected: string, found: string): FormatError {
  return new FormatError(
    'ARCHIVE_INVALID',
    `Cannot read image archive at ${offset}: expected ${expected}, found ${found}`,
    { offset, what: 'image archive', expected, found },
  );
}
