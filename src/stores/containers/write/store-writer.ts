import { randomBytes } from 'node:crypto';
import type { ByteString } from '#base/bytes';
import type { ContentDigest, DiffId } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import type { StoragePlaces } from '#formats/containers-config';
import { LINK_NAME } from '#formats/containers-storage';
import { Dir, fchmod, type HostFile, OPEN, pathOf, readAll, syncfs, writeAll } from '#host';
import { composefsBlob, diffFolder } from '../layout.ts';
import type { StoreLockOptions } from '../locks.ts';
import { openRoot, StorageRoot } from '../root.ts';
import { readSnapshot, type StoreSnapshot } from '../snapshot.ts';
import { commitImage, type ImageToWrite } from './commit.ts';
import { describeImplied } from './implied.ts';
import { StagingFolder } from './staging.ts';

/** A layer to write: the fields of its record. */
export interface LayerToWrite {
  readonly id: string;
  readonly parent: string | undefined;
  readonly diffId: DiffId;
  readonly diffSizeBytes: number;
  /** The blob that the manifest states. */
  readonly blob: { readonly digest: ContentDigest; readonly sizeBytes: number };
  /** Code of its compression, see `COMPRESSION_CODE`. */
  readonly compression: number;
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}

/** A layer that is being written, not visible yet. */
export interface StagedLayer {
  /** The directory to fill. */
  readonly diff: Dir;
  /** The file for the compressed tar-split. */
  readonly tarSplit: HostFile;
}

/** A layer of the image, in order; if it was written now, with the directories that have no entry in it. */
export interface WrittenLayer {
  readonly id: string;
  readonly parent: string | undefined;
  readonly implied: ReadonlySet<string>;
}

const LINK_FILE_BYTES_MAX = 4096;
const LOWER_FILE_BYTES_MAX = 64 * 1024;

/** Folders of a store and their modes. Source: stores of podman 5.8. */
const FOLDERS = [
  ['overlay', 0o755],
  ['overlay/l', 0o755],
  ['overlay-layers', 0o700],
  ['overlay-images', 0o700],
  ['overlay-containers', 0o700],
] as const;

/**
 * Writes an image into a containers-storage: layers are staged without locks, then everything is moved into place under them. podman sees the
 * whole image or none of it.
 */
export class StoreWriter implements Disposable {
  /** Destination of layers and images: the image store, if there is one. */
  readonly target: StorageRoot;
  /** Destination of tar-splits: always the graph root. */
  readonly primary: StorageRoot;
  readonly #others: readonly StorageRoot[];
  readonly #files: StagingFolder;
  readonly #splits: StagingFolder;
  readonly #staged = new Map<string, StagedLayer>();

  constructor(roots: readonly StorageRoot[]) {
    const [target, primary = target] = roots;
    if (target === undefined || primary === undefined) throw new Error('a store has a root');
    this.target = target;
    this.primary = primary;
    this.#others = roots.slice(1);
    this.#files = StagingFolder.make(target.dir, 'overlay/tempdirs');
    this.#splits = StagingFolder.make(primary.dir, 'overlay-layers/tmp');
  }

  get label(): string {
    return this.primary.dir.label;
  }

