import { posix } from 'node:path';
import { byteStringFromText, bytesOf } from '#base/bytes';
import { NotFoundError } from '#base/errors';
import {
  CONFIG_FILE_MAX_BYTES,
  type ConfigFile,
  configInvalid,
  DROP_INS_MAX,
} from '#formats/containers-config';
import { Dir, type HostFile, hasErrno, readSome } from '#host';

/** Pieces in which configuration files are read, in bytes. */
const PIECE_BYTES = 64 * 1024;

/** The files of the host below one directory, by absolute path. Tests give another root than `/`. */
export class ConfigRoot implements Disposable {
  readonly #root: Dir;
  readonly #cwd: string;

  /** Becomes the owner of `root`. Paths that are not absolute begin at `cwd`. */
  constructor(root: Dir, cwd: string) {
    this.#root = root;
    this.#cwd = cwd;
  }

  /** The root of this host. */
  static open(cwd: string): ConfigRoot {
    return new ConfigRoot(Dir.open('/'), cwd);
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  /** The path as an absolute one, without `.` and `..`. */
  absolute(path: string): string {
    return posix.resolve(this.#cwd, path);
  }

  /** The directory that file names begin at, and the name of a path in it. Names are never empty. */
  locate(path: string): { readonly root: Dir; readonly name: string } {
    const name = byteStringFromText(this.absolute(path).slice(1));
    return { root: this.#root, name: name === '' ? '.' : name };
  }

  /** Bytes of a file; undefined when there is nothing. @throws FormatError CONFIG_INVALID when it is too large; HostError */
  tryReadBytes(path: string, limitBytes: number = CONFIG_FILE_MAX_BYTES): Uint8Array | undefined {
    const { root, name } = this.locate(path);
    using file = root.tryOpenFile(name);
    return file === undefined ? undefined : readBounded(file, path, limitBytes);
  }

  /** A file of text; undefined when there is nothing. @throws FormatError CONFIG_INVALID, also for text that is no UTF-8; HostError */
  tryReadFile(path: string): ConfigFile | undefined {
    const bytes = this.tryReadBytes(path);
    if (bytes === undefined) return undefined;
    const name = this.absolute(path);
    try {
      return {
        name,
        text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
      };
    } catch (cause) {
      throw configInvalid(name, { expected: 'UTF-8', found: 'other bytes', cause });
    }
  }

  /** A file that the user named. @throws NotFoundError CONFIG_NOT_FOUND; as `tryReadFile` */
  readFile(path: string): ConfigFile {
    const file = this.tryReadFile(path);
    if (file !== undefined) return file;
    throw configNotFound(this.absolute(path));
  }

  /** Names in a folder that are no folders; undefined when there is no such folder. @throws FormatError CONFIG_INVALID; HostError */
  tryListNames(path: string): readonly string[] | undefined {
    const { root, name } = this.locate(path);
    let folder: Dir | undefined;
    try {
      folder = root.tryOpenDir(name);
    } catch (error) {
      if (!hasErrno(error, 'ENOTDIR')) throw error;
    }
    if (folder === undefined) return undefined;
    using opened = folder;
    const names = opened
      .readEntries()
      .filter((entry) => opened.stat(entry.name)?.type !== 'directory')
      .map((entry) => bytesOf(entry.name).toString('utf8'));
    if (names.length <= DROP_INS_MAX) return names;
    const expected = `at most ${DROP_INS_MAX} files`;
    throw configInvalid(this.absolute(path), { expected, found: `${names.length}` });
  }

  /** True when there is a folder of this path. */
  hasFolder(path: string): boolean {
    const { root, name } = this.locate(path);
    return root.stat(name)?.type === 'directory';
  }
}

/** The error for a file that the user named and that is not there. */
export function configNotFound(path: string): NotFoundError {
  return new NotFoundError(
    'CONFIG_NOT_FOUND',
    `Cannot read "${path}": expected a configuration file, found nothing`,
    { path },
    { hint: 'Correct the option or the environment variable that names this file' },
  );
}

function readBounded(file: HostFile, path: string, limitBytes: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for (;;) {
    const piece = new Uint8Array(PIECE_BYTES);
    const count = readSome(file, piece);
    if (count === 0) return Buffer.concat(pieces);
    sizeBytes += count;
    if (sizeBytes > limitBytes) {
      const expected = `at most ${limitBytes} bytes`;
      throw configInvalid(path, { expected, found: 'more' });
    }
    pieces.push(piece.subarray(0, count));
  }
}
