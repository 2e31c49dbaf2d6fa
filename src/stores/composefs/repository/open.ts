import { basename, dirname, join, resolve } from 'node:path';
import { ConflictError, HostError, hasCode, NotFoundError } from '#base/errors';
import { formatAlgorithmId, type VerityAlgorithm } from '#formats/fsverity';
import { Dir, hasErrno, pathOf, statFd, tryFlock } from '#host';
import { CATEGORIES, META_NAME, OBJECTS, OWN, REFS, REPOSITORY_MODE } from '../layout.ts';
import { refuseLink } from '../names/links.ts';
import { acquireLock, type LockOptions } from './lock.ts';
import {
  checkCompatibility,
  createMeta,
  type ErofsFormats,
  type ErofsVersion,
  effectiveFormats,
  equalMeta,
  type RepositoryMeta,
  versionsOf,
} from './meta.ts';
import {
  inferMeta,
  readMetaFile,
  refuseForeignDirectory,
  type StoredMeta,
  writeMetaFile,
} from './meta-file.ts';
import { Repository, requireVerity } from './repository.ts';

/** Options for opening a repository. */
export interface OpenOptions extends LockOptions {
  /** Refuse a repository with another algorithm. */
  readonly algorithm?: VerityAlgorithm | undefined;
  /** Refuse a repository that was created without fs-verity. */
  readonly requireVerity?: boolean | undefined;
  /** Accept objects without fs-verity even if the repository requires it. */
  readonly insecure?: boolean | undefined;
  /** Write a missing meta.json, with the inferred metadata. */
  readonly upgrade?: boolean | undefined;
  /** Refuse a repository without meta.json instead of reading it with inferred metadata. */
  readonly requireMeta?: boolean | undefined;
  /** Build images in this EROFS version only, until the repository is closed. */
  readonly erofsVersion?: ErofsVersion | undefined;
}

/** Settings of a new repository. */
export interface RepositoryConfig {
  readonly algorithm: VerityAlgorithm;
  /** Default: V1 only. */
  readonly formats?: ErofsFormats | undefined;
  /** Create the repository without requiring fs-verity. */
  readonly insecure?: boolean | undefined;
}

/** Path of the repository of the system. Source: composefs-rs 0.9 `system_path`. */
export const SYSTEM_REPOSITORY = '/sysroot/composefs';

/** Path of the repository of a user with this home directory. Source: composefs-rs 0.9 `user_path`. */
export function userRepository(home: string): string {
  return join(home, '.var/lib/composefs');
}

/**
 * Opens a repository and acquires the shared lock; waits while another process holds the exclusive lock. A repository without meta.json is read
 * with metadata inferred from its contents. It is writable only after `upgrade` has written the metadata, because a wrong guess would change new
 * images.
 * @throws NotFoundError REPO_NOT_FOUND, REPO_METADATA_MISSING; FormatError REPO_METADATA_INVALID; ConflictError ALGORITHM_MISMATCH;
 *   UnsupportedError REPO_VERSION_UNSUPPORTED, REPO_FEATURE_UNKNOWN; IntegrityError VERITY_NOT_ENABLED; BusyError REPO_LOCKED
 */
export async function openRepository(
  at: string | Dir,
  options: OpenOptions = {},
): Promise<Repository> {
  const root = openRoot(at);
  try {
    refuseLinkedFolders(root);
    await acquireLock(root, 'shared', options);
    const stored = readMetaFile(root);
    if (stored === undefined && options.requireMeta === true) refuseMissingMeta(root);
    const { meta, isProtected } = stored ?? inferMeta(root);
    const { unknownReadOnly } = checkMeta(root, meta, options.algorithm);
    if (options.requireVerity === true) requireVerity(root, isProtected);
    const upgraded =
      stored === undefined && options.upgrade === true && upgrade(root, { meta, isProtected });
    const { erofsVersion } = options;
    return new Repository({
      root,
      meta,
      unknownReadOnly,
      insecure: options.insecure === true || !isProtected,
      verity: isProtected ? (options.insecure === true ? 'try' : 'require') : 'off',
      formats: erofsVersion === undefined ? undefined : { default: erofsVersion, extra: [] },
      upgraded,
      isInferred: stored === undefined && options.upgrade !== true,
    });
  } catch (error) {
    root[Symbol.dispose]();
    throw error;
  }
}

function refuseMissingMeta({ label }: Dir): never {
  throw new NotFoundError(
    'REPO_METADATA_MISSING',
    `Cannot open repository "${label}": expected a ${META_NAME}, found none`,
    { path: label },
    { hint: `Write one that matches the objects with: onecopy --repo ${label} init` },
  );
}

/** Result of `ensureRepository`. */
export interface InitResult {
  readonly repository: Repository;
  /** False if a repository with this configuration already existed. */
  readonly created: boolean;
}