  /** Reads the current records. @throws as `readSnapshot` */
  async read(options: StoreLockOptions = {}): Promise<StoreSnapshot> {
    return await readSnapshot([this.target, ...this.#others], options);
  }

  /** Starts a layer on top of another. @throws HostError SYSCALL_FAILED, NO_SPACE */
  stage(id: string, parent: string | undefined): StagedLayer {
    const { dir } = this.#files;
    dir.mkdir(id, 0o700);
    for (const name of ['diff', 'work', 'merged', ...(parent === undefined ? ['empty'] : [])]) {
      dir.mkdir(`${id}/${name}`, 0o700);
    }
    writeText(dir, `${id}/link`, linkName());
    if (parent !== undefined) {
      writeText(dir, `${id}/lower`, this.#lowerOf(parent, 'lower'));
      writeText(dir, `${id}/lower-layers`, this.#lowerOf(parent, 'lower-layers'));
    }
    const flags = OPEN.create | OPEN.exclusive | OPEN.readWrite;
    const layer = {
      diff: dir.openDir(`${id}/diff`),
      tarSplit: this.#splits.dir.openFile(`${id}.tar-split.gz`, flags, 0o600),
    };
    this.#staged.set(id, layer);
    return layer;
  }

  /**
   * Sets the metadata of directories without entry in staged layers from the layers below. Call it when all layers are written.
   * @param layers base first; `implied` as collected by `LayerTree`
   * @throws HostError SYSCALL_FAILED
   */
  completeImplied(layers: readonly WrittenLayer[]): void {
    const parents = new Map(layers.map(({ id, parent }) => [id, parent]));
    for (const { id, implied } of layers) {
      const own = this.#staged.get(id)?.diff;
      if (own === undefined || implied.size === 0) continue;
      using below = new DisposableStack();
      const chain: Dir[] = [];
      for (let at = parents.get(id); at !== undefined; at = parents.get(at)) {
        const dir = this.#openFiles(at);
        if (dir === undefined) break;
        chain.push(below.use(dir));
      }
      describeImplied(own, implied, chain);
    }
  }

  /** Opens the files of a layer that is staged or in one of the roots; undefined for a layer whose names are stored elsewhere. */
  #openFiles(id: string): Dir | undefined {
    const staged = this.#files.dir.tryOpenDir(`${id}/diff`);
    if (staged !== undefined) return staged;
    for (const { dir } of [this.target, ...this.#others]) {
      const isComposefs = dir.lstat(composefsBlob(id)) !== undefined;
      const files = isComposefs ? undefined : dir.tryOpenDir(diffFolder('overlay', id));
      if (isComposefs || files !== undefined) return files;
    }
    return undefined;
  }

  /** The lower layers of a layer on top of `parent`: the parent, and the parent's lower layers. */
  #lowerOf(parent: string, file: 'lower' | 'lower-layers'): string {
    const own =
      file === 'lower' ? `l/${this.#readText(parent, 'link', LINK_FILE_BYTES_MAX)}` : parent;
    const below = this.#readText(parent, file, LOWER_FILE_BYTES_MAX);
    return below === undefined ? own : `${own}:${below}`;
  }

  /** Reads a file of a layer that is staged, or in one of the roots. */
  #readText(id: string, name: string, limitBytes: number): string | undefined {
    const places = [
      [this.#files.dir, `${id}/${name}`],
      ...[this.target, ...this.#others].map(({ dir }) => [dir, `overlay/${id}/${name}`] as const),
    ] as const;
    for (const [dir, path] of places) {
      using file = dir.tryOpenFile(path);
      if (file !== undefined) return readAll(file, limitBytes).toString('latin1');
    }
    return undefined;
  }

  /**
   * Makes the image visible, with the staged and the existing layers. Everything is durable when this resolves.
   * @throws BusyError STORE_LAYER_GONE when a layer that was not staged is gone, STORE_LOCKED; FormatError CONTAINERS_RECORDS_INVALID
   */
  async commit(image: ImageToWrite, options: StoreLockOptions = {}): Promise<void> {
    syncfs(this.target.dir);
    if (this.primary !== this.target) syncfs(this.primary.dir);
    options.signal?.throwIfAborted();
    const { target, primary } = this;
    const place = {
      target,
      primary,
      readOnly: this.#others.filter((root) => root !== primary),
      isStaged: (id: string) => this.#staged.has(id),
      files: this.#files.dir,
      splits: this.#splits.dir,
    };
    await commitImage(place, image, options);
  }

  [Symbol.dispose](): void {
    for (const { diff, tarSplit } of this.#staged.values()) {
      diff[Symbol.dispose]();
      tarSplit[Symbol.dispose]();
    }
    this.#files[Symbol.dispose]();
    this.#splits[Symbol.dispose]();
    for (const root of new Set([this.target, ...this.#others])) root[Symbol.dispose]();
  }
}

/**
 * Opens a store for writing, and creates it if it is missing. Only the driver overlay is written.
 * @throws UnsupportedError STORE_DRIVER_UNSUPPORTED; HostError SYSCALL_FAILED
 */
export function openStoreWriter(places: StoragePlaces): StoreWriter {
  if (places.driver !== undefined && !/^overlay2?$/.test(places.driver)) {
    throw notOverlay(places.driver, places.graphRoot);
  }
  const roots: StorageRoot[] = [];
  try {
    if (places.imageStore !== undefined) roots.push(makeRoot(places.imageStore, 'image-store'));
    roots.push(makeRoot(places.graphRoot, 'primary'));
    for (const path of places.additionalImageStores) {
      roots.push(openRoot(path, 'additional', 'overlay'));
    }
    return new StoreWriter(roots);
  } catch (error) {
    for (const root of roots) root[Symbol.dispose]();
    throw error;
  }
}

function makeRoot(path: string, role: 'primary' | 'image-store'): StorageRoot {
  makeFolders(path);
  const root = openRoot(path, role, undefined);
  if (root.driver !== 'overlay') {
    root[Symbol.dispose]();
    throw notOverlay(root.driver, path);
  }
  for (const [name, mode] of FOLDERS) {
    if (root.dir.mkdir(name, mode)) root.dir.chmod(name, mode);
  }
  return new StorageRoot(root.dir, 'overlay', role);
}

/** Creates a folder and its parents. */
function makeFolders(path: string): void {
  const bytes = pathOf(path);
  const parts = bytes.split('/').filter((part) => part !== '');
  let dir = Dir.openPath((bytes.startsWith('/') ? '/' : '.') as ByteString);
  try {
    for (const part of parts) {
      dir.mkdir(part, 0o700);
      const below = dir.openDir(part);
      dir[Symbol.dispose]();
      dir = below;
    }
  } finally {
    dir[Symbol.dispose]();
  }
}

function writeText(dir: Dir, name: string, text: string): void {
  using file = dir.openFile(name, OPEN.create | OPEN.exclusive | OPEN.write, 0o644);
  writeAll(file, Buffer.from(text, 'latin1'));
  fchmod(file, 0o644);
}

function linkName(): string {
  const bytes = randomBytes(LINK_NAME.length);
  return Array.from(bytes, (byte) => LINK_NAME.letters[byte % LINK_NAME.letters.length]).join('');
}

function notOverlay(driver: string, path: string): UnsupportedError {
  return new UnsupportedError(
    'STORE_DRIVER_UNSUPPORTED',
    `Cannot write the store "${path}": expected the driver overlay, found "${driver}"`,
    { driver, path },
    {
      hint: 'Write an OCI layout, then copy it with: skopeo copy oci:DIRECTORY:TAG containers-storage:NAME',
    },
  );
}
