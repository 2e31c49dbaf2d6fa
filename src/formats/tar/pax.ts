import type { ByteString } from '#base/bytes';
import { failTar } from './fault.ts';

/** Prefix of the records that hold xattrs. Source: star; composefs-rs 0.9 reads only this prefix. */
export const PAX_XATTR_PREFIX = 'SCHILY.xattr.';

/** The overrides in the records of one PAX header; keys and text values hold one character a byte. */
export interface PaxOverrides {
  path: ByteString | undefined;
  linkPath: ByteString | undefined;
  sizeBytes: number | undefined;
  uid: bigint | undefined;
  gid: bigint | undefined;
  mtime: PaxTime | undefined;
  xattrs: Map<ByteString, Uint8Array> | undefined;
  /** `GNU.sparse.*` records in order, without the prefix; the oldest form repeats its keys. */
  sparse: [key: string, value: string][] | undefined;
}

/** A time as seconds and nanoseconds that count forward from them. */
export interface PaxTime {
  readonly sec: bigint;
  readonly nsec: number;
}

const SPARSE_PREFIX = 'GNU.sparse.';
const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Longest valid length field: the payload limit has seven digits. */
const LENGTH_DIGITS_MAX = 8;

/**
 * Parses the records `length key=value newline` of a PAX header. An empty value of a known key removes the override.
 * @throws FormatError TAR_PAX_MALFORMED
 */
export function parsePax(payload: Buffer, offset: number): PaxOverrides {
  const overrides: PaxOverrides = {
    path: undefined,
    linkPath: undefined,
    sizeBytes: undefined,
    uid: undefined,
    gid: undefined,
    mtime: undefined,
    xattrs: undefined,
    sparse: undefined,
  };
  forEachPaxRecord(payload, offset, (key, value, at) => apply(overrides, key, value, at));
  return overrides;
}

/**
 * Calls `take` with every record of a PAX payload, in order; the value is a view, the offset counts from the same start as `offset`.
 * @throws FormatError TAR_PAX_MALFORMED
 */
export function forEachPaxRecord(
  payload: Buffer,
  offset: number,
  take: (key: string, value: Buffer, offset: number) => void,
): void {
  const length = lengthWithoutNuls(payload);
  for (let at = 0; at < length; ) {
    const { keyAt, end } = recordAt(payload, at, offset);
    const equals = payload.indexOf(EQUALS, keyAt);
    if (equals < 0 || equals >= end)
      malformed(offset + at, 'expected "=" in the record, found none');
    const key = payload.toString('latin1', keyAt, equals);
    take(key, payload.subarray(equals + 1, end - 1), offset + at);
    at = end;
  }
}

/** Length without trailing NULs: some writers pad the payload with NULs and count them. */
function lengthWithoutNuls(payload: Buffer): number {
  let length = payload.length;
  while (length > 0 && payload[length - 1] === 0) length -= 1;
  return length;
}

function malformed(offset: number, reason: string): never {
  return failTar('TAR_PAX_MALFORMED', 'PAX record', offset, reason);
}

/** Offset of the key of the record, and offset of the record's end, after its newline. */
function recordAt(payload: Buffer, at: number, base: number): { keyAt: number; end: number } {
  let length = 0;
  let digit = at;
  for (; payload[digit] !== SPACE; digit += 1) {
    const value = (payload[digit] ?? 0) - 0x30;
    if (!(value >= 0 && value <= 9) || digit - at >= LENGTH_DIGITS_MAX) {
      malformed(base + at, 'expected a decimal length and a space, found other bytes');
    }
    length = length * 10 + value;
  }
  const end = at + length;
  if (digit === at || end > payload.length || end <= digit + 1) {
    malformed(base + at, `expected a length of at most ${payload.length - at}, found ${length}`);
  }
  if (payload[end - 1] !== NEWLINE) {
    malformed(
      base + at,
      `expected a newline at the end of the record, found byte ${payload[end - 1]}`,
    );
  }
  return { keyAt: digit + 1, end };
}

function apply(overrides: PaxOverrides, key: string, value: Buffer, offset: number): void {
  if (key.startsWith(PAX_XATTR_PREFIX)) {
    overrides.xattrs ??= new Map();
    const name = key.slice(PAX_XATTR_PREFIX.length) as ByteString;
    overrides.xattrs.set(name, new Uint8Array(value));
    return;
  }
  if (key.startsWith(SPARSE_PREFIX)) {
    overrides.sparse ??= [];
    overrides.sparse.push([key.slice(SPARSE_PREFIX.length), value.toString('latin1')]);
    return;
  }
  const text = value.length === 0 ? undefined : (value.toString('latin1') as ByteString);
  if (key === 'path') overrides.path = text;
  else if (key === 'linkpath') overrides.linkPath = text;
  else if (key === 'size') overrides.sizeBytes = text && paxNumber(text, key, offset);
  else if (key === 'uid') overrides.uid = text === undefined ? text : paxId(text, key, offset);
  else if (key === 'gid') overrides.gid = text === undefined ? text : paxId(text, key, offset);
  else if (key === 'mtime') overrides.mtime = text && paxTime(text, offset);
}

/** Parses a decimal size or count. @throws FormatError TAR_PAX_MALFORMED */
export function paxNumber(text: string, key: string, offset: number): number {
  const value = Number(text);
  if (!/^\+?[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    malformed(offset, `expected a decimal number as ${key}, found "${text.slice(0, 40)}"`);
  }
  return value;
}

/** Parses an id of up to 64 bits. */
function paxId(text: string, key: string, offset: number): bigint {
  if (!/^\+?[0-9]{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) {
    malformed(offset, `expected a decimal id as ${key}, found "${text.slice(0, 40)}"`);
  }
  return BigInt(text);
}

/** Parses seconds with an optional sign and fraction; digits past the ninth round towards the past. */
export function paxTime(text: string, offset: number): PaxTime {
  const match = /^([-+]?)([0-9]{1,20})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) malformed(offset, `expected a decimal time, found "${text.slice(0, 40)}"`);
  const negative = match[1] === '-';
  const digits = match[3] ?? '';
  let sec = BigInt(match[2] ?? '0');
  let nsec = Number(digits.slice(0, 9).padEnd(9, '0'));
  if (negative) {
    if (/[1-9]/.test(digits.slice(9))) nsec += 1;
    sec = -sec;
    if (nsec > 0) {
      sec -= 1n;
      nsec = 1_000_000_000 - nsec;
    }
  }
  if (sec >= 2n ** 64n || sec < -(2n ** 63n)) {
    malformed(offset, `expected a 64-bit time, found "${text.slice(0, 40)}"`);
  }
  return { sec: BigInt.asIntN(64, sec), nsec };
}
