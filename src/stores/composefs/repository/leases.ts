import type { ByteString } from '#base/bytes';
import {
  type Dir,
  type HostFile,
  hasErrno,
  OPEN,
  randomName,
  readPieces,
  truncate,
  tryFlock,
  writeAt,
} from '#host';
import { LEASES } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';
import { fileNameOf } from '../names/names.ts';

const LEASE_MODE = 0o600;
/** Suffix of the file that holds the digests of objects, beside the file with the names of streams. */
const OBJECTS_SUFFIX = '-objects';
/** Maximum size of a list of streams, in bytes; an image has at most some thousand layers. */
const STREAMS_BYTES_MAX = 16 * 2 ** 20;
/** Number of times that a directory is created again after another process removed it. */
const CREATE_TRIES = 10;
const APPEND = OPEN.readWrite | OPEN.create | OPEN.append | OPEN.noFollow;

/** Receives the entries of leases. */
export interface LeaseVisitor {
  /** Names of streams, which are kept with everything that they reach. */
  streams(names: readonly ByteString[]): void;
  /** Complete digests of objects, concatenated, from the start of a buffer. */
  objects(digests: Uint8Array<ArrayBuffer>): void;
}

/**
 * Leases of running pulls. A pull does not hold the lock of the repository while it waits for a network: its lease lists what it depends on, and
 * a garbage collection keeps that. A lease is a file that its process has locked; an unlocked lease belongs to a process that has ended, and is
 * ignored. Tools without support for leases may remove such objects: a pull verifies that they exist before it publishes.
 */
export class LeaseStore {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /**
   * Creates a lease. The caller holds the shared lock of the repository, so that no collection mistakes the new file for a stale one.
   * @param openDirectory opens `.onecopy/leases`, which is created if it is missing
   * @throws HostError SYSCALL_FAILED, NO_SPACE
   */
  create(openDirectory: () => Dir): Lease {
    for (let attempt = 1; ; attempt += 1) {
      try {
        using directory = openDirectory();
        const lease = createIn(this.#root, directory);
        if (lease !== undefined) return lease;
      } catch (error) {
        // Another process has found the directory empty and removed it.
        if (!hasErrno(error, 'ENOENT') || attempt >= CREATE_TRIES) throw error;
      }
    }
  }

  /** Visits the entries of leases of running processes. @returns the number of leases */
  visit(digestBytes: number, visitor: LeaseVisitor): number {
    let count = 0;
    for (const path of this.#paths()) {
      if (path.endsWith(OBJECTS_SUFFIX)) continue;
      using file = this.#open(path);
      if (file === undefined || !isHeld(file)) continue;
      count += 1;
      visitor.streams(readNames(file));
      using objects = this.#open(`${path}${OBJECTS_SUFFIX}`);
      if (objects !== undefined) readDigests(objects, digestBytes, visitor);
    }
    return count;
  }

  /** Paths of the leases of processes that have ended. */
  findStale(): ByteString[] {
    return this.#paths().filter((path) => {
      using file = this.#open(path.replace(OBJECTS_SUFFIX, ''));
      return file === undefined || !isHeld(file);
    });
  }

  #paths(): ByteString[] {
    return readUnsorted(this.#root, LEASES)
      .filter(({ type }) => type === 'file')
      .map(({ name }) => `${LEASES}/${name}` as ByteString);
  }

  #open(path: string): HostFile | undefined {
    return this.#root.tryOpenFile(path, OPEN.read | OPEN.noFollow | OPEN.nonBlock);
  }
}

/** A lease of this process. Disposing it ends the lease. */
export class Lease implements Disposable {
  readonly #root: Dir;
  readonly #path: string;
  readonly #file: HostFile;
  readonly #objects: HostFile;

  constructor(root: Dir, name: string, file: HostFile, objects: HostFile) {
    this.#root = root;
    this.#path = `${LEASES}/${name}`;
    this.#file = file;
    this.#objects = objects;
  }

  /** The file to which writers in any thread append object digests. */
  get objectsFd(): number {
    return this.#objects.fd;
  }

  /** Keeps a named stream, with everything that it reaches. @throws HostError SYSCALL_FAILED, NO_SPACE */
  keepStream(name: string): void {
    appendTo(this.#file, Buffer.from(`${fileNameOf(name)}\n`, 'latin1'));
  }

  /** Removes all entries, for the next pull. @throws HostError SYSCALL_FAILED */
  clear(): void {
    truncate(this.#file, 0);
    truncate(this.#objects, 0);
  }

  [Symbol.dispose](): void {
    this.#root.unlink(`${this.#path}${OBJECTS_SUFFIX}`);
    this.#root.unlink(this.#path);
    this.#objects[Symbol.dispose]();
    this.#file[Symbol.dispose]();
  }
}

/** Appends in one call: the files are open for appending, where Linux ignores the offset (pwrite(2), BUGS). */
export function appendTo(file: HostFile | number, bytes: Uint8Array): void {
  writeAt(file, bytes, 0);
}

/** Undefined when another process is just testing whether the new file is locked. */
function createIn(root: Dir, directory: Dir): Lease | undefined {
  using owned = new DisposableStack();
  const name = randomName();
  const file = owned.use(directory.openFile(name, APPEND | OPEN.exclusive, LEASE_MODE));
  if (!tryFlock(file, 'exclusive')) {
    directory.unlink(name);
    return undefined;
  }
  const objects = directory.openFile(`${name}${OBJECTS_SUFFIX}`, APPEND, LEASE_MODE);
  owned.move();
  return new Lease(root, name, file, objects);
}

/** A shared lock is refused while the process of the lease holds its exclusive lock. */
function isHeld(file: HostFile): boolean {
  return !tryFlock(file, 'shared');
}

function readNames(file: HostFile): ByteString[] {
  let text = '';
  for (const piece of readPieces(file)) {
    text += Buffer.from(piece).toString('latin1');
    if (text.length > STREAMS_BYTES_MAX) break;
  }
  return text.split('\n').filter((name) => name !== '') as ByteString[];
}

function readDigests(file: HostFile, digestBytes: number, visitor: LeaseVisitor): void {
  let rest = Buffer.alloc(0);
  for (const piece of readPieces(file)) {
    const bytes = Buffer.concat([rest, piece]);
    const whole = bytes.length - (bytes.length % digestBytes);
    visitor.objects(new Uint8Array(bytes.subarray(0, whole)));
    rest = bytes.subarray(whole);
  }
}
