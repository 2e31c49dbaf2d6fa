import type { ByteString } from '#base/bytes';
import { byteStringOf } from '#base/bytes';
import { quietly } from '#base/errors';
import { type Dir, OPEN, randomName, readAll, statFd, tryFlock, writeAt } from '#host';
import { DIRECTORY_MODE, EXPORTS, FILE_MODE, OWN } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';
import { isOursAlone, isTrusted } from './ours.ts';

/** Most bytes of a note; a path has fewer. Source: Linux limits.h PATH_MAX. */
const NOTE_BYTES_MAX = 4096;

/** A temporary folder whose export was killed. */
export interface AbandonedExport {
  /** Absolute path. */
  readonly folder: ByteString;
  /** Removes the note. */
  forget(): void;
}

/**
 * Notes of the temporary folders that exports write into, wherever on this host they are, so that those of killed runs can be found. A run
 * holds its note locked (flock). Notes are believed only where nobody but this user and root can have written them.
 */
export class ExportNotes {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** Notes a folder until the result is disposed; undefined where that cannot be written down. */
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

  /** The folders of runs that are no more. */
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
