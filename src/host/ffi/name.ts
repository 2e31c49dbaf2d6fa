import { readlinkSync } from 'node:fs';
import { type ByteString, byteStringFromText, displayText } from '#base/bytes';
import { ERRNO, hostError } from './errno.ts';
import { PATH_BYTES_MAX, SLAB, slab } from './ffi.ts';

/** A relative name below a directory: one byte per code unit. Text that is not ASCII must go through `byteStringFromText`. */
export type Name = string | ByteString;

/** An open descriptor: a bare number, or a file or directory with a label for messages. */
export type Descriptor = number | { readonly fd: number; readonly label: string };

/** The descriptor number. */
export function fdOf(file: Descriptor): number {
  return typeof file === 'number' ? file : file.fd;
}

/** Name in messages: of a bare descriptor the path of its file, or of the directory that its file without a name is in. */
export function labelOf(file: Descriptor): string {
  return typeof file === 'number' ? labelOfNumber(file) : file.label;
}

/** What the kernel appends to the path of a file without a name; one that never had a name is called by its inode. */
const WITHOUT_NAME = /(?:\/#\d+)? \(deleted\)$/;

function labelOfNumber(fd: number): string {
  try {
    const path = readlinkSync(procPath(fd), 'latin1') as ByteString;
    if (path.startsWith('/')) return displayText(path.replace(WITHOUT_NAME, '') as ByteString);
  } catch {
    // Not open, or /proc is not mounted.
  }
  return `descriptor ${fd}`;
}

/** `directory/name` for messages only; the bytes are decoded as UTF-8 where that is possible. */
export function displayPath(directory: string, name: Name): string {
  if (name === '.' || name === '') return directory;
  const parent = directory === '/' ? '' : directory;
  return `${parent}/${displayText(name as ByteString)}`;
}

/** The bytes of a path that is given as text. */
export function pathOf(text: string): ByteString {
  return byteStringFromText(text);
}

// Empty, absolute, with a NUL, not one byte per code unit, or climbing out of the directory.
const BAD_NAME = /^$|^\/|[\0\u0100-\uffff]|(?:^|\/)\.\.(?:\/|$)/;
const BAD_BYTES = /[\0\u0100-\uffff]/;

/** Puts a relative name into the slab; returns its address. @throws HostError SYSCALL_FAILED (EINVAL, ENAMETOOLONG) */
export function putName(name: Name, at: number, syscall: string): number {
  if (BAD_NAME.test(name)) throw hostError(ERRNO.EINVAL, syscall, displayText(name as ByteString));
  return putChecked(name, at, syscall);
}

/** Puts any bytes without NUL (an absolute path, a symlink target, an attribute name) into the slab. @throws HostError */
export function putBytes(value: Name, at: number, syscall: string): number {
  if (BAD_BYTES.test(value)) {
    throw hostError(ERRNO.EINVAL, syscall, displayText(value as ByteString));
  }
  return putChecked(value, at, syscall);
}

function putChecked(value: string, at: number, syscall: string): number {
  if (value.length > PATH_BYTES_MAX) {
    throw hostError(ERRNO.ENAMETOOLONG, syscall, displayText(value as ByteString));
  }
  const memory = slab();
  memory.bytes.write(value, at, 'latin1');
  memory.bytes[at + value.length] = 0;
  return memory.address + at;
}

/** The path under which the kernel knows an open descriptor of this process. */
export function procPath(fd: number): ByteString {
  return `/proc/self/fd/${fd}` as ByteString;
}

/** Puts `/proc/self/fd/N`, or `/proc/self/fd/N/name`, into the slab. */
export function putProcPath(fd: number, name: Name | undefined, syscall: string): number {
  if (name === undefined) return putChecked(procPath(fd), SLAB.nameA, syscall);
  if (BAD_NAME.test(name)) throw hostError(ERRNO.EINVAL, syscall, displayText(name as ByteString));
  return putChecked(`/proc/self/fd/${fd}/${name}`, SLAB.nameA, syscall);
}
