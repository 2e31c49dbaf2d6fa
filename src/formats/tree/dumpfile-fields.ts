import { type ByteString, bytesOf } from '#base/bytes';
import { unescapeField } from './dumpfile-escape.ts';
import type { DialectRules } from './dumpfile-layout.ts';
import {
  C_XATTR_BYTES,
  C_XATTRS_HEADER_BYTES,
  C_XATTRS_LIMIT,
  S_IFMT,
  TYPE_BITS,
  XATTR_LIST_LIMIT,
  XATTR_NAME_LIMIT,
  XATTR_VALUE_LIMIT,
} from './dumpfile-layout.ts';
import type { DumpLine } from './dumpfile-line.ts';
import { NO_XATTRS, PERMISSION_BITS, type Stat } from './model.ts';

/** Reports why a line is refused; never returns. */
export type Fail = (reason: string) => never;

/** File type, from the raw mode bits. */
export type RawKind = keyof typeof TYPE_BITS;

const KIND_OF_BITS = new Map<number, RawKind>(
  Object.entries(TYPE_BITS).map(([kind, bits]) => [bits, kind as RawKind]),
);

/** The decoded fields MODE to MTIME of a line; lines with the same text share one row. */
export interface MetadataRow {
  readonly isHardlink: boolean;
  readonly kind: RawKind;
  readonly nlink: number;
  readonly rdev: number;
  /** Stat without xattrs. */
  readonly bare: Stat;
  /** Stats by the text of the xattr fields, and the last one used. */
  readonly withXattrs: Map<string, Stat>;
  lastText: Uint8Array;
  lastStat: Stat;
}

/** Number of rows found by comparing bytes, without creating and hashing a string. */
const RECENT_ROWS = 32;
/** Longest text of such a row, in bytes. */
const RECENT_BYTES = 128;

/** Most rows and xattr maps kept; bounds memory for dumps in which every line differs. */
const CACHE_LIMIT = 1 << 16;

/**
 * Decodes metadata fields and caches them by their text: in a real system thousands of inodes have the same owner, mode,
 * time and labels, and share one stat.
 */
export class MetadataReader {
  readonly #rules: DialectRules;
  readonly #fail: Fail;
  readonly #recent: ({ readonly bytes: Uint8Array; readonly row: MetadataRow } | undefined)[] = [];
  #rows = new Map<string, MetadataRow>();
  #xattrs = new Map<string, ReadonlyMap<ByteString, Uint8Array>>();

  constructor(rules: DialectRules, fail: Fail) {
    this.#rules = rules;
    this.#fail = fail;
  }

  /** Returns the row of the fields `MODE NLINK UID GID RDEV MTIME` at `[from, end)` of a line (exactly five spaces). */
  row(line: DumpLine, from: number, end: number): MetadataRow {
    const { bytes } = line;
    const length = end - from;
    const slot =
      (length + 3 * (bytes[end - 4] as number) + (bytes[from + 3] as number)) % RECENT_ROWS;
    const recent = this.#recent[slot];
    if (recent?.bytes.length === length && line.startsWith(recent.bytes, from)) return recent.row;
    const row = this.#rowOf(line.text.slice(from, end));
    if (length <= RECENT_BYTES) this.#recent[slot] = { bytes: line.copy(from, end), row };
    return row;
  }

  #rowOf(text: string): MetadataRow {
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    if (this.#rows.size >= CACHE_LIMIT) this.#rows = new Map();
    const row = this.#decode(text);
    this.#rows.set(text, row);
    return row;
  }

  /** Returns the stat of a row with the xattrs of the fields at `[from, end)`, which follow DIGEST. */
  stat(row: MetadataRow, line: DumpLine, from: number, end: number): Stat {
    const { lastText } = row;
    if (lastText.length === end - from && line.startsWith(lastText, from)) return row.lastStat;
    const xattrText = line.text.slice(from, end);
    let stat = row.withXattrs.get(xattrText);
    if (stat === undefined) {
      stat = { ...row.bare, xattrs: this.#decodeXattrs(xattrText) };
      row.withXattrs.set(xattrText, stat);
    }
    if (end - from <= RECENT_BYTES) row.lastText = line.copy(from, end);
    row.lastStat = stat;
    return stat;
  }

  #decode(text: string): MetadataRow {
    const fields = text.split(' ') as [string, string, string, string, string, string];
    const [modeText, nlinkText, uidText, gidText, rdevText, mtimeText] = fields;
    const at = modeText.indexOf('@');
    if (at > 0 && this.#rules.lenient) this.#fail(`invalid mode "${modeText}"`);
    const mode = this.#octal(modeText.slice(at + 1));
    const kind = KIND_OF_BITS.get(mode & S_IFMT);
    if (at >= 0) return this.#hardlinkRow(mode, kind);
    if (kind === undefined) return this.#fail(`unknown file type in mode "${modeText}"`);
    const [mtimeSec, mtimeNsec] = this.#mtime(mtimeText);
    const nlink = this.#u32(nlinkText, 'NLINK');
    const rdev = this.#rdev(rdevText, kind);
    if (kind === 'chr' && rdev === 0 && nlink > 1 && !this.#rules.lenient) {
      this.#fail('a whiteout cannot have more than one name');
    }
    const bare: Stat = {
      mode: mode & PERMISSION_BITS,
      uid: this.#u32(uidText, 'UID'),
      gid: this.#u32(gidText, 'GID'),
      mtimeSec,
      mtimeNsec,
      xattrs: NO_XATTRS,
    };
    return {
      isHardlink: false,
      kind,
      nlink,
      rdev,
      bare,
      withXattrs: new Map(),
      lastText: NO_BYTES,
      lastStat: bare,
    };
  }

  #hardlinkRow(mode: number, kind: RawKind | undefined): MetadataRow {
    if (kind === 'directory') this.#fail('a directory cannot be a hard link');
    if (kind === undefined && this.#rules.lenient) {
      this.#fail(`unknown file type in mode "@${mode.toString(8)}"`);
    }
    return {
      isHardlink: true,
      kind: 'regular',
      nlink: 0,
      rdev: 0,
      bare: HARDLINK_STAT,
      withXattrs: new Map(),
      lastText: NO_BYTES,
      lastStat: HARDLINK_STAT,
    };
  }

