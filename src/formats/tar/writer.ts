import { type ByteString, concatBytes, roundUp } from '#base/bytes';
import { FormatError } from '#base/errors';
import type { Source } from '#base/flow';
import type { TarEntryType, TarSparse } from './entry.ts';
import { EXTENSION_BYTES_MAX, FIELD, TAR_BLOCK_BYTES, TYPE_FLAG, USTAR_MAGIC } from './layout.ts';
import { PAX_XATTR_PREFIX } from './pax.ts';

/** A member to be written; every TarEntry of a known type fits. */
export interface TarMember {
  readonly type: TarEntryType;
  /** Written without its leading slash; `/` is written as `./`, directories with a trailing slash. */
  readonly path: ByteString;
  /** Hard link: path of the other name, written like `path`. Symlink: the target, written unchanged. */
  readonly linkTarget?: ByteString;
  /** Size of the payload in bytes (for a sparse member the data alone); default 0. */
  readonly sizeBytes?: number;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeSec?: bigint;
  readonly mtimeNsec?: number;
  readonly rdevMajor?: number;
  readonly rdevMinor?: number;
  readonly xattrs?: ReadonlyMap<ByteString, Uint8Array>;
  readonly sparse?: TarSparse | undefined;
}

/** A member with the bytes that follow its header. */
export interface TarMemberSource {
  readonly member: TarMember;
  /** Exactly `member.sizeBytes` bytes; optional when the size is 0. */
  readonly content?: Source;
}

const FLAG_OF_TYPE = {
  file: TYPE_FLAG.regular,
  hardlink: TYPE_FLAG.hardlink,
  symlink: TYPE_FLAG.symlink,
  chr: TYPE_FLAG.chr,
  blk: TYPE_FLAG.blk,
  directory: TYPE_FLAG.directory,
  fifo: TYPE_FLAG.fifo,
} as const;

/** One PAX record without its length; one character a byte. */
type PaxRecord = readonly [key: string, value: string];

/** The two zero blocks that end a tar. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK_BYTES);

/** Returns the zeros that follow a payload of this size. */
export function encodeTarPadding(sizeBytes: number): Uint8Array {
  return TAR_END.subarray(0, roundUp(sizeBytes, TAR_BLOCK_BYTES) - sizeBytes);
}

/**
 * Encodes everything before a member's data: a PAX header for what a ustar header cannot hold (long names, large ids and sizes,
 * nanoseconds, times before 1970, xattrs), the ustar header, and the map of a sparse member in PAX form 1.0.
 * Deterministic: the same member produces the same bytes. Source: POSIX.1-2017 pax; GNU tar manual, "Storing Sparse Files".
 * @throws FormatError TAR_NOT_ENCODABLE
 */
export function encodeTarHeader(member: TarMember): Uint8Array {
  const flag = FLAG_OF_TYPE[member.type === 'unknown' ? refuse('unknown type') : member.type];
  const path = memberPath(member);
  const map = member.sparse === undefined ? new Uint8Array(0) : encodeSparseMap(member.sparse);
  const sizeBytes = map.length + (member.sizeBytes ?? 0);
  const target = linkText(member);
  const records: PaxRecord[] = [];
  const header = new HeaderWriter(flag, records);
  const name = member.sparse === undefined ? path : sparseName(path, member.sparse, records);
  header.name(name);
  header.text('linkName', target, 'linkpath');
  header.number('mode', member.mode % 0o10000);
  header.numberOrRecord('uid', member.uid ?? 0);
  header.numberOrRecord('gid', member.gid ?? 0);
  header.numberOrRecord('size', sizeBytes);
  header.time(member.mtimeSec ?? 0n, member.mtimeNsec ?? 0);
  header.number('deviceMajor', member.rdevMajor ?? 0);
  header.number('deviceMinor', member.rdevMinor ?? 0);
  addXattrs(records, member.xattrs);
  return concatBytes([...encodePax(path, records), header.finish(), map]);
}

/**
 * Writes a whole tar, end included.
 * @throws FormatError TAR_NOT_ENCODABLE, TAR_SIZE_MISMATCH when content is longer or shorter than its member says
 */
