import { IntegrityError, NotFoundError, UnsupportedError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { formatAlgorithmId, type VerityAlgorithm } from '#formats/fsverity';
import { type Dir, hasErrno, readFilesystemState, syncfs } from '#host';
import { KeptFiles } from '../kept/kept-files.ts';
import {
  ACCEPTED,
  CHOSEN_FROM,
  DIRECTORY_MODE,
  HOST_KEPT_SEC,
  HOSTS_BYTES_MAX,
  KEPT,
  KEPT_BYTES_MAX,
  KEPT_SEC,
  LEASES,
  META_NAME,
  ORIGINS,
  OWN,
  UPLOADS,
} from '../layout.ts';
import { ExportNotes } from '../marks/exports.ts';
import { SuspectStore } from '../marks/suspects.ts';
import { ImageStore } from '../names/images.ts';
import { RefStore } from '../names/refs.ts';
import { StreamStore } from '../names/streams.ts';
import { TagStore } from '../names/tags.ts';
import { ObjectStore } from '../objects/objects.ts';
import { NoteStore } from '../partial/notes.ts';
import { PartialStore } from '../partial/partials.ts';
import type { VerityPolicy } from './context.ts';
import { HeldLock } from './held-lock.ts';
import { type Lease, LeaseStore } from './leases.ts';
import type { LockOptions } from './lock.ts';
import {
  type ErofsFormats,
  type ErofsVersion,
  effectiveFormats,
  type RepositoryMeta,
  versionsOf,
} from './meta.ts';

/** Number of times that a directory of onecopy is created again after another process removed it. */
const OWN_TRIES = 10;

/** Work under a lease instead of the lock. */
export interface Leased {
  /** Acquires the lease. Must be called before anything is stored. @throws HostError SYSCALL_FAILED, NO_SPACE */
  begin(): Promise<void>;
  /** Keeps a named stream, with everything that it reaches. @throws HostError SYSCALL_FAILED, NO_SPACE */
  keep(stream: string): void;
  /** Runs a section under the shared lock; waits while another process collects garbage. @throws the reason of the signal */
  locked<T>(section: () => Promise<T>): Promise<T>;
}

/** The results of `openRepository`. The repository becomes the owner of `root` and its lock. */
export interface RepositoryParts {
  readonly root: Dir;
  readonly meta: RepositoryMeta;
  /** Unknown features that allow only reading. */
  readonly unknownReadOnly: readonly string[];
  readonly insecure: boolean;
  readonly verity: VerityPolicy;
  /** EROFS formats that override those of the repository until it is closed. */
  readonly formats: ErofsFormats | undefined;
  /** True if a missing meta.json has just been written. */
  readonly upgraded: boolean;
  /** True when meta.json is missing. */
  readonly isInferred: boolean;
}

/**
 * An open repository, locked shared until it is disposed. Not for use by several threads: a worker creates an `ObjectWriter` from
 * `objects.writerSeed()`.
 */
export class Repository implements Disposable {
  /** @internal */
  readonly root: Dir;
  /** @internal */
  readonly meta: RepositoryMeta;
  /** Hash of the object ids. */
  readonly algorithm: VerityAlgorithm;
  /** True when the repository does not require fs-verity. */
  readonly insecure: boolean;
  /** @internal */
  readonly verity: VerityPolicy;
  /** EROFS formats in which images are built. */
  readonly formats: ErofsFormats;
  /** True when a missing meta.json has just been written. */
  readonly upgraded: boolean;
  /** @internal */
  readonly objects: ObjectStore;
  /** @internal */
  readonly streams: StreamStore;
  /** @internal */
  readonly images: ImageStore;
  /** @internal */
  readonly refs: RefStore;
  /** @internal */
  readonly tags: TagStore;
  /** @internal */
  readonly suspects: SuspectStore;
  /** @internal */
  readonly partials: PartialStore;
  /** @internal Small files that save work for later pulls, by kind: TOCs and tar-splits, indexes of contents, the behaviour of hosts. */
  readonly kept: Readonly<Record<keyof typeof KEPT, KeptFiles>>;
  /** @internal Uploads that were started. */
  readonly uploads: NoteStore;
  /** @internal Records of what accepted images, by manifest. */
  readonly accepted: NoteStore;
  /** @internal Image indexes that images were chosen from, by manifest. */
  readonly chosenFrom: NoteStore;
  /** @internal Repositories of registries that images came from, by manifest. */
  readonly origins: NoteStore;
  /** @internal Temporary folders of exports. */
  readonly exports: ExportNotes;
  /** @internal Leases of running pulls. */
  readonly leases: LeaseStore;
  readonly #unknownReadOnly: readonly string[];
  readonly #isInferred: boolean;
  readonly #lock: HeldLock;
  #lease: Lease | undefined;
  #isWritable = false;
  #isOpen = true;

  /** @internal */
  constructor(parts: RepositoryParts) {
    this.root = parts.root;
    this.meta = parts.meta;
    this.algorithm = parts.meta.algorithm;
    this.insecure = parts.insecure;
    this.verity = parts.verity;
    this.formats = parts.formats ?? effectiveFormats(parts.meta);
    this.upgraded = parts.upgraded;
    this.#unknownReadOnly = parts.unknownReadOnly;
    this.#isInferred = parts.isInferred;
    this.#lock = new HeldLock(this.root);
    this.leases = new LeaseStore(this.root);
    this.suspects = new SuspectStore(this.root);
    this.partials = new PartialStore(this.root);
    const limits = { bytesMax: KEPT_BYTES_MAX, keptSec: KEPT_SEC };
    this.kept = {
      tocs: new KeptFiles(this.root, KEPT.tocs, limits),
      contents: new KeptFiles(this.root, KEPT.contents, limits),
      hosts: new KeptFiles(this.root, KEPT.hosts, {
        bytesMax: HOSTS_BYTES_MAX,
        keptSec: HOST_KEPT_SEC,
      }),
    };
    this.uploads = new NoteStore(this.root, UPLOADS);
    this.accepted = new NoteStore(this.root, ACCEPTED);
    this.chosenFrom = new NoteStore(this.root, CHOSEN_FROM);
    this.origins = new NoteStore(this.root, ORIGINS);
    this.exports = new ExportNotes(this.root);
    this.objects = new ObjectStore(this);
    this.refs = new RefStore(this);
    this.streams = new StreamStore(this, this.objects);
    this.images = new ImageStore(this, this.objects, this.refs);
    this.tags = new TagStore(this.refs);
  }

  /** EROFS versions in which images are built: the default first, then the others in ascending order. */
  get versions(): readonly ErofsVersion[] {
    return versionsOf(this.formats);
  }

  /**
   * Throws unless the repository is writable; checked once per opening.
   * @throws UnsupportedError REPO_READ_ONLY; NotFoundError REPO_METADATA_MISSING; BusyError REPO_LOCKED if the lock was lost to a garbage
   * collection
   */
  ensureWritable(): void {
    this.#lock.ensure();
    if (this.#isWritable) return;
    if (this.#isInferred) throw missingMeta(this);
    const reason = whyReadOnly(this.root, this.#unknownReadOnly);
    if (reason !== undefined) {
      throw new UnsupportedError(
        'REPO_READ_ONLY',
        `Cannot change repository "${this.root.label}": ${reason}`,
        { reason },
      );
    }
    this.#isWritable = true;
  }

  /**
   * @internal Opens a directory of onecopy in the repository, and creates it if it is missing. Every file there may be deleted at any time,
   * and other tools ignore them.
   */
  openOwn(name: string): Dir {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.root.mkdir(OWN, DIRECTORY_MODE);
        this.root.mkdir(`${OWN}/${name}`, DIRECTORY_MODE);
        return this.root.openDir(`${OWN}/${name}`, { noFollow: true });
      } catch (error) {
        // Another process has found the directory empty and removed it.
        if (!hasErrno(error, 'ENOENT') || attempt === OWN_TRIES) throw error;
      }
    }
  }

  /** @internal Free bytes of the filesystem for a user without privileges, and its block size. @throws HostError SYSCALL_FAILED */
  readSpace(): { readonly availableBytes: number; readonly blockBytes: number } {
    const { availableBytes, blockBytes } = readFilesystemState(this.root);
    return { availableBytes, blockBytes };
  }

  /** @internal Removes a directory of onecopy if it is empty, and then an empty `.onecopy`, so that other tools list the repository as theirs. */
  tidyOwn(name: string): void {
    if (this.root.rmdirEmpty(`${OWN}/${name}`)) this.root.rmdirEmpty(OWN);
  }

  /** Syncs the filesystem of the repository. @throws HostError SYSCALL_FAILED, NO_SPACE */
  sync(): void {
    syncfs(this.root);
  }

  /**
   * @internal Runs `work` while no other process has the repository open. After a failure, the repository may be unlocked: then it must not
   * be read, and a write takes the lock again.
   * @throws BusyError REPO_LOCKED after `timeoutMs`; what `work` throws
   */
  exclusively<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
    return this.#lock.exclusively(options, work);
  }

  /**
   * @internal Runs work that waits for a network without holding the lock, so that other processes may collect garbage meanwhile. Collections of
   * onecopy keep what a lease lists: every object that is stored or reused, and the streams that `keep` names. Other tools may remove objects. So
   * what is read or named must be verified and named in a section of `locked`.
   * @throws UnsupportedError REPO_READ_ONLY; what `work` throws
   */
  async leased<T>(options: OperationOptions, work: (leased: Leased) => Promise<T>): Promise<T> {
    this.ensureWritable();
    const locked: Leased['locked'] = (section) => this.#lock.section(options, section);
    this.#lock.leave();
    try {
      return await work({
        locked,
        begin: () => locked(async () => this.#beginLease()),
        keep: (stream) => this.#lease?.keepStream(stream),
      });
    } finally {
      await this.#lock.comeBack(options);
      if (!this.#lock.isAbsent) this.#lease?.clear();
    }
  }

  /** @internal Runs work under the shared lock, also during absences of other work of this process. @throws what `work` throws */
  async holding<T>(options: OperationOptions, work: () => Promise<T>): Promise<T> {
    return await this.#lock.section(options, work);
  }

  /** One lease serves all work of this repository until it is closed, because threads may still append to its file. */
  #beginLease(): void {
    if (this.#lease !== undefined) return;
    this.#lease = this.leases.create(() => this.openOwn(baseOf(LEASES)));
    this.objects.setLease(this.#lease.objectsFd);
  }

  #endLease(): void {
    if (this.#lease === undefined) return;
    this.#lease[Symbol.dispose]();
    this.tidyOwn(baseOf(LEASES));
  }

  /** Releases the lock and closes everything; calling it twice is harmless. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.objects[Symbol.dispose]();
      this.#endLease();
      this.#lock[Symbol.dispose]();
    } finally {
      this.root[Symbol.dispose]();
    }
  }
}

/** The name of a directory of onecopy, without `.onecopy`. */
function baseOf(path: string): string {
  return path.slice(OWN.length + 1);
}

/** @throws IntegrityError VERITY_NOT_ENABLED if the repository was created without fs-verity */
export function requireVerity(root: Dir, isProtected: boolean): void {
  if (isProtected) return;
  throw new IntegrityError(
    'VERITY_NOT_ENABLED',
    `Cannot open repository "${root.label}": fs-verity is required, but the repository was created without it`,
    { what: root.label },
    { hint: 'Create a new repository on a filesystem with fs-verity (ext4 or btrfs)' },
  );
}

function missingMeta({ root, algorithm, versions }: Repository): NotFoundError {
  const found = `${formatAlgorithmId(algorithm)} and EROFS version ${versions.join(', ')}`;
  return new NotFoundError(
    'REPO_METADATA_MISSING',
    `Cannot change repository "${root.label}": expected a ${META_NAME}, found none; its objects use ${found}`,
    { path: root.label },
    {
      hint: `Write a new ${META_NAME} that matches the objects with: onecopy --repo ${root.label} init`,
    },
  );
}

function whyReadOnly(root: Dir, unknown: readonly string[]): string | undefined {
  if (unknown.length > 0) {
    return `this version can only read repositories with the features ${JSON.stringify(unknown)}`;
  }
  if (readFilesystemState(root).readOnly) return 'its filesystem is mounted read-only';
  return root.isWritable() ? undefined : 'its directory is not writable for this user';
}
