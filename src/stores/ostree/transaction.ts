import type { OstreeChecksum } from '#base/digest';
import { HostError, UnsupportedError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  type MetadataKind,
  OBJECT_KINDS,
  ostreeObjectPath,
  type SizedFileHeader,
  verifyMetadata,
} from '#formats/ostree';
import {
  type Dir,
  fchmod,
  fsync,
  fsyncParent,
  type HostFile,
  OPEN,
  randomName,
  readFilesystemState,
  syncfs,
  tryFlock,
  writeAll,
} from '#host';
import type { OstreeConfig } from './config.ts';
import { type StagedMethod, type StageSeed, stagedName } from './file-stage.ts';
import { DIRECTORY_MODE, OBJECT_MODE, STAGING_PREFIX } from './layout.ts';
import type { OstreeRefs, RefSpace } from './refs.ts';
import type { OstreeState } from './state.ts';
import { type FileContent, type WriteMethod, writeFileObject } from './write-file.ts';

/** The target of a transaction. */
export interface TransactionContext {
  readonly root: Dir;
  readonly config: OstreeConfig;
  readonly refs: OstreeRefs;
  readonly state: OstreeState;
  /** The shared lock, which the transaction owns. */
  readonly lock: HostFile | undefined;
}

/** Result of writing an object. */
export type StoreMethod = WriteMethod | 'present';

/** What a transaction did. */
export interface TransactionReport {
  readonly metadataWritten: number;
  readonly filesWritten: number;
  readonly filesReflinked: number;
  readonly objectsPresent: number;
  readonly contentBytes: number;
}

/** Bytes written between two checks of the free space. */
const SPACE_CHECK_BYTES = 64 * 1024 * 1024;

/**
 * Writes to a repository that become visible together: objects are collected in a staging directory below `tmp`, synced once, and renamed
 * into place, children before parents, then refs. Without `commit`, or after a kill, the repository is unchanged; the next transaction
 * removes the leftovers of a killed one.
 */
export class OstreeTransaction implements Disposable {
  readonly #context: TransactionContext;
  readonly #own: Stage;
  /** Of other threads. */
  readonly #stages: Stage[] = [];
  /** Staged names with their destinations; apart from other objects, because they are renamed last. */
  readonly #commits = new Map<string, string>();
  readonly #refs: { name: string; checksum: OstreeChecksum | undefined; space: RefSpace }[] = [];
  readonly #detached = new Map<OstreeChecksum, Uint8Array | undefined>();
  readonly #partial = new Map<OstreeChecksum, boolean>();
  readonly #counts = { metadata: 0, written: 0, reflinked: 0, present: 0, bytes: 0 };
  #sinceSpaceCheck = Number.POSITIVE_INFINITY;
  #isOpen = true;

  /** @throws UnsupportedError OSTREE_MODE_READ_ONLY; HostError */
  constructor(context: TransactionContext) {
    const { mode } = context.config;
    if (mode === 'bare-split-xattrs') {
      throw new UnsupportedError(
        'OSTREE_MODE_READ_ONLY',
        `Cannot write to "${context.root.label}": repositories of mode ${mode} are read-only`,
        { mode },
      );
    }
    this.#context = context;
    context.root.mkdir('tmp', DIRECTORY_MODE);
    using tmp = context.root.openDir('tmp');
    removeAbandoned(tmp);
    this.#own = openStage(context.root);
  }

