import type { ByteString } from '#base/bytes';
import { quietly } from '#base/errors';
import { createTmpFile, type Dir, OPEN, readAll } from '#host';
import { DIRECTORY_MODE, OWN } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';

/** Kept content may come from a private registry: only its owner may read it. */
const KEPT_MODE = 0o600;
/** Names of kept files: no paths, no hidden files. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,200}$/;

/** Limits of kept files. */
export interface KeptLimits {
  /** Maximum size of all files together, in bytes; the oldest are removed first. */
  readonly bytesMax: number;
  /** Age at which a file expires, in seconds since it was written. */
  readonly keptSec: number;
}

/**
 * Small files that make later pulls cheaper: one directory below `.onecopy`. Each file may be lost at any time, and none is trusted: the reader
 * verifies its content. A failure to read counts as a missing file; a failure to write is ignored.
 */
export class KeptFiles {
  readonly #root: Dir;
  readonly #path: string;
  readonly #limits: KeptLimits;

  /** `name`: name of the directory below `.onecopy`. */
  constructor(root: Dir, name: string, limits: KeptLimits) {
    this.#root = root;
    this.#path = `${OWN}/${name}`;
    this.#limits = limits;
  }

  /** Content of a file; undefined when it is missing or longer than `bytesMax`. */
  read(name: string, bytesMax: number): Uint8Array | undefined {
    return quietly(() => {
      const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
      using file = this.#root.tryOpenFile(this.#pathOf(name), flags);
      return file === undefined ? undefined : readAll(file, bytesMax);
    });
  }

  /** True when a file of this name exists. */
  has(name: string): boolean {
    return quietly(() => this.#root.lstat(this.#pathOf(name))?.type === 'file') === true;
  }

  /** Seconds since the epoch when a file was written; undefined when it is missing. */
  writtenSec(name: string): number | undefined {
    return quietly(() => {
      const stat = this.#root.lstat(this.#pathOf(name));
      return stat === undefined ? undefined : Number(stat.mtimeSec);
    });
  }

  /** Writes content under a name, and replaces existing content; removes the oldest files beyond the limit. */
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

  /** Removes a file. */
  remove(name: string): void {
    quietly(() => this.#root.unlink(this.#pathOf(name)));
  }

  /** Names of all files, unordered. */
  names(): string[] {
    const found = quietly(() => readUnsorted(this.#root, this.#path)) ?? [];
    return found.filter(({ type, name }) => type === 'file' && NAME.test(name)).map(nameOf);
  }

  /** Paths in the repository of files that have expired or exceed the size limit; the newest files are kept. */
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