export async function* writeTar(
  members: AsyncIterable<TarMemberSource> | Iterable<TarMemberSource>,
): AsyncGenerator<Uint8Array> {
  for await (const { member, content } of members) {
    yield encodeTarHeader(member);
    const expected = member.sizeBytes ?? 0;
    let found = 0;
    for await (const piece of content ?? []) {
      found += piece.length;
      if (found > expected) break;
      yield piece;
    }
    if (found !== expected) {
      throw new FormatError(
        'TAR_SIZE_MISMATCH',
        `Cannot write tar member ${JSON.stringify(member.path)}: expected ${expected} bytes, found ${found}`,
        { offset: 0, what: member.path, expected, found },
      );
    }
    yield encodeTarPadding(expected);
  }
  yield TAR_END;
}

function refuse(reason: string): never {
  throw new FormatError('TAR_NOT_ENCODABLE', `Cannot write tar member: ${reason}`, {
    offset: 0,
    what: 'tar member',
    reason,
  });
}

function memberPath(member: TarMember): string {
  const path = relative(member.path);
  return member.type === 'directory' && !path.endsWith('/') ? `${path}/` : path;
}

function relative(path: string): string {
  if (path === '' || path.includes('\0')) refuse(`expected a path, found ${JSON.stringify(path)}`);
  const stripped = path.replace(/^\/+/, '');
  return stripped === '' ? './' : stripped;
}

function linkText(member: TarMember): string {
  const target = member.linkTarget ?? '';
  if (member.type === 'hardlink') return relative(target);
  if (member.type !== 'symlink') return '';
  if (target === '' || target.includes('\0'))
    refuse(`expected a link target, found ${JSON.stringify(target)}`);
  return target;
}

/** Fills one ustar header and collects PAX records for values that do not fit. */
class HeaderWriter {
  readonly #block = Buffer.alloc(TAR_BLOCK_BYTES);
  readonly #records: PaxRecord[];

  constructor(flag: number, records: PaxRecord[]) {
    this.#records = records;
    this.#block[FIELD.typeFlag[0]] = flag;
    this.#block.write(USTAR_MAGIC, FIELD.magic[0], 'latin1');
  }

  /** Writes the path to `name`, to `prefix` and `name`, or to a record. */
  name(path: string): void {
    const [, nameBytes] = FIELD.name;
    if (path.length <= nameBytes) {
      this.#put('name', path);
      return;
    }
    // The slash between the two fields: as far right as the prefix allows, but not the trailing slash.
    const slash = path.lastIndexOf('/', Math.min(FIELD.prefix[1], path.length - 2));
    if (slash > 0 && path.length - slash - 1 <= nameBytes) {
      this.#put('prefix', path.slice(0, slash));
      this.#put('name', path.slice(slash + 1));
    } else this.text('name', path, 'path');
  }

  /** Writes a text to its field, or to a record with a truncated copy in the field. */
  text(field: 'name' | 'linkName', text: string, key: string): void {
    const [, length] = FIELD[field];
    if (text.length > length) this.#records.push([key, text]);
    this.#put(field, text.slice(0, length));
  }

  numberOrRecord(field: 'uid' | 'gid' | 'size', value: number): void {
    const fits = value < 8 ** (FIELD[field][1] - 1);
    if (!fits) this.#records.push([field, String(value)]);
    this.#octal(field, fits ? value : 0);
  }

  /** Writes a number in octal, or in base-256 when octal does not fit. */
  number(field: 'mode' | 'deviceMajor' | 'deviceMinor', value: number): void {
    const [start, length] = FIELD[field];
    if (value < 8 ** (length - 1)) this.#octal(field, value);
    else this.#block.writeBigUInt64BE(BigInt(value) + 2n ** 63n, start);
  }

  time(sec: bigint, nsec: number): void {
    const fits = sec >= 0n && sec < 8n ** 11n;
    if (!fits || nsec > 0) this.#records.push(['mtime', paxTimeText(sec, nsec)]);
    this.#octal('mtime', fits ? Number(sec) : 0);
  }

  finish(): Uint8Array {
    const [start, length] = FIELD.checksum;
    this.#block.fill(0x20, start, start + length);
    let sum = 0;
    for (const byte of this.#block) sum += byte;
    this.#block.write(`${sum.toString(8).padStart(6, '0')}\0 `, start, 'latin1');
    return this.#block;
  }

  #octal(field: keyof typeof FIELD, value: number): void {
    const [, length] = FIELD[field];
    this.#put(field, `${value.toString(8).padStart(length - 1, '0')}\0`);
  }

