import { algorithmOf, type ContentDigest, computeContentDigest } from '#base/digest';
import { NotFoundError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { StoragePlaces } from '#formats/containers-config';
import {
  type ContainersReference,
  type Descriptor,
  formatReference,
  type ImageIndex,
  type Manifest,
  parseManifest,
  type ResolvedImage,
  type ResolveOptions,
  resolveImage,
} from '#formats/oci';
import {
  type ContainersStore,
  digestsOf,
  type FoundImage,
  type ImageRow,
  type LayerFiles,
  openContainersStore,
} from '#stores/containers';
import { locateStore } from './locate.ts';

/**
 * An image of containers-storage as a pull reads it: manifest and config from its records, layers as tar-split and files. There are no blobs.
 */
export class ContainersSource implements Disposable {
  readonly #store: ContainersStore;
  readonly #image: FoundImage;
  readonly #label: string;
  /** The image that was resolved: members of a manifest list are images of their own. */
  #row: ImageRow;
  #resolved: ResolvedImage | undefined;

  constructor(store: ContainersStore, image: FoundImage, label: string) {
    this.#store = store;
    this.#image = image;
    this.#row = image;
    this.#label = label;
  }

  /** What a user should hear once: records that could not be read. */
  get warnings(): readonly string[] {
    return this.#store.snapshot.damaged.map(
      ({ path, problem }) => `"${path}" is damaged: ${problem}`,
    );
  }

  /** Chooses the image; of a manifest list the member for the platform, which must be in the store too. @throws as `resolveImage` */
  resolve(options: ResolveOptions = {}): ResolvedImage {
    const bytes = this.#store.readManifest(this.#image, this.#image.wanted);
    const document = parseManifest(bytes);
    const { digest } = document;
    const search = resolveImage(this.#candidates(document), options);
    let step = search.next();
    while (step.done !== true) {
      const wanted: Descriptor = step.value.descriptor;
      step = search.next(wanted.digest === digest ? bytes : this.#document(wanted.digest));
    }
    const { manifest } = step.value;
    const isOwn = manifest.digest === digest;
    this.#row = (isOwn ? undefined : this.#store.findByDigest(manifest.digest)) ?? this.#image;
    const indexes = step.value.indexes.length > 0 ? step.value.indexes : this.#pulledThrough();
    this.#resolved = { ...step.value, indexes };
    return this.#resolved;
  }

  /** The index that the image was pulled through, whose digest is that of its record. */
  #pulledThrough(): readonly ImageIndex[] {
    const { digest } = this.#row.record;
    const bytes =
      digest === undefined
        ? undefined
        : this.#store.tryReadBigData(this.#row, `manifest-${digest}`);
    if (digest === undefined || bytes === undefined) return [];
    const document = parseManifest(bytes);
    const isIt = document.kind === 'index' && digestOf(bytes, digest) === digest;
    return isIt ? [{ ...document, digest }] : [];
  }

  /** The image, or those members of a manifest list that are in the store, too: others are at the registries that the list names. */
  #candidates(document: Manifest | ImageIndex): readonly Descriptor[] {
    if (document.kind === 'manifest') {
      const { mediaType, digest, bytes } = document;
      return [{ mediaType, digest, sizeBytes: bytes.length, annotations: new Map(), urls: [] }];
    }
    const members = document.manifests.filter(({ digest }) => this.#store.findByDigest(digest));
    if (members.length > 0) return members;
    throw new NotFoundError(
      'BLOB_NOT_FOUND',
      `Cannot pull manifest list "${this.#label}": expected one of its ${document.manifests.length} images in the store, found none`,
      { digest: document.digest, source: this.#label },
      { hint: 'Pull the images of the list with podman, or pull the list from its registry' },
    );
  }

  /** A manifest of the store, or the config of an image. */
  #document(digest: ContentDigest): Uint8Array {
    const own = this.#store.tryReadBigData(this.#image, digest);
    if (own !== undefined) return own;
    const isOf = (row: ImageRow) =>
      digestsOf(row).includes(digest) || row.record.bigDataNames.includes(digest);
    for (const row of this.#store.snapshot.images.filter(isOf)) {
      const config = this.#store.tryReadBigData(row, digest);
      if (config !== undefined) return config;
      for (const key of [`manifest-${digest}`, 'manifest']) {
        const bytes = this.#store.tryReadBigData(row, key);
        if (bytes !== undefined && digestOf(bytes, digest) === digest) return bytes;
      }
    }
    throw this.#notFound(digest);
  }

  /**
   * Opens a layer of the image that was resolved.
   * @throws BusyError STORE_LAYER_GONE; UnsupportedError TAR_SPLIT_MISSING; FormatError; HostError
   */
  openLayer(position: number): LayerFiles {
    return this.#store.openLayer(this.#row, this.#resolved?.config?.diffIds ?? [], position);
  }

  /** There are no blobs: layers are opened as files. @throws NotFoundError BLOB_NOT_FOUND */
  openBlob(digest: ContentDigest): never {
    throw this.#notFound(digest);
  }

  #notFound(digest: ContentDigest): NotFoundError {
    return new NotFoundError(
      'BLOB_NOT_FOUND',
      `Cannot find ${digest} in "${this.#label}": containers-storage keeps no blob of this digest`,
      { digest, source: this.#label },
      {
        hint: 'Layers are stored unpacked: their blobs are only at the registry that they came from',
      },
    );
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** An image of a store, for lists. */
export interface StoredImage {
  readonly id: string;
  readonly names: readonly string[];
  /** A manifest list: its images are images of their own, or at registries. */
  readonly isList: boolean;
}

/** The images of a store, in the order of its records. @throws as `openContainersStore` */
export async function listStoredImages(
  places: StoragePlaces,
  options: OperationOptions = {},
): Promise<readonly StoredImage[]> {
  using store = await openContainersStore(places, options);
  return store.snapshot.images.map(({ record }) => {
    const { id, names, bigDataNames, layer } = record;
    return { id, names, isList: layer === undefined && bigDataNames.includes('instances.json') };
  });
}

/** Opens an image of a store by its id. @throws as `openContainersSource` */
export async function openStoredImage(
  places: StoragePlaces,
  id: string,
  options: OperationOptions = {},
): Promise<ContainersSource> {
  return open(places, `@${id}`, `containers-storage:[${places.graphRoot}]@${id}`, options);
}

/**
 * Opens the image that a reference names.
 * @throws as `locateStore`, `openContainersStore`; NotFoundError TAG_NOT_FOUND; ConflictError IMAGE_AMBIGUOUS
 */
export async function openContainersSource(
  reference: ContainersReference,
  options: OperationOptions = {},
): Promise<ContainersSource> {
  const places = await locateStore(reference);
  return await open(places, reference.name, formatReference(reference), options);
}

async function open(
  places: StoragePlaces,
  name: string,
  label: string,
  options: OperationOptions,
): Promise<ContainersSource> {
  const store = await openContainersStore(places, options);
  try {
    return new ContainersSource(store, store.findImage(name), label);
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
}

function digestOf(bytes: Uint8Array, like: ContentDigest): ContentDigest {
  return computeContentDigest(bytes, algorithmOf(like));
}