  get #staging(): Dir {
    return this.#own.dir;
  }

  /**
   * Begins a directory in which another thread stages files, with a `FileStage`. That thread must have ended before this is committed or
   * disposed.
   */
  openStage(): StageSeed {
    const { root, config } = this.#context;
    const stage = openStage(root);
    const { mode, zlibLevel } = config;
    const [stagingFd, rootFd, label] = [stage.dir.fd, root.fd, root.label];
    return { stage: this.#stages.push(stage) - 1, stagingFd, rootFd, label, mode, zlibLevel };
  }

  /** Takes over what a stage was told to store. Returns `present` where this transaction already had the object. */
  addStaged(
    stage: number,
    checksum: OstreeChecksum,
    method: StagedMethod,
    sizeBytes: number,
  ): StoreMethod {
    const name = stagedName(checksum);
    if (method === 'present' || this.#isStaged(name)) return this.#countPresent();
    const path = this.#pathOf('file', checksum);
    this.#stages[stage]?.objects.set(name, path);
    this.#count(method, sizeBytes);
    return method;
  }

  /** @throws HostError NO_SPACE if so many bytes would take the free space that the repository reserves */
  requireSpace(sizeBytes: number): void {
    this.#checkSpace(sizeBytes);
  }

  /** True if the object is in the repository or staged. */
  has(kind: MetadataKind | 'file', checksum: OstreeChecksum): boolean {
    const name = this.#nameOf(kind, checksum);
    return (
      this.#isStaged(name) ||
      this.#commits.has(name) ||
      this.#context.root.lstat(this.#pathOf(kind, checksum)) !== undefined
    );
  }

  /** Stages a commit, dirtree or dirmeta. @throws IntegrityError OSTREE_CHECKSUM_MISMATCH */
  writeMetadata(kind: MetadataKind, checksum: OstreeChecksum, bytes: Uint8Array): StoreMethod {
    verifyMetadata(bytes, checksum, kind);
    if (this.has(kind, checksum)) return this.#countPresent();
    this.#checkSpace(bytes.length);
    const name = this.#nameOf(kind, checksum);
    const flags = OPEN.write | OPEN.create | OPEN.exclusive;
    using file = this.#staging.openFile(name, flags, OBJECT_MODE);
    fchmod(file, OBJECT_MODE);
    writeAll(file, bytes);
    if (this.#context.config.perObjectFsync) fsync(file);
    const place = kind === 'commit' ? this.#commits : this.#own.objects;
    place.set(name, this.#pathOf(kind, checksum));
    this.#counts.metadata++;
    return 'written';
  }

  /**
   * Stages a file object and verifies it while it is written; `isHashed` states that the checksum was computed from this content.
   * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH, OBJECT_SIZE_MISMATCH; UnsupportedError OSTREE_FILE_UNFIT
   */
  async writeFile(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    content: FileContent,
    isHashed = false,
  ): Promise<StoreMethod> {
    if (this.has('file', checksum)) return this.#countPresent();
    this.#checkSpace(header.sizeBytes);
    const { config } = this.#context;
    const name = this.#nameOf('file', checksum);
    const temporary = `${name}.${randomName()}`;
    const method = await writeFileObject({
      staging: this.#staging,
      name: temporary,
      mode: config.mode,
      zlibLevel: config.zlibLevel,
      checksum,
      header,
      content,
      isHashed,
    });
    // Two writers of one object in a transaction are harmless: the second replaces the object by the same bytes.
    this.#staging.rename(temporary, name);
    this.#own.objects.set(name, this.#pathOf('file', checksum));
    this.#count(method, header.sizeBytes);
    return method;
  }

  /** Sets (or, with undefined, deletes) a ref when the transaction commits. */
  setRef(
    name: string,
    checksum: OstreeChecksum | undefined,
    space: RefSpace = { kind: 'heads' },
  ): void {
    this.#refs.push({ name, checksum, space });
  }

  /** Sets (or removes) detached metadata when the transaction commits. */
  setDetached(commit: OstreeChecksum, bytes: Uint8Array | undefined): void {
    this.#detached.set(commit, bytes);
  }

  /** Marks a commit as partial before its objects appear, or as complete afterwards. */
  setPartial(commit: OstreeChecksum, isPartial: boolean): void {
    this.#partial.set(commit, isPartial);
  }

  /**
   * Publishes everything: sync, objects, sync, commits, refs, markers. After the first rename, a cancellation is ignored.
   * @throws the reason of `signal`; HostError
   */
  commit(options: OperationOptions = {}): TransactionReport {
    options.signal?.throwIfAborted();
    const { root, config, refs, state } = this.#context;
    for (const [commit, isPartial] of this.#partial) if (isPartial) state.markPartial(commit);
    this.#sync();
    for (const { dir, objects } of [...this.#stages, this.#own]) this.#publish(dir, objects);
    this.#sync();
    this.#publish(this.#staging, this.#commits);
    if (config.fsync) for (const path of this.#commits.values()) fsyncParent(root, path);
    for (const [commit, bytes] of this.#detached) state.writeDetached(commit, bytes);
    for (const { name, checksum, space } of this.#refs) {
      if (checksum === undefined) refs.delete(name, space);
      else refs.write(name, checksum, space, config.fsync);
    }
    for (const [commit, isPartial] of this.#partial) if (!isPartial) state.clearPartial(commit);
    const { metadata, written, reflinked, present, bytes } = this.#counts;
    this[Symbol.dispose]();
    return {
      metadataWritten: metadata,
      filesWritten: written,
      filesReflinked: reflinked,
      objectsPresent: present,
      contentBytes: bytes,
    };
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { root, lock } = this.#context;
    for (const { dir, name } of [...this.#stages, this.#own]) {
      for (const entry of dir.readEntries()) dir.unlink(entry.name);
      dir[Symbol.dispose]();
      root.rmdir(`tmp/${name}`);
    }
    lock?.[Symbol.dispose]();
  }

  #isStaged(name: string): boolean {
    return this.#own.objects.has(name) || this.#stages.some(({ objects }) => objects.has(name));
  }

  #count(method: WriteMethod, sizeBytes: number): void {
    if (method === 'reflinked') this.#counts.reflinked++;
    else this.#counts.written++;
    this.#counts.bytes += sizeBytes;
  }

  #publish(staging: Dir, objects: ReadonlyMap<string, string>): void {
    const { root } = this.#context;
    const made = new Set<string>();
    for (const [name, path] of objects) {
      const directory = path.slice(0, path.lastIndexOf('/'));
      if (!made.has(directory)) root.mkdir(directory, DIRECTORY_MODE);
      made.add(directory);
      if (!staging.renameNoReplace(name, path, root)) staging.unlink(name);
    }
  }

  #sync(): void {
    if (this.#context.config.fsync) syncfs(this.#staging);
  }

  #nameOf(kind: MetadataKind | 'file', checksum: OstreeChecksum): string {
    return `${checksum}.${OBJECT_KINDS[kind].extension}`;
  }

  #pathOf(kind: MetadataKind | 'file', checksum: OstreeChecksum): string {
    return ostreeObjectPath(checksum, kind, this.#context.config.mode === 'archive');
  }

  #countPresent(): 'present' {
    this.#counts.present++;
    return 'present';
  }

  /** Preserves the free space that the repository requires. @throws HostError NO_SPACE */
  #checkSpace(sizeBytes: number): void {
    this.#sinceSpaceCheck += sizeBytes;
    if (this.#sinceSpaceCheck < SPACE_CHECK_BYTES) return;
    this.#sinceSpaceCheck = 0;
    const { root, config } = this.#context;
    const { totalBytes, availableBytes } = readFilesystemState(root);
    const { minFreeSpace } = config;
    const [keep, setting] =
      'bytes' in minFreeSpace
        ? [minFreeSpace.bytes, `core.min-free-space-size reserves ${minFreeSpace.bytes} bytes`]
        : [
            (totalBytes / 100) * minFreeSpace.percent,
            `core.min-free-space-percent reserves ${minFreeSpace.percent} %`,
          ];
    if (availableBytes - sizeBytes >= keep) return;
    throw new HostError(
      'NO_SPACE',
      `Cannot write to "${root.label}": ${setting} of the filesystem`,
      { errno: 'ENOSPC', syscall: 'fstatfs', target: root.label },
    );
  }
}

/** A directory below `tmp` whose files go to their places when the transaction commits. */
interface Stage {
  readonly name: string;
  readonly dir: Dir;
  /** Staged names with their destinations. */
  readonly objects: Map<string, string>;
}

/** Makes a directory whose lock says that its transaction runs. */
function openStage(root: Dir): Stage {
  using tmp = root.openDir('tmp');
  const name = `${STAGING_PREFIX}${randomName()}`;
  tmp.mkdir(name, 0o700);
  const dir = tmp.openDir(name);
  tryFlock(dir, 'exclusive');
  return { name, dir, objects: new Map() };
}

/** Removes the leftovers of killed transactions; a running transaction holds the lock of its directory. */
function removeAbandoned(tmp: Dir): void {
  for (const { name, type } of tmp.readEntries()) {
    if (type !== 'directory' || !name.startsWith(STAGING_PREFIX)) continue;
    using dir = tmp.tryOpenDir(name);
    if (dir === undefined || !tryFlock(dir, 'exclusive')) continue;
    for (const entry of dir.readEntries()) dir.unlink(entry.name);
    tmp.rmdir(name);
  }
}
