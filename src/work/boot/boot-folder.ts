import { FormatError } from '#base/errors';
import { type Dir, openOrCreateDir, pathOf } from '#host';

/** Where a file lies until it is complete. */
const TEMPORARY_NAME = '.onecopy-boot';

/** A boot partition that files are written into. A file appears under its name when all its bytes are there. */
export class BootFolder implements Disposable {
  readonly #root: Dir;

  private constructor(root: Dir) {
    this.#root = root;
  }

  /** Opens a directory; creates it and its parents if they are missing. @throws HostError SYSCALL_FAILED */
  static open(path: string): BootFolder {
    return new BootFolder(openOrCreateDir(path));
  }

  /** Writes a file, making the directories on its way and replacing what has its name. @throws HostError SYSCALL_FAILED, NO_SPACE */
  write(path: string, bytes: Uint8Array): void {
    const names = namesOf(path);
    const name = names.pop() as string;
    using directory = this.#make(names);
    directory.unlink(TEMPORARY_NAME);
    using file = directory.tmpfile();
    file.write(bytes);
    file.publish(directory, TEMPORARY_NAME);
    directory.rename(TEMPORARY_NAME, pathOf(name));
  }

  /** Makes directories that are missing. */
  makeDirectories(path: string): void {
    this.#make(namesOf(path))[Symbol.dispose]();
  }

  #make(names: readonly string[]): Dir {
    let at = this.#root.openDir('.');
    for (const name of names) {
      at.mkdir(pathOf(name));
      const below = at.openDir(pathOf(name), { noFollow: true });
      at[Symbol.dispose]();
      at = below;
    }
    return at;
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }
}

/** The names of a path, which may not lead out. @throws FormatError BOOT_FILE_INVALID */
function namesOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length > 0 && !names.includes('..')) return names;
  throw new FormatError('BOOT_FILE_INVALID', `Cannot write "${path}" into the boot directory`, {
    offset: 0,
    what: path,
  });
}