/**
 * Creates a repository directory (0700, with its parents) and its meta.json, and opens it. Idempotent for one configuration; the security
 * of an existing repository is not compared. After a failure, a new directory is removed, unless another process uses it.
 * @throws ConflictError REPO_EXISTS if a repository with another configuration exists, REPO_DIRECTORY_FOREIGN; UnsupportedError
 * FSVERITY_UNSUPPORTED; as `openRepository`
 */
export async function initRepository(
  path: string,
  config: RepositoryConfig,
  options: LockOptions = {},
): Promise<InitResult> {
  const meta = createMeta(config.algorithm, config.formats);
  const { root, made } = await claimDirectory(path, options);
  using open = root;
  let created = false;
  try {
    const existing = readMetaFile(open);
    if (existing === undefined) refuseForeignDirectory(open);
    created =
      existing === undefined &&
      writeMetaFile(open, meta, config.insecure === true ? 'off' : 'require');
    const found = created ? meta : (readMetaFile(open)?.meta ?? meta);
    if (!equalMeta(found, meta)) throw differentConfiguration(path, found, meta);
  } catch (error) {
    if (made) removeDirectory(open, path);
    throw error;
  }
  return { repository: await openRepository(path, options), created };
}

/** Report of `ensureRepository`. */
export interface EnsureResult {
  readonly repository: Repository;
  readonly outcome: 'created' | 'opened' | 'upgraded';
}

/**
 * Opens the repository at a path, and creates or upgrades it if needed. Format and security of an existing repository are kept.
 * @throws ConflictError ALGORITHM_MISMATCH if it exists with another algorithm; as `initRepository` and `openRepository`
 */
export async function ensureRepository(
  path: string,
  config: RepositoryConfig,
  options: LockOptions = {},
): Promise<EnsureResult> {
  try {
    const { algorithm } = config;
    const repository = await openRepository(path, { ...options, algorithm, upgrade: true });
    return { repository, outcome: repository.upgraded ? 'upgraded' : 'opened' };
  } catch (error) {
    if (!hasCode(error, 'REPO_NOT_FOUND') && !hasCode(error, 'REPO_METADATA_MISSING')) throw error;
  }
  const { repository, created } = await initRepository(path, config, options);
  return { repository, outcome: created ? 'created' : 'opened' };
}

/**
 * Deletes all streams, images and the meta.json of a repository, keeping its objects, under the exclusive lock.
 * @throws NotFoundError REPO_NOT_FOUND; ConflictError REPO_DIRECTORY_FOREIGN; BusyError REPO_LOCKED; HostError SYSCALL_FAILED
 */
export async function resetMetadata(path: string, options: LockOptions = {}): Promise<void> {
  using root = openRoot(path);
  refuseLinkedFolders(root);
  if (readMetaFile(root) === undefined) refuseForeignDirectory(root);
  await acquireLock(root, 'exclusive', options);
  for (const category of CATEGORIES) removeTree(root, category);
  root.unlink(META_NAME);
}

/** The algorithm in meta.json without opening the repository; undefined if meta.json does not exist. @throws as `openRepository` */
export function readRepositoryAlgorithm(path: string): VerityAlgorithm | undefined {
  using root = openRoot(path);
  return readMetaFile(root)?.meta.algorithm;
}

function openRoot(at: string | Dir): Dir {
  try {
    return typeof at === 'string' ? Dir.open(at) : at.openDir('.');
  } catch (error) {
    const path = typeof at === 'string' ? at : at.label;
    if (hasErrno(error, 'EACCES')) throw inaccessible(path, error);
    if (!hasErrno(error, 'ENOENT')) throw error;
    throw new NotFoundError(
      'REPO_NOT_FOUND',
      `Cannot open repository "${path}": there is no such directory`,
      { path },
      {
        cause: error,
        hint: 'The first pull creates it, and so does init. To use another one, add --repo',
      },
    );
  }
}

/** Directories through which everything in a repository is looked up. */
const FOLDERS = [OBJECTS, OWN, ...CATEGORIES.flatMap((name) => [name, `${name}/${REFS}`])];

/**
 * Refuses a repository whose directories are symbolic links: onecopy would read, write and remove files outside of the repository.
 * @throws IntegrityError REPO_ENTRY_INVALID
 */
function refuseLinkedFolders(root: Dir): void {
  for (const folder of FOLDERS) refuseLink(root, folder);
  for (const folder of [OBJECTS, OWN]) {
    using directory = root.tryOpenDir(folder);
    for (const { name, type } of directory?.readEntries() ?? []) {
      if (type === 'symlink') refuseLink(root, `${folder}/${name}`);
    }
  }
}

