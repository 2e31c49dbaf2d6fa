import type { ObjectId } from '#base/digest';
import { FormatError, isOnecopyError } from '#base/errors';
import type { RandomReader } from '#base/flow';
import { ALGORITHMS, objectPath, parseObjectPath } from '#formats/fsverity';
import {
  type Descriptor,
  type Dir,
  type HostFile,
  hashContent,
  probeVerity,
  readAll,
  readAt,
  statFd,
} from '#host';
import { FAN_OUT, OBJECTS } from '../layout.ts';
import { readSorted, repositoryPath } from '../names/links.ts';
import type { StoreContext } from '../repository/context.ts';
import { type Imported, type ImportMode, importFile } from './import.ts';
import { ObjectBatch } from './object-batch.ts';
import {
  missingObject,
  ObjectReader,
  type ObjectReaderSeed,
  withoutVerity,
} from './object-reader.ts';
import { type ObjectSample, sampleObjects } from './object-sample.ts';
import {
  type Distrusted,
  digestMismatch,
  ObjectWriter,
  type ObjectWriterSeed,
  type Published,
  type StagedObject,
} from './object-writer.ts';
import { findPresent } from './presence.ts';
import { hashFile } from './verity.ts';

/** How an object is verified when it is opened. */
export type VerifyMode =
  /** By fs-verity; an insecure repository accepts a file without fs-verity. Costs one ioctl. */
  | 'kernel'
  /** By fs-verity; if the kernel has no digest, by hashing the content. */
  | 'content';

/** How to open an object. */
export interface OpenObjectOptions {
  /** Default `kernel`. */
  readonly verify?: VerifyMode | undefined;
}

/**
 * The objects of an open repository: immutable files named by their fs-verity digest.
 */
export class ObjectStore {
  readonly #context: StoreContext;
  #dir: Dir | undefined;
  #writer: ObjectWriter | undefined;
  #distrustsAll = false;
  /** False once the filesystem has answered that it does not support fs-verity. */
  #canMeasure = true;
  #leaseFd: number | undefined;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** True if the object exists and has the size, if one is given. */
  has(id: ObjectId, sizeBytes?: number): boolean {
    const found = this.sizeOf(id);
    return found !== undefined && (sizeBytes === undefined || found === sizeBytes);
  }

  /**
   * `has` for many objects, 1 or 0 for each. The digests are concatenated from the start of a buffer.
   * @throws HostError SYSCALL_FAILED
   */
  findPresent(digests: Uint8Array<ArrayBuffer>): Uint8Array {
    const { root, algorithm } = this.#context;
    return findPresent(root, digests, ALGORITHMS[algorithm].digestBytes, (id) => this.has(id));
  }