  #put(field: keyof typeof FIELD, text: string): void {
    this.#block.write(text, FIELD[field][0], 'latin1');
  }
}

/** Formats seconds as a decimal; a time before 1970 has a minus sign and a fraction that counts away from zero. */
function paxTimeText(sec: bigint, nsec: number): string {
  const negative = sec < 0n;
  const whole = negative && nsec > 0 ? sec + 1n : sec;
  const fraction = negative && nsec > 0 ? 1_000_000_000 - nsec : nsec;
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  const text = `${negative ? '-' : ''}${whole < 0n ? -whole : whole}`;
  return digits === '' ? text : `${text}.${digits}`;
}

function addXattrs(records: PaxRecord[], xattrs: TarMember['xattrs']): void {
  const names = [...(xattrs?.keys() ?? [])].sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) {
    if (name.includes('='))
      refuse(`expected an xattr name without "=", found ${JSON.stringify(name)}`);
    const value = xattrs?.get(name) ?? new Uint8Array(0);
    records.push([PAX_XATTR_PREFIX + name, Buffer.from(value).toString('latin1')]);
  }
}

/** Encodes the map as decimal lines, padded to whole blocks. A trailing hole needs an empty run, or GNU tar drops it. */
function encodeSparseMap({ map, realSizeBytes }: TarSparse): Uint8Array {
  const last = map.at(-1) ?? { offset: 0, sizeBytes: 0 };
  const endsInHole = last.offset + last.sizeBytes < realSizeBytes;
  const runs = endsInHole ? [...map, { offset: realSizeBytes, sizeBytes: 0 }] : map;
  const numbers = runs.flatMap(({ offset, sizeBytes }) => [offset, sizeBytes]);
  const text = [runs.length, ...numbers].map((value) => `${value}\n`).join('');
  const bytes = Buffer.alloc(roundUp(text.length, TAR_BLOCK_BYTES));
  bytes.write(text, 'latin1');
  return bytes;
}

function sparseName(path: string, sparse: TarSparse, records: PaxRecord[]): string {
  records.push(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.name', path]);
  records.push(['GNU.sparse.realsize', String(sparse.realSizeBytes)]);
  return `GNUSparseFile.0/${path}`;
}

/** Encodes a PAX header and its payload; empty when there are no records. */
function encodePax(path: string, records: readonly PaxRecord[]): Uint8Array[] {
  if (records.length === 0) return [];
  // Names that are not UTF-8 are written unchanged; POSIX requires a record that declares this.
  const isBinary = records.some(([key, value]) => isName(key) && !isUtf8(value));
  const all = isBinary ? [['hdrcharset', 'BINARY'] as const, ...records] : records;
  const payload = Buffer.from(all.map(encodeRecord).join(''), 'latin1');
  if (payload.length > EXTENSION_BYTES_MAX) {
    refuse(`expected at most ${EXTENSION_BYTES_MAX} bytes of PAX records, found ${payload.length}`);
  }
  const header = new HeaderWriter(TYPE_FLAG.pax, []);
  const base = path.replace(/\/$/, '').split('/').at(-1) ?? '';
  header.text('name', `PaxHeaders/${base}`.slice(0, FIELD.name[1]), 'path');
  header.number('mode', 0o644);
  header.numberOrRecord('uid', 0);
  header.numberOrRecord('gid', 0);
  header.numberOrRecord('size', payload.length);
  header.time(0n, 0);
  return [header.finish(), payload, encodeTarPadding(payload.length)];
}

/** True when the bytes of a latin1 text are UTF-8: decoding and encoding again returns the same bytes. */
function isUtf8(text: string): boolean {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes);
}

function isName(key: string): boolean {
  return key === 'path' || key === 'linkpath' || key === 'GNU.sparse.name';
}

/** Encodes `length key=value newline`; the length includes its own digits. */
function encodeRecord([key, value]: PaxRecord): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length)
    length = String(length).length + rest.length;
  return `${length}${rest}`;
}
