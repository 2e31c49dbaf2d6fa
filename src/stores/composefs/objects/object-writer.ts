import type { ObjectId } from '#base/digest';
import { IntegrityError } from '#base/errors';
import { objectIdBytes, objectPath, type VerityAlgorithm } from '#formats/fsverity';
import {
  Dir,
  hasErrno,
  hostError,
  linkUnnamed,
  type PublishOutcome,
  probeVerity,
  randomName,
  statFd,
  type TmpFile,
} from '#host';
import { DIRECTORY_MODE, STAGING_PREFIX } from '../layout.ts';
import type { VerityPolicy } from '../repository/context.ts';
import { appendTo } from '../repository/leases.ts';
import { Nursery } from './nursery.ts';
import { hashFile, protect } from './verity.ts';

/** Linux asm-generic/errno-base.h. */
const EEXIST = 17;

/** After this number of consecutive new small objects, the next one is assumed to be new, too: writing it performs the same check. */
const NEW_IN_ROW_BEFORE_GUESSING = 64;
/** Objects up to this size are written without a check, in bytes: a wrong guess costs little. */
const GUESSED_BYTES_MAX = 64 << 10;

/** Result of publishing: the object is new, or it already existed. */
export type PublishMethod = 'stored' | 'present';

/** An object by its id, and how it was stored. */
export interface Published {
  readonly id: ObjectId;
  readonly method: PublishMethod;
}

/** Plain data from which a worker thread creates its own writer. Descriptors are valid in all threads of a process. */
export interface ObjectWriterSeed {
  readonly objectsFd: number;
  readonly label: string;
  readonly algorithm: VerityAlgorithm;
  readonly verity: VerityPolicy;
  /** Objects whose content is verified before an existing object is reused. */
  readonly distrusted: Distrusted;
  /** The file of a lease, to which the digest of each object is appended before the object is stored or reused. */
  readonly leaseFd?: number | undefined;
}

/** Objects that are not trusted by their name and size. */
export type Distrusted = 'all' | ReadonlySet<ObjectId>;

/** Counters of a writer. */
export interface WriterCounts {
  stored: number;
  storedBytes: number;
  present: number;
  presentBytes: number;
  /** Existing objects with a wrong size (after a crash) or other content, which were replaced. */
  replaced: number;
}

/**
 * Starts a writer in any thread of the process whose repository made the seed. It takes no lock: the repository must stay open as long as
 * the writer is used.
 */
export function openObjectWriter(seed: ObjectWriterSeed): ObjectWriter {
  return new ObjectWriter(seed);
}

/**
 * Writes objects. Content is written to an unnamed file, which is then linked as `ab/cdef…`. So no reader sees an incomplete object, and
 * two writers of one object are harmless. Nothing is synced; the publisher of a name calls syncfs first. Every call blocks and is complete
 * when it returns.
 */
export class ObjectWriter {
  readonly counts: WriterCounts = {
    stored: 0,
    storedBytes: 0,
    present: 0,
    presentBytes: 0,
    replaced: 0,
  };
  readonly #objects: Dir;
  readonly #nursery: Nursery;
  readonly #algorithm: VerityAlgorithm;
  readonly #verity: VerityPolicy;
  readonly #distrusted: Distrusted;
  readonly #leaseFd: number | undefined;
  /** Fan-out directories known to exist, by their number. */
  readonly #fanOut = new Uint8Array(256);
  #newInRow = 0;

  constructor(seed: ObjectWriterSeed) {
    // The descriptor belongs to the repository, so this handle is never disposed.
    this.#objects = new Dir(seed.objectsFd, seed.label);
    this.#nursery = new Nursery(this.#objects);
    this.#algorithm = seed.algorithm;
    this.#verity = seed.verity;
    this.#distrusted = seed.distrusted;
    this.#leaseFd = seed.leaseFd;
  }

