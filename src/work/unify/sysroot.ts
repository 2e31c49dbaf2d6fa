import { resolve } from 'node:path';
import { HostError, hasCode, NotFoundError, UnsupportedError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { ContainersReference } from '#formats/oci';
import { Dir, hasErrno, probeReflinkBetween } from '#host';
import type { Repository } from '#stores/composefs';
import { type ContainersStore, openContainersStore } from '#stores/containers';
import {
  initOstreeRepo,
  isOstreeRepo,
  type OstreeMode,
  type OstreeRepo,
  openOstreeRepo,
} from '#stores/ostree';
import { locateStore } from '#work/containers';
import { openOrCreate } from '#work/repository';
import { NATIVE_STATE } from './native.ts';

/** Directories of a sysroot. Source: unified-storage notes 1.2. */
export const COMPOSEFS = 'composefs';
const OSTREE_REPO = 'ostree/repo';
const OSTREE_STORAGE = 'ostree/bootc/storage';
const NATIVE_STORAGE = 'composefs/bootc/storage';
/** Modes: bytes of an image must not become readable before the image is deployed. */
const PRIVATE_MODE = 0o700;
const PUBLIC_MODE = 0o755;

/** A sysroot: the directory, usually the root of a filesystem, below which the three stores lie. */
export class Sysroot implements Disposable {
  readonly root: Dir;
  /** Absolute. */
  readonly path: string;
  /** True for a host without an OSTree repository that boots composefs images directly. */
  readonly isNative: boolean;
  #reflink: boolean | undefined;

  constructor(root: Dir, path: string) {
    this.root = root;
    this.path = path;
    this.isNative =
      root.stat(NATIVE_STATE)?.type === 'directory' && root.stat(OSTREE_REPO) === undefined;
  }

  get composefsPath(): string {
    return `${this.path}/${COMPOSEFS}`;
  }

  get ostreePath(): string {
    return `${this.path}/${OSTREE_REPO}`;
  }

  get storagePath(): string {
    return `${this.path}/${this.isNative ? NATIVE_STORAGE : OSTREE_STORAGE}`;
  }

  /** True if files below the sysroot can share extents. Tested once, with two unnamed files: nothing is left behind. */
  get canReflink(): boolean {
    this.#reflink ??= probe(this.root);
    return this.#reflink;
  }

  /** True if the existing stores can share extents; they may be on different filesystems. */
  get canReflinkStores(): boolean {
    if (!this.canReflink) return false;
    const places = [COMPOSEFS, OSTREE_REPO, this.isNative ? NATIVE_STORAGE : OSTREE_STORAGE];
    return places.every((name) => {
      using dir = this.root.tryOpenDir(name);
      return dir === undefined || probe(this.root, dir);
    });
  }

  /** The composefs repository; undefined if there is none. @throws as `openRepository` */
  async openComposefs(options: OperationOptions = {}): Promise<Repository | undefined> {
    const { openRepository } = await import('#work/repository');
    try {
      return await openRepository(this.composefsPath, options);
    } catch (error) {
      if (hasCode(error, 'REPO_NOT_FOUND') || hasCode(error, 'REPO_METADATA_MISSING')) {
        return undefined;
      }
      throw error;
    }
  }

  /** The composefs repository, created if it is missing. @throws as `openOrCreate` */
  async ensureComposefs(options: OperationOptions = {}): Promise<Repository> {
    if (this.root.mkdir(COMPOSEFS, PRIVATE_MODE)) this.root.chmod(COMPOSEFS, PRIVATE_MODE);
    return (await openOrCreate({ path: this.composefsPath }, options)).repository;
  }

  /** The OSTree repository; undefined if there is none. @throws as `openOstreeRepo` */
  openOstree(): OstreeRepo | undefined {
    return isOstreeRepo(this.ostreePath) ? openOstreeRepo(this.ostreePath) : undefined;
  }

  /** The OSTree repository; a missing one is created, `bare` for root and `bare-user` for others. @throws as `initOstreeRepo` */
  ensureOstree(): OstreeRepo {
    const existing = this.openOstree();
    if (existing !== undefined) return existing;
    const mode: OstreeMode = process.geteuid?.() === 0 ? 'bare' : 'bare-user';
    this.root.mkdir('ostree', PUBLIC_MODE);
    return initOstreeRepo(this.ostreePath, { mode });
  }

  /** The containers-storage of bootc; undefined if there is none. @throws as `openContainersStore` */
  async openStorage(options: OperationOptions = {}): Promise<ContainersStore | undefined> {
    try {
      return await openContainersStore(await locateStore(this.storageReference('')), options);
    } catch (error) {
      if (hasCode(error, 'IMAGE_SOURCE_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** Creates the directories that lead to the containers-storage. */
  ensureStorage(): void {
    const path = this.isNative ? NATIVE_STORAGE : OSTREE_STORAGE;
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length += 1) {
      this.root.mkdir(parts.slice(0, length).join('/'), PUBLIC_MODE);
    }
  }

  /** An image in the containers-storage of bootc. */
  storageReference(name: string): ContainersReference {
    return {
      transport: 'containers-storage',
      driver: 'overlay',
      graphRoot: this.storagePath,
      name,
    };
  }

  [Symbol.dispose](): void {
    this.root[Symbol.dispose]();
  }
}

/** Opens a sysroot. @throws NotFoundError SYSROOT_NOT_FOUND */
export function openSysroot(path: string): Sysroot {
  const full = resolve(path);
  try {
    return new Sysroot(Dir.open(full), full === '/' ? '' : full);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENOTDIR')) throw error;
    throw new NotFoundError(
      'SYSROOT_NOT_FOUND',
      `Cannot open the sysroot "${full}": expected a directory, found none`,
      { path: full },
      { cause: error, hint: 'Name the directory that holds ostree/ and composefs/ with --sysroot' },
    );
  }
}

/** Refuses a sysroot that cannot share extents, for a mode that forbids copies. @throws UnsupportedError UNIFIED_REFLINK_MISSING */
export function requireReflink(sysroot: Sysroot): void {
  if (sysroot.canReflinkStores) return;
  const path = sysroot.path;
  throw new UnsupportedError(
    'UNIFIED_REFLINK_MISSING',
    `Cannot keep one copy in "${path}": expected a filesystem that shares extents (FICLONE) among all stores, found none`,
    { path },
    {
      hint: 'Use XFS or btrfs, or allow copies with: onecopy unified enable --mode=enabled-with-copy',
    },
  );
}

function probe(from: Dir, to: Dir = from): boolean {
  try {
    return probeReflinkBetween(from, to);
  } catch (error) {
    // No unnamed files, no ioctl, or no permission: files here cannot share extents.
    if (error instanceof HostError) return false;
    throw error;
  }
}
