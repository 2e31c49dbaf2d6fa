import { posix } from 'node:path';
import { byteStringFromText } from '#base/bytes';
import { CONFIG_FILE_MAX_BYTES } from '#formats/containers-config';
import { type Dir, flock, fsync, OPEN, randomName, readAll, unlockFlock, writeAll } from '#host';
import type { ConfigRoot } from './config-root.ts';

/**
 * Replaces a file that only its owner may read. `change` gets the text that is there, and gives the new one; undefined changes nothing. The new
 * text is written beside it with mode 0600, flushed, and renamed, under a lock on the folder, so that two changes at once are both there
 * afterwards. A missing folder is made with mode 0700.
 * @throws what `change` throws; HostError SYSCALL_FAILED, NO_SPACE
 */
export function replacePrivateFile(
  root: ConfigRoot,
  path: string,
  change: (text: string | undefined) => string | undefined,
): void {
  const absolute = root.absolute(path);
  using folder = ensureFolder(root, posix.dirname(absolute));
  const name = byteStringFromText(posix.basename(absolute));
  flock(folder, 'exclusive');
  try {
    const text = change(readText(folder, name));
    if (text !== undefined) replace(folder, name, text);
  } finally {
    unlockFlock(folder);
  }
}

function readText(folder: Dir, name: string): string | undefined {
  using file = folder.tryOpenFile(name);
  return file === undefined ? undefined : readAll(file, CONFIG_FILE_MAX_BYTES).toString('utf8');
}

function replace(folder: Dir, name: string, text: string): void {
  const temporary = `.${name}-${randomName()}`;
  try {
    using file = folder.openFile(temporary, OPEN.write | OPEN.create | OPEN.exclusive, 0o600);
    writeAll(file, Buffer.from(text, 'utf8'));
    fsync(file);
    folder.rename(temporary, name);
  } catch (error) {
    folder.unlink(temporary);
    throw error;
  }
  fsync(folder);
}

function ensureFolder(root: ConfigRoot, path: string): Dir {
  const { root: directory, name } = root.locate(path);
  const parts = name.split('/');
  for (let count = 1; count <= parts.length; count += 1) {
    directory.mkdir(parts.slice(0, count).join('/'), 0o700);
  }
  return directory.openDir(name);
}
