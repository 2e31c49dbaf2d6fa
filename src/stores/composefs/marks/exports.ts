import type { ByteString } from '#base/bytes';
import { byteStringOf } from '#base/bytes';
import { quietly } from '#base/errors';
import { type Dir, OPEN, randomName, readAll, statFd, tryFlock, writeAt } from '#host';
import { DIRECTORY_MODE, EXPORTS, FILE_MODE, OWN } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';
import { isOursAlone, isTrusted } from './ours.ts';

/** Maximum size of a note, in bytes; a path is shorter. Source: Linux limits.h PATH_MAX. */
const NOTE_BYTES_MAX = 4096;

/** A temporary folder of an export that was killed. */
export interface AbandonedExport {
  /** Absolute path. */
  readonly folder: ByteString;
  /** Removes the note. */
  forget(): void;
}

/**
 * Notes of the temporary folders of exports, anywhere on this host, so that folders of killed runs can be found. A run holds the lock of its note
 * (flock). Notes are trusted only if no user except this user and root can have written them.
 */
export class ExportNotes {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** Records a folder until the result is disposed; undefined if the note cannot be written. */
  add(folder: ByteString): Disposable | undefined {
    return quietly(() => {
      if (!this.#root.isWritable()) return undefined;
      this.#root.mkdir(OWN, DIRECTORY_MODE);
      this.#root.mkdir(EXPORTS, DIRECTORY_MODE);
      if (!isOursAlone(this.#root, [OWN, EXPORTS])) return undefined;
      const path = `${EXPORTS}/${randomName()}`;
      const flags = OPEN.readWrite | OPEN.create | OPEN.exclusive | OPEN.noFollow;
      const note = this.#root.openFile(path, flags, FILE_MODE);
      tryFlock(note, 'exclusive');
      writeAt(note, Buffer.from(folder, 'latin1'), 0);
      return {
        [Symbol.dispose]: () => {
          quietly(() => this.#root.unlink(path));
          note[Symbol.dispose]();
        },
      };
    });
  }

  /** The folders of runs that have ended. */
  listAbandoned(): AbandonedExport[] {
    const found = quietly(() =>
      isOursAlone(this.#root, [OWN, EXPORTS])
        ? readUnsorted(this.#root, EXPORTS).flatMap(({ name }) => this.#read(name) ?? [])
        : [],
    );
    return found ?? [];
  }

  #read(name: ByteString): AbandonedExport | undefined {
    return quietly(() => {
      const path = `${EXPORTS}/${name}`;
      const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
      using note = this.#root.tryOpenFile(path, flags);
      if (note === undefined || !isTrusted(statFd(note)) || !tryFlock(note, 'shared')) {
        return undefined;
      }
      const folder = byteStringOf(readAll(note, NOTE_BYTES_MAX));
      return { folder, forget: () => void quietly(() => this.#root.unlink(path)) };
    });
  }
}
