import type { ByteString } from '#base/bytes';
import type { TarEntry } from './entry.ts';
import { failTar } from './fault.ts';
import { DEVICE_MAJOR_MAX, DEVICE_MINOR_MAX, ID_MAX } from './layout.ts';

/** Matches a path that normalising would change: an empty or `.` component, or a trailing slash. */
const UNTIDY = /\/(?:\.?\/|\.?$)/;

/** Adds a leading slash, drops trailing ones; the root is `/`. Source: composefs-rs 0.9 path handling (oci spec section 3.3). */
export function absolutePath(name: string): ByteString {
  let end = name.length;
  while (end > 0 && name.charCodeAt(end - 1) === 0x2f) end -= 1;
  const path = end === name.length ? name : name.slice(0, end);
  return (path.charCodeAt(0) === 0x2f ? path : `/${path}`) as ByteString;
}

/** Makes a member name absolute and drops empty and `.` components and a trailing slash; `..` is kept and refused later. */
export function normalisePath(name: string): ByteString {
  const path = name.charCodeAt(0) === 0x2f ? name : `/${name}`;
  if (!UNTIDY.test(path)) return path as ByteString;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `/${parts.join('/')}` as ByteString;
}

/**
 * Refuses an entry that cannot become a file: an unknown type, a path or hard link target with `..`, a NUL in a name, or a device
 * number, user id or group id outside the kernel's range.
 * Splitting does not call this, because a tar with such an entry can still be stored; code that builds a tree must call it.
 * @throws FormatError TAR_TYPE_UNKNOWN, TAR_PATH_ESCAPES, TAR_PATH_INVALID, TAR_DEVICE_INVALID, TAR_FIELD_INVALID
 */
export function checkTarEntry(entry: TarEntry): void {
  if (entry.type === 'unknown') {
    const flag = String.fromCharCode(entry.typeFlag);
    const reason = `expected a file, link, device, directory or fifo, found type ${JSON.stringify(flag)}`;
    failTar('TAR_TYPE_UNKNOWN', show(entry.path), entry.offset, reason);
  }
  checkPath(entry.path, entry);
  if (entry.type === 'hardlink') checkPath(entry.linkTarget, entry);
  else if (entry.linkTarget.includes('\0')) invalid(entry.linkTarget, entry);
  const { rdevMajor, rdevMinor, uid, gid } = entry;
  if (uid > ID_MAX || gid > ID_MAX) {
    const reason = `expected a user id and a group id of at most ${ID_MAX}, found ${uid} and ${gid}`;
    failTar('TAR_FIELD_INVALID', show(entry.path), entry.offset, reason);
  }
  if (rdevMajor > DEVICE_MAJOR_MAX || rdevMinor > DEVICE_MINOR_MAX) {
    const reason = `expected a device number of at most ${DEVICE_MAJOR_MAX}:${DEVICE_MINOR_MAX}, found ${rdevMajor}:${rdevMinor}`;
    failTar('TAR_DEVICE_INVALID', show(entry.path), entry.offset, reason);
  }
}

function checkPath(path: ByteString, entry: TarEntry): void {
  if (path.includes('\0')) invalid(path, entry);
  if (path.includes('..') && path.split('/').includes('..')) {
    failTar('TAR_PATH_ESCAPES', show(path), entry.offset, 'expected no ".." component, found one');
  }
}

function invalid(path: ByteString, entry: TarEntry): never {
  return failTar('TAR_PATH_INVALID', show(path), entry.offset, 'expected no NUL, found one');
}

function show(path: string): string {
  return `member ${JSON.stringify(path.slice(0, 200))}`;
}
