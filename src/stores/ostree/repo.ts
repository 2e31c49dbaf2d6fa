import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { ConflictError, isOnecopyError, NotFoundError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  encodeKeyFile,
  METADATA_MAX_BYTES,
  type MetadataKind,
  OBJECT_KINDS,
  type ObjectKind,
  ostreeObjectPath,
  requireRefName,
  verifyMetadata,
} from '#formats/ostree';
import {
  Dir,
  fsync,
  fsyncParent,
  type HostFile,
  hasErrno,
  OPEN,
  randomName,
  readAll,
  readAt,
  statFd,
  writeAll,
} from '#host';
import {
  type OstreeConfig,
  type OstreeMode,
  type OstreeRemoteConfig,
  parseConfig,
  parseRemotes,
} from './config.ts';
import { withBoolean } from './config-edit.ts';
import { type OstreeFile, openFileObject } from './file-object.ts';
import { CONFIG, DIRECTORIES, DIRECTORY_MODE, OBJECT_MODE, PARENTS_MAX } from './layout.ts';
import { lockRepository } from './lock.ts';
import { OstreeRefs } from './refs.ts';
import { readRegular } from './regular.ts';
import { OstreeState } from './state.ts';
import { OstreeTransaction } from './transaction.ts';

/** Largest `config`, in bytes. */
const CONFIG_MAX_BYTES = 1024 * 1024;

/** An archive object shorter than this is read without asking for its size, in bytes. */
const SMALL_FILEZ_BYTES = 128 * 1024;

/** One object found by walking `objects/`. */
export interface OstreeObjectEntry {
  readonly kind: ObjectKind;
  readonly checksum: OstreeChecksum;
}

/** Settings of a new repository. */
export interface InitOptions {
  readonly mode: OstreeMode;
  readonly collectionId?: string;
}

/** An OSTree repository on a disk. */
export class OstreeRepo implements Disposable {
  readonly root: Dir;
  readonly config: OstreeConfig;
  readonly refs: OstreeRefs;
  readonly state: OstreeState;
  readonly #parent: OstreeRepo | undefined;
  #isOpen = true;
  #scratch: Buffer | undefined;

  constructor(root: Dir, config: OstreeConfig, parent: OstreeRepo | undefined) {
    this.root = root;
    this.config = config;
    this.refs = new OstreeRefs(root);
    this.state = new OstreeState(root);
    this.#parent = parent;
  }

  get mode(): OstreeMode {
    return this.config.mode;
  }

  /** Remotes of the `config`, in file order. */
  get remotes(): OstreeRemoteConfig[] {
    return parseRemotes(this.config.file);
  }

