import { type ByteString, byteStringFromText } from '#base/bytes';
import { hasErrno } from '../ffi/errno.ts';
import { OPEN } from '../ffi/flags.ts';
import { Dir } from './dir.ts';
import type { HostFile } from './file.ts';

/** A path given as text, split into its directory and its last name. */
export function splitPath(path: string): { readonly parent: string; readonly name: ByteString } {
  const trimmed = path.replace(/\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const parent = slash < 0 ? '.' : trimmed.slice(0, slash + 1);
  return { parent, name: byteStringFromText(trimmed.slice(slash + 1)) };
}

/** Opens a file by a path given as text. @throws HostError SYSCALL_FAILED */
export function openFileAt(path: string, flags: number = OPEN.read, mode = 0o666): HostFile {
  const { parent, name } = splitPath(path);
  using dir = Dir.open(parent);
  return dir.openFile(name, flags, mode);
}

/** Opens a directory by a path given as text; creates it and its parents if they are missing. @throws HostError SYSCALL_FAILED */
export function openOrCreateDir(path: string, mode = 0o777): Dir {
  try {
    return Dir.open(path);
  } catch (error) {
    const { parent, name } = splitPath(path);
    const isNew = hasErrno(error, 'ENOENT') && name !== '' && name !== '.' && name !== '..';
    if (!isNew) throw error;
    using above = openOrCreateDir(parent, mode);
    above.mkdir(name, mode);
    return above.openDir(name);
  }
}
