import { setImmediate as immediate } from 'node:timers/promises';
import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { ContainersReference } from '#formats/oci';
import {
  type ContainersStore,
  type LayerFiles,
  openContainersStore,
  openLayerFile,
} from '#stores/containers';
import { locateStore } from '#work/containers';
import { type Candidate, Candidates, type ContentSearch } from '#work/contents';
import type { ForeignContents } from './open.ts';
import { placeOfFile } from './place.ts';

/** Maximum number of layers that are held open for one pull; each needs two descriptors. */
const LAYERS_MAX = 200;
/** Maximum number of files that are recorded for one pull; each needs some 200 bytes of memory. */
const FILES_MAX = 500_000;

/** The layers of all images of a containers-storage, including its additional stores. */
export class ContainersContents implements ForeignContents {
  readonly #store: ContainersStore;
  readonly #layers: LayerFiles[] = [];
  /** The files of all layers, collected on first use and shared: layers of an image are planned concurrently. */
  #files: Promise<readonly Candidate[]> | undefined;

  private constructor(store: ContainersStore) {
    this.#store = store;
  }

  /** @throws as `openContainersStore` */
  static async open(
    reference: ContainersReference,
    options: Pick<OperationOptions, 'signal'>,
  ): Promise<ContainersContents> {
    return new ContainersContents(await openContainersStore(await locateStore(reference), options));
  }

  async offer(search: ContentSearch): Promise<void> {
    this.#files ??= this.#gather();
    const candidates = new Candidates(search);
    for (const file of await this.#files) candidates.add(file);
    await candidates.offerContents();
  }

  async #gather(): Promise<Candidate[]> {
    this.#openLayers();
    const files: Candidate[] = [];
    for (const layer of this.#layers) {
      try {
        await gather(layer, files);
      } catch (error) {
        // A layer that is damaged, or removed meanwhile, offers nothing more.
        if (!isOnecopyError(error)) throw error;
      }
    }
    return files;
  }

  #openLayers(): void {
    const layers = this.#layers;
    const seen = new Set<string>();
    for (const image of this.#store.snapshot.images) {
      for (const [index, { record }] of this.#chainOf(image).entries()) {
        if (seen.has(record.id) || layers.length === LAYERS_MAX) continue;
        seen.add(record.id);
        try {
          const layer = this.#store.tryOpenLayerAt(image, index);
          if (layer !== undefined) layers.push(layer);
        } catch (error) {
          if (!isOnecopyError(error)) throw error;
        }
      }
    }
  }

  #chainOf(
    image: Parameters<ContainersStore['chainOf']>[0],
  ): ReturnType<ContainersStore['chainOf']> {
    try {
      return this.#store.chainOf(image);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return [];
    }
  }

  [Symbol.dispose](): void {
    for (const layer of this.#layers) layer[Symbol.dispose]();
    this.#store[Symbol.dispose]();
  }
}

async function gather(layer: LayerFiles, files: Candidate[]): Promise<void> {
  for await (const parts of layer.parts()) {
    for (const part of parts) {
      if (part.kind !== 'file') continue;
      if (files.length === FILES_MAX) return;
      const { path, sizeBytes } = part;
      const open = () => openLayerFile(layer.content, path);
      files.push({ path, sizeBytes, place: () => placeOfFile(sizeBytes, open) });
    }
    await immediate();
  }
}
