import { algorithmOf, type ContentDigest, computeContentDigest, type DiffId } from '#base/digest';
import { FormatError, IntegrityError, isOnecopyError, NotFoundError } from '#base/errors';
import type { StoragePlaces } from '#formats/containers-config';
import { bigDataFileName, LAYER_DEPTH_MAX } from '#formats/containers-storage';
import { MANIFEST_MAX_BYTES } from '#formats/oci';
import { readAll } from '#host';
import { digestsOf, type FoundImage, findImage } from './find-image.ts';
import { type LayerFiles, layerMissing, openLayerFiles } from './layer-files.ts';
import { diffFolder } from './layout.ts';
import type { StoreLockOptions } from './locks.ts';
import { openRoot, type StorageRoot, tryOpenRoot } from './root.ts';
import { type ImageRow, type LayerRow, readSnapshot, type StoreSnapshot } from './snapshot.ts';

/**
 * A containers-storage opened for reading: its graph roots, and their records as of the last reading. Reading creates and changes nothing.
 */
export class ContainersStore implements Disposable {
  readonly roots: readonly StorageRoot[];
  #snapshot: StoreSnapshot;

  constructor(roots: readonly StorageRoot[], snapshot: StoreSnapshot) {
    this.roots = roots;
    this.#snapshot = snapshot;
  }

  get snapshot(): StoreSnapshot {
    return this.#snapshot;
  }

  /** Its graph root, for messages. */
  get label(): string {
    return this.roots[0]?.dir.label ?? '';
  }

  /** Reads the records again. @throws as `openContainersStore` */
  async refresh(options: StoreLockOptions = {}): Promise<void> {
    this.#snapshot = await readSnapshot(this.roots, options);
  }

