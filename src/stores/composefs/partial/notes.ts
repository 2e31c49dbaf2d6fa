import type { ByteString } from '#base/bytes';
import { quietly } from '#base/errors';
import { type Dir, type HostFile, OPEN, readAll, statFd, truncate, tryFlock, writeAt } from '#host';
import { DIRECTORY_MODE, NOTE_MAX_BYTES, OWN } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';

/** A note may record where a private registry accepts uploads: only its owner may read it. */
const NOTE_MODE = 0o600;
const FLAGS = OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock;

/**
 * Small texts that make a later run cheaper or its report more complete, one file each in a directory of onecopy. Any note may be deleted at any
 * time. A note that cannot be written is skipped: notes never fail a command.
 */
export class NoteStore {
  readonly #root: Dir;
  readonly #folder: string;

  constructor(root: Dir, folder: string) {
    this.#root = root;
    this.#folder = folder;
  }

  /** @returns undefined when the note is missing or cannot be read */
  read(name: string): string | undefined {
    return quietly(() => {
      const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
      using file = this.#root.tryOpenFile(this.#pathOf(name), flags);
      return file === undefined ? undefined : textOf(file);
    });
  }

  /** Writes a note; replaces an existing one. */
  write(name: string, text: string): void {
    using note = this.hold(name);
    note?.write(text);
  }

  /** Opens a note that no other process changes until it is disposed. @returns undefined if another process holds it, or it cannot be written */
  hold(name: string): HeldNote | undefined {
    return quietly(() => {
      this.#root.mkdir(OWN, DIRECTORY_MODE);
      this.#root.mkdir(this.#folder, DIRECTORY_MODE);
      const path = this.#pathOf(name);
      const file = this.#root.openFile(path, FLAGS, NOTE_MODE);
      // The previous holder of the lock may have removed the file of this name.
      const isOurs =
        tryFlock(file, 'exclusive') && this.#root.lstat(path)?.ino === statFd(file).ino;
      if (isOurs) return new HeldNote(this.#root, path, file);
      file[Symbol.dispose]();
      return undefined;
    });
  }

  /**
   * Paths of outdated notes. The caller holds the exclusive lock of the repository to remove them.
   * @param isStale receives the name of a note, and the seconds since its last change
   */
  findStale(isStale: (name: string, ageSec: number) => boolean): ByteString[] {
    const nowSec = Date.now() / 1000;
    return readUnsorted(this.#root, this.#folder).flatMap(({ name }) => {
      const path = `${this.#folder}/${name}` as ByteString;
      const stat = this.#root.lstat(path);
      return stat !== undefined && isStale(name, nowSec - Number(stat.mtimeSec)) ? [path] : [];
    });
  }

  #pathOf(name: string): string {
    return `${this.#folder}/${name}`;
  }
}

/** A note that only this process changes. Disposing it keeps the written text. */
export class HeldNote implements Disposable {
  /** The text when it was opened; empty for a new note. */
  readonly text: string;
  readonly #root: Dir;
  readonly #path: string;
  readonly #file: HostFile;

  constructor(root: Dir, path: string, file: HostFile) {
    this.#root = root;
    this.#path = path;
    this.#file = file;
    this.text = quietly(() => textOf(file)) ?? '';
  }

  write(text: string): void {
    quietly(() => {
      truncate(this.#file, 0);
      writeAt(this.#file, Buffer.from(text), 0);
    });
  }

  remove(): void {
    quietly(() => this.#root.unlink(this.#path));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function textOf(file: HostFile): string | undefined {
  const { type, sizeBytes } = statFd(file);
  if (type !== 'file' || sizeBytes > NOTE_MAX_BYTES) return undefined;
  return readAll(file, NOTE_MAX_BYTES).toString('utf8');
}
