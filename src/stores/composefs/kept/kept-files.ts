import type { ByteString } from '#base/bytes';
import { quietly } from '#base/errors';
import { createTmpFile, type Dir, OPEN, readAll } from '#host';
import { DIRECTORY_MODE, OWN } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';

/** What is kept may be of a private registry: it belongs to its owner alone. */
const KEPT_MODE = 0o600;
/** Names of kept files: no path, nothing hidden. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,200}$/;

/** How much is kept, and for how long. */
export interface KeptLimits {
  /** Most bytes of all files together; the oldest go first. */
  readonly bytesMax: number;
  /** How long after it was written a file is kept, in seconds. */
  readonly keptSec: number;
}

/**
 * Small files that save work for later pulls: one directory below `.onecopy`. Each may be lost at any time, and none is trusted: the reader verifies
 * its content. A failure to read counts as a missing file; a failure to write is ignored.
 */
export class KeptFiles {
  readonly #root: Dir;
  readonly #path: string;
  readonly #limits: KeptLimits;

  /** `name`: of the directory below `.onecopy`. */
  constructor(root: Dir, name: string, limits: KeptLimits) {
    this.#root = root;
    this.#path = `${OWN}/${name}`;
    this.#limits = limits;
  }

  /** Content of a file; undefined when there is none, or a longer one. */
  read(name: string, bytesMax: number): Uint8Array | undefined {
    return quietly(() => {
      const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
      using file = this.#root.tryOpenFile(this.#pathOf(name), flags);
      return file === undefined ? undefined : readAll(file, bytesMax);
    });
  }

  /** True when there is a file of this name. */
  has(name: string): boolean {
    return quietly(() => this.#root.lstat(this.#pathOf(name))?.type === 'file') === true;
  }

  /** Seconds since the epoch when a file was written; undefined when there is none. */
  writtenSec(name: string): number | undefined {
    return quietly(() => {
      const stat = this.#root.lstat(this.#pathOf(name));
      return stat === undefined ? undefined : Number(stat.mtimeSec);
    });
  }

  /** Keeps content under a name, in place of what was there; older files beyond the limit go. */
  write(name: string, bytes: Uint8Array): void {
    quietly(() => {
      this.#root.mkdir(OWN, DIRECTORY_MODE);
      this.#root.mkdir(this.#path, DIRECTORY_MODE);
      using directory = this.#root.openDir(this.#path, { noFollow: true });
      using file = createTmpFile(directory, KEPT_MODE);
      file.write(bytes);
      this.#root.unlink(this.#pathOf(name));
      file.publish(directory, name);
      for (const path of this.findStale()) this.#root.unlink(path);
    });
  }

  /** Forgets a file. */
  remove(name: string): void {
    quietly(() => this.#root.unlink(this.#pathOf(name)));
  }

  /** Names of all files, in no order. */
  names(): string[] {
    const found = quietly(() => readUnsorted(this.#root, this.#path)) ?? [];
    return found.filter(({ type, name }) => type === 'file' && NAME.test(name)).map(nameOf);
  }

  /** Paths in the repository of what is too old or too much; what was written last stays longest. */
  findStale(nowSec: number = Date.now() / 1000): ByteString[] {
    const found = readUnsorted(this.#root, this.#path).flatMap(({ name }) => {
      const path = `${this.#path}/${name}` as ByteString;
      const stat = this.#root.lstat(path);
      return stat === undefined ? [] : [{ path, ...stat }];
    });
    found.sort((a, b) => Number(b.mtimeSec - a.mtimeSec));
    let bytes = 0;
    return found
      .filter(({ sizeBytes, mtimeSec }) => {
        bytes += sizeBytes;
        const isOld = nowSec - Number(mtimeSec) > this.#limits.keptSec;
        return isOld || bytes > this.#limits.bytesMax;
      })
      .map(({ path }) => path);
  }

  #pathOf(name: string): string {
    if (!NAME.test(name)) throw new RangeError(`"${name}" is no name of a kept file`);
    return `${this.#path}/${name}`;
  }
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}