  /** Finds an image by name or id, see `findImage`. @throws NotFoundError TAG_NOT_FOUND; ConflictError IMAGE_AMBIGUOUS */
  findImage(name: string): FoundImage {
    return findImage(this.#snapshot, name, this.label);
  }

  /** Finds the image with a manifest of this digest. */
  findByDigest(digest: ContentDigest): ImageRow | undefined {
    return this.#snapshot.images.find((row) => digestsOf(row).includes(digest));
  }

  /**
   * Reads the bytes of the manifest that an image is stored with, or of the manifest with the wanted digest; for a manifest list, the list.
   * @throws NotFoundError BLOB_NOT_FOUND; IntegrityError BLOB_DIGEST_MISMATCH; FormatError OCI_DOCUMENT_TOO_LARGE
   */
  readManifest(image: ImageRow, wanted?: ContentDigest): Uint8Array {
    const { record } = image;
    const isWanted = (key: string) => record.bigDataDigests.get(key) === wanted;
    const named = record.bigDataNames.filter((key) => key.startsWith('manifest'));
    const keys =
      wanted === undefined
        ? ['manifest']
        : [...named.filter(isWanted), `manifest-${wanted}`, 'manifest'];
    for (const key of keys) {
      const bytes = this.tryReadBigData(image, key);
      if (bytes === undefined) continue;
      if (wanted === undefined || digestLike(bytes, wanted) === wanted) return bytes;
    }
    throw missingItem(image, wanted === undefined ? 'manifest' : `manifest-${wanted}`);
  }

  /**
   * Reads a big data item of an image, and verifies the digest in its record; undefined when the item is missing.
   * @throws IntegrityError BLOB_DIGEST_MISMATCH; FormatError OCI_DOCUMENT_TOO_LARGE
   */
  tryReadBigData({ record, root }: ImageRow, key: string): Uint8Array | undefined {
    const name = bigDataFileName(key);
    if (name === undefined) return undefined;
    using file = root.dir.tryOpenFile(root.pathOf('images', `${record.id}/${name}`));
    if (file === undefined) return undefined;
    const bytes = readAll(file, MANIFEST_MAX_BYTES);
    const expected = record.bigDataDigests.get(key);
    if (expected !== undefined) requireDigest(bytes, expected, file.label);
    return bytes;
  }

  /** The layers of an image, base first. @throws BusyError STORE_LAYER_GONE; FormatError CONTAINERS_RECORDS_INVALID */
  chainOf({ record }: ImageRow): readonly LayerRow[] {
    const chain: LayerRow[] = [];
    for (let id = record.layer; id !== undefined; ) {
      const row = this.#snapshot.layers.get(id);
      if (row === undefined) throw layerMissing(id, this.label);
      if (chain.length === LAYER_DEPTH_MAX) throw tooDeep(record.id);
      chain.unshift(row);
      id = row.record.parent;
    }
    return chain;
  }

  /**
   * Opens a layer of an image: the layer at the position if the chain fits the diff ids of the config, else any layer of this diff id. The files
   * need not match the diff id: the reader verifies them.
   * @throws BusyError STORE_LAYER_GONE; as `openLayerFiles`
   */
  openLayer(image: ImageRow, diffIds: readonly DiffId[], position: number): LayerFiles {
    const diffId = diffIds[position];
    const chain = this.chainOf(image);
    const own = chain.length === diffIds.length ? chain[position] : undefined;
    const isOwn = own?.record.diffId === undefined || own.record.diffId === diffId;
    const row =
      own !== undefined && isOwn
        ? own
        : [...chain, ...this.#snapshot.layers.values()].find(
            ({ record }) => record.diffId === diffId,
          );
    if (row === undefined) throw layerMissing(diffId ?? '', this.label);
    return openLayerFiles(row, this.roots);
  }

  /**
   * The folders with the files of image layers, below their graph roots; layers of containers are excluded.
   * @param onBroken called with the problem of an image with missing layers
   */
  imageFolders(onBroken: (problem: string) => void): Map<StorageRoot, Set<string>> {
    const folders = new Map<StorageRoot, Set<string>>();
    for (const image of this.#snapshot.images) {
      try {
        for (const { root, record } of this.chainOf(image)) {
          const known = folders.get(root) ?? new Set();
          folders.set(root, known.add(diffFolder(root.driver, record.id)));
        }
      } catch (error) {
        if (!isOnecopyError(error)) throw error;
        onBroken(error.message);
      }
    }
    return folders;
  }

  /**
   * Opens a layer of an image by its index in the chain, base first, as containers/storage numbers layers that it serves.
   * @returns undefined if the chain has no such index
   * @throws as `chainOf` and `openLayerFiles`
   */
  tryOpenLayerAt(image: ImageRow, index: number): LayerFiles | undefined {
    const row = this.chainOf(image)[index];
    return row === undefined ? undefined : openLayerFiles(row, this.roots);
  }

  /** Opens a layer by its id. @throws BusyError STORE_LAYER_GONE; as `openLayerFiles` */
  openLayerById(id: string): LayerFiles {
    const row = this.#snapshot.layers.get(id);
    if (row === undefined) throw layerMissing(id, this.label);
    return openLayerFiles(row, this.roots);
  }

  [Symbol.dispose](): void {
    for (const root of this.roots) root[Symbol.dispose]();
  }
}

/**
 * Opens a store and reads its records. The graph root or the image store must exist; missing additional stores are skipped.
 * @throws NotFoundError IMAGE_SOURCE_NOT_FOUND; UnsupportedError STORE_DRIVER_UNSUPPORTED; BusyError STORE_LOCKED; FormatError
 *   CONTAINERS_RECORDS_INVALID; HostError
 */
export async function openContainersStore(
  places: StoragePlaces,
  options: StoreLockOptions = {},
): Promise<ContainersStore> {
  const roots: StorageRoot[] = [];
  try {
    const primary = openRoot(places.graphRoot, 'primary', places.driver);
    const { driver } = primary;
    const separate = places.imageStore;
    if (separate !== undefined) {
      const root = tryOpenRoot(separate, 'image-store', driver);
      if (root !== undefined) roots.push(root);
    }
    roots.push(primary);
    for (const path of places.additionalImageStores) {
      const root = tryOpenRoot(path, 'additional', driver);
      if (root !== undefined) roots.push(root);
    }
    return new ContainersStore(roots, await readSnapshot(roots, options));
  } catch (error) {
    for (const root of roots) root[Symbol.dispose]();
    throw error;
  }
}

function digestLike(bytes: Uint8Array, digest: ContentDigest): ContentDigest {
  return computeContentDigest(bytes, algorithmOf(digest));
}

function requireDigest(bytes: Uint8Array, expected: ContentDigest, label: string): void {
  const found = digestLike(bytes, expected);
  if (found === expected) return;
  throw new IntegrityError(
    'BLOB_DIGEST_MISMATCH',
    `Cannot read "${label}": expected ${expected}, found ${found}`,
    { expected, found },
    { hint: 'The image is damaged in its store: podman rmi it, and pull it again' },
  );
}

function missingItem({ record, root }: ImageRow, key: string): NotFoundError {
  return new NotFoundError(
    'BLOB_NOT_FOUND',
    `Cannot read image ${record.id} of "${root.dir.label}": expected its "${key}", found nothing`,
    { digest: key, source: root.dir.label },
    { hint: 'A pull was interrupted: podman rmi it, and pull it again' },
  );
}

function tooDeep(id: string): FormatError {
  return new FormatError(
    'CONTAINERS_RECORDS_INVALID',
    `Cannot read image ${id}: expected at most ${LAYER_DEPTH_MAX} layers, found more or a circle`,
    { offset: 0, what: 'layers.json', expected: LAYER_DEPTH_MAX, found: 'more' },
  );
}
