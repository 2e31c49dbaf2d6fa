import assert from 'node:assert';
import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { entryWeight, type LayerDifferences, LayerStack, type StackOptions } from '#formats/oci';
import type { StoredTarEntry } from '#formats/tar';
import type { Tree } from '#formats/tree';
import type { EntryListener } from '#work/ingest';

/** Reads the entries of a stored layer back. */
export type ReplayLayer = (id: ObjectId) => Iterable<StoredTarEntry>;

/** One layer on its way into the tree. */
interface FeedLayer {
  readonly name: DiffId | ContentDigest;
  /** Entries that came before their turn. */
  kept: StoredTarEntry[];
  isImported: boolean;
  isComplete: boolean;
  /** So many were kept that the layer is read back instead when its turn has come. */
  isDropped: boolean;
}

/** Most entries that are kept for later, of all layers together; counted as the limit of an image counts them. */
const KEPT_ENTRIES_MAX = 100_000;

/**
 * Stacks layers in their order although they are imported in another one. The entries of the lowest layers go into the tree while they
 * are split; those of layers above a missing one are kept until it is there; layers that are stored already are read back, and so are
 * those of which too much would have to be kept.
 */
export class StackFeed {
  readonly #stack: LayerStack;
  readonly #layers: readonly FeedLayer[];
  /** The lowest layer that is not completely stacked. */
  #position = 0;
  #keptCount = 0;
  readonly #keptMax: number;

  /** `keptMax`: entries that may be kept for later. */
  constructor(
    names: readonly (DiffId | ContentDigest)[],
    { keptMax = KEPT_ENTRIES_MAX, ...options }: StackOptions & { readonly keptMax?: number } = {},
  ) {
    this.#keptMax = keptMax;
    this.#stack = new LayerStack(options);
    this.#layers = names.map((name) => ({
      name,
      kept: [],
      isImported: false,
      isComplete: false,
      isDropped: false,
    }));
    this.#begin();
  }

  /** Where composefs-rs would read the layers differently; complete after `finish`. */
  get differences(): LayerDifferences {
    return this.#stack.differences;
  }

  /** Takes the entries of one layer while it is imported. */
  listener(position: number): EntryListener {
    const layer = this.#layers[position];
    assert(layer !== undefined, 'there is no such layer');
    layer.isImported = true;
    return (entry, content) => {
      if (layer.isDropped) return;
      if (position === this.#position) this.#stack.apply(entry, content);
      else this.#keep(layer, { entry, content });
    };
  }

  #keep(layer: FeedLayer, stored: StoredTarEntry): void {
    const { entry, content } = stored;
    this.#keptCount += entryWeight(entry, content.kind === 'inline' ? content.bytes.length : 0);
    if (this.#keptCount <= this.#keptMax) {
      layer.kept.push(stored);
      return;
    }
    for (const other of this.#layers.slice(this.#position + 1)) {
      if (other.kept.length === 0 && other !== layer) continue;
      other.kept = [];
      other.isDropped = true;
      other.isImported = false;
      other.isComplete = false;
    }
    this.#keptCount = 0;
  }

  /** The import of a layer is complete: what that unblocks is stacked. @throws as `LayerStack.apply` */
  complete(position: number): void {
    const completed = this.#layers[position];
    if (completed?.isDropped === false) completed.isComplete = true;
    while (this.#layers[this.#position]?.isComplete === true) this.#next();
  }

  /**
   * Stacks what is left, reading back the layers that were not imported, and makes the tree of the image.
   * @throws as `LayerStack.apply` and `replay`
   */
  finish(idOf: (position: number) => ObjectId, replay: ReplayLayer): Tree {
    for (; this.#position < this.#layers.length; this.#next()) {
      if (this.#layers[this.#position]?.isImported === true) continue;
      for (const { entry, content } of replay(idOf(this.#position))) {
        this.#stack.apply(entry, content);
      }
    }
    return this.#stack.finishImage();
  }

  #next(): void {
    this.#position += 1;
    this.#begin();
  }

  /** Names the layer whose turn it is and stacks what has been kept of it. */
  #begin(): void {
    const layer = this.#layers[this.#position];
    if (layer === undefined) return;
    this.#stack.beginLayer(layer.name);
    const { kept } = layer;
    layer.kept = [];
    for (const { entry, content } of kept) this.#stack.apply(entry, content);
  }
}