  /** True if the object is in this repository (not in its parent). */
  has(kind: ObjectKind, checksum: OstreeChecksum): boolean {
    return this.root.lstat(this.#pathOf(kind, checksum)) !== undefined;
  }

  /**
   * Reads and verifies a commit, dirtree or dirmeta; undefined if neither this repository nor its parents have it.
   * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH; FormatError OSTREE_METADATA_TOO_LARGE, OSTREE_FILE_TYPE_INVALID
   */
  readMetadata(kind: MetadataKind, checksum: OstreeChecksum): Uint8Array | undefined {
    const bytes = readRegular(this.root, this.#pathOf(kind, checksum), METADATA_MAX_BYTES);
    if (bytes === undefined) return this.#parent?.readMetadata(kind, checksum);
    verifyMetadata(bytes, checksum, kind);
    return bytes;
  }

  /**
   * Opens a file object; undefined if neither this repository nor its parents have it. The caller disposes it, and verifies it or hashes
   * the bytes that it reads.
   */
  openFile(checksum: OstreeChecksum): OstreeFile | undefined {
    return openFileObject(this.root, this.mode, checksum) ?? this.#parent?.openFile(checksum);
  }

  /**
   * The stored bytes of a file object of an archive repository, with the fewest possible system calls; undefined in other modes, if it is
   * not in this repository (a parent may have it), and if it is longer than the limit. Nothing is verified. The bytes are valid until the
   * next call.
   */
  readFilez(checksum: OstreeChecksum, limitBytes: number): Uint8Array | undefined {
    if (this.mode !== 'archive') return undefined;
    try {
      return this.#readSmall(this.#pathOf('file', checksum), limitBytes);
    } catch (error) {
      // A directory, a link, a socket, a pipe or a device: `openFile` throws the error.
      const errors = ['EFBIG', 'EISDIR', 'ELOOP', 'ENXIO', 'ESPIPE'] as const;
      if (errors.some((name) => hasErrno(error, name))) return undefined;
      throw error;
    }
  }

  /** A file of the repository that is not an object (`summary`, a delta part); undefined if it does not exist. */
  readFile(path: string, limitBytes: number): Uint8Array | undefined {
    return readRegular(this.root, path, limitBytes);
  }

  /** Writes a file that is not an object, atomic and durable. */
  writeFile(path: string, bytes: Uint8Array): void {
    replaceFile(this.root, path, bytes);
  }

  /** Sets a boolean of the `config`, atomic and durable; everything else in it stays as it is. False if it said so already. */
  setBoolean(group: string, key: string, value: boolean): boolean {
    const bytes = readRegular(this.root, CONFIG, CONFIG_MAX_BYTES) ?? Buffer.alloc(0);
    const text = withBoolean(bytes.toString('latin1'), group, key, value);
    if (text !== undefined) this.writeFile(CONFIG, Buffer.from(text, 'latin1'));
    return text !== undefined;
  }

  /** Every well-named object, in the order of the directories. */
  *listObjects(): Generator<OstreeObjectEntry> {
    const kinds = new Map<string, ObjectKind>(
      (Object.keys(OBJECT_KINDS) as ObjectKind[]).map((kind) => [
        OBJECT_KINDS[kind].extension,
        kind,
      ]),
    );
    if (this.mode === 'archive') kinds.set('filez', 'file');
    using objects = this.root.openDir('objects');
    for (const { name: prefix } of objects
      .readEntries()
      .sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
      using dir = objects.openDir(prefix);
      for (const { name } of dir.readEntries()) {
        const match = /^([0-9a-f]{62})\.(.+)$/.exec(name);
        const kind = kinds.get(match?.[2] ?? '');
        if (match === null || kind === undefined) continue;
        yield { kind, checksum: parseOstreeChecksum(prefix + match[1]) };
      }
    }
  }

  /** Takes the shared lock, so that no prune removes objects; disposing releases it. */
  async lockForReading(options: OperationOptions = {}): Promise<HostFile | undefined> {
    if (!this.config.locking) return undefined;
    const { lockTimeoutSec } = this.config;
    return lockRepository(this.root, 'shared', lockTimeoutSec, { ...options, isReader: true });
  }

  /** Starts writing. @throws BusyError REPO_LOCKED; UnsupportedError OSTREE_MODE_READ_ONLY */
  async begin(options: OperationOptions = {}): Promise<OstreeTransaction> {
    const { config, root, refs, state } = this;
    const lock = config.locking
      ? await lockRepository(root, 'shared', config.lockTimeoutSec, options)
      : undefined;
    try {
      return new OstreeTransaction({ root, config, refs, state, lock });
    } catch (error) {
      lock?.[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parent?.[Symbol.dispose]();
    this.root[Symbol.dispose]();
  }

  /** Non-blocking, because a pipe would block. */
  #readSmall(path: string, limitBytes: number): Uint8Array | undefined {
    using file = this.root.tryOpenFile(path, OPEN.read | OPEN.noFollow | OPEN.nonBlock);
    if (file === undefined) return undefined;
    this.#scratch ??= Buffer.allocUnsafe(SMALL_FILEZ_BYTES);
    const length = readAt(file, this.#scratch, 0);
    if (length < SMALL_FILEZ_BYTES && length <= limitBytes) {
      return this.#scratch.subarray(0, length);
    }
    return statFd(file).sizeBytes > limitBytes ? undefined : readAll(file, limitBytes);
  }

  #pathOf(kind: ObjectKind, checksum: OstreeChecksum): string {
    return ostreeObjectPath(checksum, kind, this.mode === 'archive');
  }
}

/**
 * Opens a repository, and its parents.
 * @throws NotFoundError OSTREE_REPO_NOT_FOUND; FormatError OSTREE_CONFIG_INVALID, OSTREE_KEY_FILE_INVALID;
 * UnsupportedError OSTREE_VERSION_UNSUPPORTED
 */
export function openOstreeRepo(path: string): OstreeRepo {
  return openChain(path, 0);
}

/** True if a directory looks like an OSTree repository: it holds `config` and `objects`. */
export function isOstreeRepo(path: string): boolean {
  try {
    using root = Dir.open(path);
    return root.stat(CONFIG)?.type === 'file' && root.stat('objects')?.type === 'directory';
  } catch (error) {
    if (isOnecopyError(error)) return false;
    throw error;
  }
}

/**
 * Creates a repository in a new or empty directory.
 * @throws ConflictError OSTREE_REPO_EXISTS
 */
export function initOstreeRepo(path: string, options: InitOptions): OstreeRepo {
  const { mode, collectionId } = options;
  const slash = path.replace(/\/+$/, '').lastIndexOf('/');
  const base = path.replace(/\/+$/, '').slice(slash + 1);
  using parent = Dir.open(slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash));
  parent.mkdir(Buffer.from(base).toString('latin1'), DIRECTORY_MODE);
  using root = Dir.open(path);
  if (root.lstat(CONFIG) !== undefined) {
    throw new ConflictError(
      'OSTREE_REPO_EXISTS',
      `Cannot create OSTree repository "${path}": the path already holds a repository`,
      { path },
    );
  }
  for (const name of DIRECTORIES) root.mkdir(name, DIRECTORY_MODE);
  const core = new Map([
    ['repo_version', '1'],
    ['mode', mode === 'archive' ? 'archive-z2' : mode],
  ]);
  if (collectionId !== undefined) {
    requireRefName(collectionId);
    core.set('collection-id', collectionId);
  }
  replaceFile(root, CONFIG, encodeKeyFile(new Map([['core', core]])));
  return openOstreeRepo(path);
}

function openChain(path: string, depth: number): OstreeRepo {
  const root = openRoot(path);
  try {
    const bytes = readRegular(root, CONFIG, CONFIG_MAX_BYTES);
    if (bytes === undefined || root.stat('objects')?.type !== 'directory') throw notFound(path);
    const config = parseConfig(bytes);
    const isTooDeep = depth >= PARENTS_MAX;
    const parent =
      config.parent === undefined || isTooDeep ? undefined : openChain(config.parent, depth + 1);
    return new OstreeRepo(root, config, parent);
  } catch (error) {
    root[Symbol.dispose]();
    throw error;
  }
}

function openRoot(path: string): Dir {
  try {
    return Dir.open(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) throw notFound(path, error);
    throw error;
  }
}

function replaceFile(root: Dir, path: string, bytes: Uint8Array): void {
  const slash = path.lastIndexOf('/');
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    root.mkdir(path.slice(0, at), DIRECTORY_MODE);
  }
  const temporary = `${path.slice(0, slash + 1)}.onecopy-${randomName()}`;
  try {
    {
      using file = root.openFile(temporary, OPEN.write | OPEN.create | OPEN.exclusive, OBJECT_MODE);
      writeAll(file, bytes);
      fsync(file);
    }
    root.rename(temporary, path);
    fsyncParent(root, path);
  } catch (error) {
    root.unlink(temporary);
    throw error;
  }
}

function notFound(path: string, cause?: unknown): NotFoundError {
  return new NotFoundError(
    'OSTREE_REPO_NOT_FOUND',
    `Cannot find an OSTree repository at "${path}": expected "config" and "objects" there`,
    { path },
    {
      hint: 'Name the directory of the repository. Where it is to be created: ostree init --repo=PATH --mode=archive',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