  /**
   * Keeps an object, which need not exist yet, from garbage collections of onecopy until the lease ends. Without a lease, the lock of the
   * repository does that.
   * @throws HostError SYSCALL_FAILED, NO_SPACE
   */
  keep(id: ObjectId): void {
    if (this.#leaseFd !== undefined) appendTo(this.#leaseFd, objectIdBytes(id));
  }

  /** Keeps many objects, as `keep`. @throws as `keep` */
  keepAll(ids: Iterable<ObjectId>): void {
    if (this.#leaseFd === undefined) return;
    const bytes = Buffer.from([...ids].join(''), 'hex');
    if (bytes.length > 0) appendTo(this.#leaseFd, bytes);
  }

  /**
   * True if an existing object can be reused: it has this size, the correct digest from the kernel (with fs-verity), and the correct
   * content (if it is suspect).
   */
  has(id: ObjectId, sizeBytes: number): boolean {
    const stat = this.#objects.stat(objectPath(id));
    if (stat === undefined || stat.type !== 'file' || stat.sizeBytes !== sizeBytes) return false;
    const isDistrusted = this.#distrusted === 'all' || this.#distrusted.has(id);
    return (this.#verity === 'off' && !isDistrusted) || this.#isContentRight(id, isDistrusted);
  }

  #isContentRight(id: ObjectId, isDistrusted: boolean): boolean {
    using file = this.#objects.tryOpenFile(objectPath(id));
    if (file === undefined) return false;
    const measured = probeVerity(file.fd, this.#algorithm);
    if (typeof measured !== 'string') return measured.id === id;
    if (this.#verity === 'require') return false;
    try {
      return !isDistrusted || hashFile(file, this.#algorithm) === id;
    } catch (error) {
      // A block that the disk cannot read.
      if (!hasErrno(error, 'EIO')) throw error;
      return false;
    }
  }

  /**
   * Publishes bytes under their id, which the caller has computed from exactly these bytes.
   * @throws HostError SYSCALL_FAILED, NO_SPACE; IntegrityError OBJECT_DIGEST_MISMATCH if fs-verity measures another id
   */
  publishBytes(id: ObjectId, bytes: Uint8Array): PublishMethod {
    const method = this.#publishUnlessPresent(id, bytes);
    this.#newInRow = method === 'stored' ? this.#newInRow + 1 : 0;
    return method;
  }

  #publishUnlessPresent(id: ObjectId, bytes: Uint8Array): PublishMethod {
    this.keep(id);
    const isGuessedNew =
      this.#newInRow >= NEW_IN_ROW_BEFORE_GUESSING && bytes.length <= GUESSED_BYTES_MAX;
    if (!isGuessedNew && this.has(id, bytes.length)) return this.#countPresent(bytes.length);
    using file = this.#nursery.tmpfile();
    if (bytes.length > 0) file.write(bytes);
    return this.#publishNew(file, id, bytes.length);
  }

  /** Starts a large object: write pieces, then publish. Disposing it without publishing leaves nothing behind. */
  stage(): StagedObject {
    return new StagedObject(this.#nursery.tmpfile(), this);
  }

  /**
   * Publishes a staged file: enables fs-verity if the repository requires it, verifies or computes its id, and links it. Used by
   * `StagedObject.publish`.
   */
  publishFile(file: TmpFile, expected: ObjectId | undefined): Published {
    const sizeBytes = statFd(file).sizeBytes;
    if (expected !== undefined) this.keep(expected);
    if (expected !== undefined && this.has(expected, sizeBytes)) {
      return { id: expected, method: this.#countPresent(sizeBytes) };
    }
    if (expected !== undefined) {
      return { id: expected, method: this.#publishNew(file, expected, sizeBytes) };
    }
    const measured = protect(file, this.#objects, this.#algorithm, this.#verity);
    const id = measured ?? hashFile(file, this.#algorithm);
    this.keep(id);
    return { id, method: this.#link(file, id, sizeBytes) };
  }

  /** Replaces a damaged object by a staged file. Used by `StagedObject.replace`. */
  replaceFile(file: TmpFile, id: ObjectId): Published {
    const { sizeBytes } = statFd(file);
    const measured = protect(file, this.#objects, this.#algorithm, this.#verity);
    if (measured !== undefined && measured !== id) throw digestMismatch(id, measured);
    this.keep(id);
    this.#ensureFanOut(id);
    this.#replace(id, (name) => file.publish(this.#objects, name));
    return { id, method: this.#countStored(sizeBytes) };
  }

  /** Creates a hard link to a file elsewhere on the same filesystem; see the import by hard link. */
  linkFile(fd: number, id: ObjectId, sizeBytes: number): PublishMethod {
    this.keep(id);
    if (this.has(id, sizeBytes)) return this.#countPresent(sizeBytes);
    this.#ensureFanOut(id);
    if (linkUnnamed(fd, this.#objects, objectPath(id)) === 'published') {
      return this.#countStored(sizeBytes);
    }
    return this.#settle(id, sizeBytes, (name) => linkUnnamed(fd, this.#objects, name));
  }

  #publishNew(file: TmpFile, id: ObjectId, sizeBytes: number): PublishMethod {
    const measured = protect(file, this.#objects, this.#algorithm, this.#verity);
    if (measured !== undefined && measured !== id) throw digestMismatch(id, measured);
    return this.#link(file, id, sizeBytes);
  }

  #link(file: TmpFile, id: ObjectId, sizeBytes: number): PublishMethod {
    this.#ensureFanOut(id);
    if (file.publish(this.#objects, objectPath(id)) === 'published') {
      return this.#countStored(sizeBytes);
    }
    return this.#settle(id, sizeBytes, (name) => file.publish(this.#objects, name));
  }

  #ensureFanOut(id: ObjectId): void {
    const number = Number.parseInt(id.slice(0, 2), 16);
    if (this.#fanOut[number] === 1) return;
    this.#objects.mkdir(id.slice(0, 2), DIRECTORY_MODE);
    this.#fanOut[number] = 1;
  }

  /**
   * The name existed at the time of linking. Either another writer has just created it, or it is a file of the wrong size, which a power
   * loss can leave behind because objects are not synced individually. A file of the wrong size is replaced: its content cannot match its
   * name.
   */
  #settle(
    id: ObjectId,
    sizeBytes: number,
    linkAs: (name: string) => PublishOutcome,
  ): PublishMethod {
    if (this.has(id, sizeBytes)) return this.#countPresent(sizeBytes);
    this.#replace(id, linkAs);
    return this.#countStored(sizeBytes);
  }

  #replace(id: ObjectId, linkAs: (name: string) => PublishOutcome): void {
    const temporary = `${STAGING_PREFIX}${randomName()}`;
    if (linkAs(temporary) !== 'published') throw hostError(EEXIST, 'linkat', temporary);
    try {
      this.#objects.rename(temporary, objectPath(id));
    } catch (error) {
      this.#objects.unlink(temporary);
      throw error;
    }
    this.counts.replaced += 1;
  }

  #countStored(sizeBytes: number): PublishMethod {
    this.counts.stored += 1;
    this.counts.storedBytes += sizeBytes;
    return 'stored';
  }

  #countPresent(sizeBytes: number): PublishMethod {
    this.counts.present += 1;
    this.counts.presentBytes += sizeBytes;
    return 'present';
  }
}

/** An object that is being written, invisible until `publish`. */
export class StagedObject implements Disposable {
  readonly #file: TmpFile;
  readonly #writer: ObjectWriter;

  constructor(file: TmpFile, writer: ObjectWriter) {
    this.#file = file;
    this.#writer = writer;
  }

  /** Open for reading and writing until `publish`. */
  get fd(): number {
    return this.#file.fd;
  }

  /** Size so far, in bytes. @throws HostError SYSCALL_FAILED */
  get sizeBytes(): number {
    return statFd(this.#file).sizeBytes;
  }

  /** Appends bytes. @throws HostError SYSCALL_FAILED, NO_SPACE */
  write(bytes: Uint8Array): void {
    this.#file.write(bytes);
  }

  /**
   * Publishes the object. `id`, if given, was computed by the caller from the same bytes; otherwise the kernel measures the file, or it is
   * read again.
   * @throws HostError SYSCALL_FAILED, NO_SPACE; IntegrityError OBJECT_DIGEST_MISMATCH
   */
  publish(id?: ObjectId): Published {
    return this.#writer.publishFile(this.#file, id);
  }

  /** As `publish`, but replaces a damaged object. Used by repair and by writers that find damage. */
  replace(id: ObjectId): Published {
    return this.#writer.replaceFile(this.#file, id);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** The error for content with an unexpected id. */
export function digestMismatch(expected: ObjectId, found: ObjectId): IntegrityError {
  return new IntegrityError(
    'OBJECT_DIGEST_MISMATCH',
    `Cannot accept object ${expected}: its content has the digest ${found}`,
    { expected, found },
    {
      hint: 'Run `onecopy fsck` to list the images that use damaged objects, then pull those again',
    },
  );
}