  /** About how much the objects are. @throws HostError SYSCALL_FAILED */
  sample(): ObjectSample {
    return sampleObjects(this.#context.root);
  }

  /** Size in bytes; undefined if the object does not exist. */
  sizeOf(id: ObjectId): number | undefined {
    return this.#context.root.fileSizeOf(repositoryPath(id));
  }

  /**
   * Stores bytes and returns their id. An existing object is compared (by fs-verity, otherwise byte by byte), and replaced if it differs,
   * because its content does not match its name.
   * @throws UnsupportedError REPO_READ_ONLY, FSVERITY_UNSUPPORTED; HostError SYSCALL_FAILED, NO_SPACE
   */
  ensureBytes(bytes: Uint8Array): Published {
    const id = hashContent(bytes, this.#context.algorithm);
    const writer = this.writer();
    if (this.has(id, bytes.length) && this.#differs(id)) {
      using staged = writer.stage();
      staged.write(bytes);
      staged.replace(id);
      return { id, method: 'stored' };
    }
    return { id, method: writer.publishBytes(id, bytes) };
  }

  /**
   * As `ensureBytes`, of a staged object.
   * @param id computed by the caller from the bytes of the staged object
   */
  ensureStaged(staged: StagedObject, id: ObjectId): Published {
    return this.has(id, staged.sizeBytes) && this.#differs(id)
      ? staged.replace(id)
      : staged.publish(id);
  }

  /** Starts an object whose content arrives in pieces. Disposing it without publishing leaves nothing behind. */
  stage(): StagedObject {
    return this.writer().stage();
  }

  /**
   * Stores the content of an open file, and shares its extents or its inode if the mode and the filesystem allow it.
   * @throws IntegrityError OBJECT_SIZE_MISMATCH when the file does not have `sizeBytes` bytes
   * @throws UnsupportedError IMPORT_WOULD_COPY if the mode forbids the only possible way
   */
  importFile(file: Descriptor, sizeBytes: number, mode: ImportMode = 'auto'): Imported {
    const { algorithm, verity } = this.#context;
    return importFile(file, { sizeBytes, mode, algorithm, verity, writer: this.writer() });
  }

  /**
   * Opens an object; the caller disposes it.
   * @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH, VERITY_NOT_ENABLED
   */
  open(id: ObjectId, options: OpenObjectOptions = {}): OpenObject {
    const object = this.#openAny(id);
    try {
      this.#verify(object, id, options.verify ?? 'kernel');
      return object;
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * The complete content, always verified against the id.
   * @throws FormatError OBJECT_TOO_LARGE above `limitBytes`; as `open`
   */
  read(id: ObjectId, limitBytes: number): Uint8Array {
    using object = this.#openAny(id);
    if (object.sizeBytes > limitBytes) {
      throw new FormatError(
        'OBJECT_TOO_LARGE',
        `Cannot read object ${id}: expected at most ${limitBytes} bytes, found ${object.sizeBytes}`,
        { offset: limitBytes, what: 'object', expected: limitBytes, found: object.sizeBytes },
      );
    }
    const isMeasured = this.#verify(object, id, 'kernel');
    const bytes = readAll(object, limitBytes);
    if (isMeasured) return bytes;
    const found = hashContent(bytes, this.#context.algorithm);
    if (found !== id) throw digestMismatch(id, found);
    return bytes;
  }

  /** Reads many small objects together, verified by their content; the caller disposes it. */
  batch(): ObjectBatch {
    return new ObjectBatch(this.#context);
  }

  /** A reader for many objects in sequence. The caller disposes it, and the repository must stay open. */
  reader(): ObjectReader {
    return new ObjectReader(this.#context, (id) => this.open(id)[Symbol.dispose]());
  }

  /** The seed for a reader in a worker; the repository must stay open. */
  readerSeed(): ObjectReaderSeed {
    const { root, algorithm, insecure } = this.#context;
    return { rootFd: root.fd, label: root.label, algorithm, insecure };
  }

  /** Content without any verification, for tools that examine damage. @throws NotFoundError OBJECT_NOT_FOUND */
  openUnverified(id: ObjectId): OpenObject {
    return this.#openAny(id);
  }

  /** Every well-named object with its size, in order of ids. */
  *list(): Generator<{ readonly id: ObjectId; readonly sizeBytes: number }> {
    const { root, algorithm } = this.#context;
    for (const fanOut of FAN_OUT) {
      for (const entry of readSorted(root, `${OBJECTS}/${fanOut}`)) {
        const id = objectIdIn(fanOut, entry.name, algorithm);
        const sizeBytes = id === undefined ? undefined : this.sizeOf(id);
        if (id !== undefined && sizeBytes !== undefined) yield { id, sizeBytes };
      }
    }
  }

  /** From now on, the content of every existing object is verified before it is reused. */
  distrustAll(): void {
    this.#distrustsAll = true;
    this.#writer = undefined;
  }

  /** From now on, writers append what they store and reuse to this file of a lease; undefined: to none. */
  setLease(objectsFd: number | undefined): void {
    this.#leaseFd = objectsFd;
    this.#writer = undefined;
  }

  /** The objects whose content must be verified before they are reused: those that checks have marked, or all. */
  distrusted(): Distrusted {
    if (this.#distrustsAll) return 'all';
    const suspects = this.#context.suspects.read();
    return suspects === 'all' ? 'all' : suspects.ids;
  }

  /** The seed for the writer of a worker; the repository must stay open. @throws UnsupportedError REPO_READ_ONLY */
  writerSeed(): ObjectWriterSeed {
    const dir = this.#ensureDir();
    const { algorithm, verity } = this.#context;
    const distrusted = this.distrusted();
    const leaseFd = this.#leaseFd;
    return { objectsFd: dir.fd, label: dir.label, algorithm, verity, distrusted, leaseFd };
  }

  /** The writer of this thread. @throws UnsupportedError REPO_READ_ONLY */
  writer(): ObjectWriter {
    this.#writer ??= new ObjectWriter(this.writerSeed());
    return this.#writer;
  }

  /** Closes open descriptors; called by the repository. */
  [Symbol.dispose](): void {
    this.#dir?.[Symbol.dispose]();
    this.#dir = undefined;
    this.#writer = undefined;
  }

  #ensureDir(): Dir {
    this.#context.ensureWritable();
    if (this.#dir === undefined) {
      this.#context.root.mkdir(OBJECTS);
      this.#dir = this.#context.root.openDir(OBJECTS);
    }
    return this.#dir;
  }

  #openAny(id: ObjectId): OpenObject {
    const file = this.#context.root.tryOpenFile(repositoryPath(id));
    if (file === undefined) throw missingObject(id);
    return new OpenObject(file);
  }

  /** True when the kernel has confirmed the id. */
  #verify(object: OpenObject, id: ObjectId, mode: VerifyMode): boolean {
    const { algorithm, insecure } = this.#context;
    const probed = this.#canMeasure ? probeVerity(object, algorithm) : 'unsupported';
    // The objects of a repository lie on one filesystem.
    if (insecure && probed === 'unsupported') this.#canMeasure = false;
    const measured = typeof probed === 'string' ? undefined : probed.id;
    if (measured === undefined && !insecure) throw withoutVerity(id);
    const found = measured ?? (mode === 'content' ? hashFile(object, algorithm) : id);
    if (found !== id) throw digestMismatch(id, found);
    return measured !== undefined;
  }

  #differs(id: ObjectId): boolean {
    try {
      this.open(id, { verify: 'content' })[Symbol.dispose]();
      return false;
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'integrity') throw error;
      return true;
    }
  }
}

/** An open object. */
export class OpenObject implements Disposable, RandomReader {
  readonly #file: HostFile;
  #sizeBytes: number | undefined;

  constructor(file: HostFile) {
    this.#file = file;
  }

  /** Size in bytes. Read at first use: sharing the extents of an object does not need it. */
  get sizeBytes(): number {
    this.#sizeBytes ??= statFd(this.#file).sizeBytes;
    return this.#sizeBytes;
  }

  /** Open for reading, as long as this is not disposed. */
  get fd(): number {
    return this.#file.fd;
  }

  /** Its path in messages. */
  get label(): string {
    return this.#file.label;
  }

  /** Fills `into` from `offset`; returns the bytes read, 0 at the end. @throws HostError SYSCALL_FAILED */
  read(offset: number, into: Uint8Array): number {
    return readAt(this.#file, into, offset);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** The id of a file in a fan-out directory; undefined if its name is not the name of an object. */
export function objectIdIn(
  fanOut: string,
  name: string,
  algorithm: StoreContext['algorithm'],
): ObjectId | undefined {
  try {
    const id = parseObjectPath(`${fanOut}/${name}`, algorithm);
    return objectPath(id) === `${fanOut}/${name}` ? id : undefined;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