function checkMeta(root: Dir, meta: RepositoryMeta, algorithm: VerityAlgorithm | undefined) {
  const compatibility = checkCompatibility(meta);
  if (algorithm !== undefined && algorithm !== meta.algorithm) {
    const expected = formatAlgorithmId(algorithm);
    const found = formatAlgorithmId(meta.algorithm);
    throw new ConflictError(
      'ALGORITHM_MISMATCH',
      `Cannot open repository "${root.label}": expected algorithm ${expected}, found ${found}`,
      { expected, found },
    );
  }
  return compatibility;
}

/** True if meta.json was written. Another process may have written it first; a read-only directory is not changed. */
function upgrade(root: Dir, stored: StoredMeta): boolean {
  if (!root.isWritable()) return false;
  return writeMetaFile(root, stored.meta, stored.isProtected ? 'require' : 'off');
}

function differentConfiguration(path: string, found: RepositoryMeta, expected: RepositoryMeta) {
  return new ConflictError(
    'REPO_EXISTS',
    `Cannot create repository "${path}": expected ${describe(expected)}, found one with ${describe(found)}`,
    { expected: describe(expected), found: describe(found) },
    {
      hint: 'Use the repository as it is, or delete its images, refs and streams with --reset-metadata',
    },
  );
}

function describe(meta: RepositoryMeta): string {
  const versions = versionsOf(effectiveFormats(meta)).map((version) => `V${version}`);
  return `algorithm: ${formatAlgorithmId(meta.algorithm)}, erofs_version: ${versions.join('+')}`;
}

/** Number of times that another process may remove its new directory before this one gives up. */
const CLAIM_TRIES = 100;

/**
 * Creates the directory if needed and acquires the shared lock, because a reset or a garbage collection holds the exclusive lock. Another process
 * that creates the same repository may fail and remove its directory, so the locked directory must still be the one at the path.
 */
async function claimDirectory(
  path: string,
  options: LockOptions,
): Promise<{ readonly root: Dir; readonly made: boolean }> {
  for (let attempt = 1; ; attempt += 1) {
    const made = makeDirectory(path);
    const root = tryOpenDirectory(path);
    if (root === undefined) {
      if (attempt < CLAIM_TRIES) continue;
      return { root: openRoot(path), made };
    }
    try {
      await acquireLock(root, 'shared', options);
      if (isAt(root, path)) return { root, made };
    } catch (error) {
      root[Symbol.dispose]();
      throw error;
    }
    root[Symbol.dispose]();
  }
}

function tryOpenDirectory(path: string): Dir | undefined {
  try {
    return Dir.open(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return undefined;
  }
}

/** True if the path names this directory. */
function isAt(root: Dir, path: string): boolean {
  using now = tryOpenDirectory(path);
  if (now === undefined) return false;
  const [a, b] = [statFd(root), statFd(now)];
  return a.dev === b.dev && a.ino === b.ino;
}

/** Creates the directory 0700 and its parents; true if the directory itself is new. */
function makeDirectory(path: string): boolean {
  const absolute = resolve(path);
  const missing: string[] = [];
  let parent = dirname(absolute);
  let dir: Dir | undefined;
  while (dir === undefined) {
    try {
      dir = Dir.open(parent);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
      missing.unshift(basename(parent));
      parent = dirname(parent);
    }
  }
  if (absolute === parent) return false;
  using base = dir;
  let below = '';
  for (const name of missing) {
    below += `${pathOf(name)}/`;
    base.mkdir(below.slice(0, -1));
  }
  return base.mkdir(below + pathOf(basename(absolute)), REPOSITORY_MODE);
}

/** Removes an unused new directory, unless another process uses it or has filled it. */
function removeDirectory(root: Dir, path: string): void {
  if (!tryFlock(root, 'exclusive') || !isAt(root, path)) return;
  const absolute = resolve(path);
  using parent = Dir.open(dirname(absolute));
  try {
    parent.rmdir(pathOf(basename(absolute)));
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY')) throw error;
  }
}

function removeTree(parent: Dir, name: string): void {
  const dir = parent.tryOpenDir(name, { noFollow: true });
  if (dir === undefined) return;
  using open = dir;
  for (const entry of open.readEntries()) {
    if (entry.type === 'directory') removeTree(open, entry.name);
    else open.unlink(entry.name);
  }
  parent.rmdir(name);
}

/** The error of a directory that this user may not open: the likely way out is another repository. */
function inaccessible(path: string, cause: unknown): HostError {
  return new HostError(
    'SYSCALL_FAILED',
    `Cannot open repository "${path}": permission denied (EACCES)`,
    { syscall: 'openat', errno: 'EACCES', target: path },
    { cause, hint: 'Run as its owner, or use the repository of this user with --user' },
  );
}