  #octal(text: string): number {
    const digits = text.startsWith('+') ? text.slice(1) : text;
    const value = /^[0-7]{1,22}$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
    if (!(value <= 0xffffffff)) this.#fail(`invalid mode "${text}"`);
    return value;
  }

  /** Parses an unsigned decimal below 2^64; C also accepts a minus sign and wraps. */
  #integer(text: string, field: string): bigint {
    const sign = text.charCodeAt(0);
    const signed = sign === 0x2b || (sign === 0x2d && this.#rules.lenient);
    const digits = signed ? text.slice(1) : text;
    if (!/^[0-9]{1,40}$/.test(digits)) this.#fail(`invalid ${field} "${text}"`);
    const value = BigInt(digits);
    if (value >= 1n << 64n) this.#fail(`${field} ${text} is out of range`);
    return sign === 0x2d ? BigInt.asUintN(64, -value) : value;
  }

  #u32(text: string, field: string): number {
    const value = this.#integer(text, field);
    if (this.#rules.lenient) return Number(BigInt.asUintN(32, value));
    if (value >= 1n << 32n) this.#fail(`${field} ${text} is out of range`);
    return Number(value);
  }

  #rdev(text: string, kind: RawKind): number {
    const value = this.#integer(text, 'RDEV');
    const isDevice = kind === 'chr' || kind === 'blk';
    // C wraps RDEV, to another device or even to a whiteout.
    if (isDevice && value >= 1n << 32n) this.#fail(`RDEV ${text} is out of range`);
    if (isDevice) return Number(value);
    if (value !== 0n && !this.#rules.lenient)
      this.#fail(`RDEV ${text} on something that is no device`);
    return 0;
  }

  #mtime(text: string): [bigint, number] {
    const dot = text.indexOf('.');
    if (dot < 0) this.#fail(`expected a dot in MTIME, found "${text}"`);
    const nsec = this.#integer(text.slice(dot + 1), 'MTIME nanoseconds');
    if (nsec >= 1_000_000_000n && !this.#rules.lenient)
      this.#fail(`nanoseconds ${nsec} are out of range`);
    const sec = this.#integer(text.slice(0, dot), 'MTIME');
    return [BigInt.asIntN(64, sec), Number(BigInt.asUintN(32, nsec))];
  }

  #decodeXattrs(text: string): ReadonlyMap<ByteString, Uint8Array> {
    const known = this.#xattrs.get(text);
    if (known !== undefined) return known;
    if (this.#xattrs.size >= CACHE_LIMIT) this.#xattrs = new Map();
    const pairs: [ByteString, ByteString][] = [];
    let nameBytes = 0;
    const fields = text.split(' ');
    if (this.#rules.lenient && fields.at(-1) === '') fields.pop();
    for (const field of fields) {
      const pair = this.#decodeXattr(field);
      nameBytes += pair[0].length;
      pairs.push(pair);
    }
    if (nameBytes > XATTR_LIST_LIMIT) this.#fail(`xattr names take ${nameBytes} bytes`);
    // Of duplicate names, composefs-rs keeps the last by name and value; C keeps the last in the line.
    if (!this.#rules.lenient) pairs.sort((a, b) => (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0));
    const map = new Map(pairs.map(([name, value]) => [name, new Uint8Array(bytesOf(value))]));
    if (this.#rules.lenient) this.#limitXattrs(map);
    this.#xattrs.set(text, map);
    return map;
  }

  #limitXattrs(xattrs: ReadonlyMap<ByteString, Uint8Array>): void {
    let bytes = C_XATTRS_HEADER_BYTES;
    for (const [name, value] of xattrs) bytes += C_XATTR_BYTES + name.length + value.length;
    if (bytes > C_XATTRS_LIMIT) {
      this.#fail(`xattrs of ${bytes} bytes, headers included, are above ${C_XATTRS_LIMIT}`);
    }
  }

  #decodeXattr(field: string): [ByteString, ByteString] {
    const { lenient } = this.#rules;
    const equals = field.indexOf('=');
    if (equals < 0) this.#fail(`expected KEY=VALUE, found "${field.slice(0, 80)}"`);
    let name = unescapeField(field.slice(0, equals), !lenient, this.#fail);
    const value = unescapeField(field.slice(equals + 1), !lenient, this.#fail);
    const nul = name.indexOf('\0');
    if (nul >= 0 && !lenient) this.#fail('an xattr name holds a NUL byte');
    if (nul >= 0) name = name.slice(0, nul) as ByteString;
    if (name.length > XATTR_NAME_LIMIT)
      this.#fail(`xattr name of ${name.length} bytes is too long`);
    if (name === '' && lenient) this.#fail('an xattr name is empty');
    if (value.length > XATTR_VALUE_LIMIT)
      this.#fail(`xattr value of ${value.length} bytes is too long`);
    return [name, value];
  }
}

const NO_BYTES = new Uint8Array(0);
const HARDLINK_STAT: Stat = {
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeSec: 0n,
  mtimeNsec: 0,
  xattrs: NO_XATTRS,
};
