import assert from 'node:assert';
import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { STEP_ITEMS, type Steps } from '#base/flow';
import { entryWeight, type LayerDifferences, LayerStack, type StackOptions } from '#formats/oci';
import type { StoredTarEntry } from '#formats/tar';
import type { Tree } from '#formats/tree';
import type { EntryListener } from '#work/ingest';

/** Reads the entries of a stored layer. */
export type ReplayLayer = (id: ObjectId) => Iterable<StoredTarEntry>;

/** The state of one layer. */
interface FeedLayer {
  readonly name: DiffId | ContentDigest;
  /** Buffered entries. */
  kept: StoredTarEntry[];
  isImported: boolean;
  isComplete: boolean;
  /** True if too many entries arrived: the layer is then read from its stream. */
  isDropped: boolean;
}

/** Largest number of buffered entries of all layers, counted like the limit of an image. */
const KEPT_ENTRIES_MAX = 100_000;

/**
 * Merges layers in order, although they are imported in another order. Entries of the lowest incomplete layer are merged while it is split;
 * entries of later layers are buffered. Stored layers, and layers with too many entries to buffer, are read from their streams.
 */
export class StackFeed {
  readonly #stack: LayerStack;
  readonly #layers: readonly FeedLayer[];
  /** The lowest layer that is not completely merged. */
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

  /** Ends the import of a layer, and merges the layers that waited for it. @throws as `LayerStack.apply` */
  complete(position: number): void {
    const completed = this.#layers[position];
    if (completed?.isDropped === false) completed.isComplete = true;
    while (this.#layers[this.#position]?.isComplete === true) this.#next();
  }

  /**
   * Merges the remaining layers, reads those that were not imported, and returns the tree of the image.
   * @throws as `LayerStack.apply` and `replay`
   */
  *finish(idOf: (position: number) => ObjectId, replay: ReplayLayer): Steps<Tree> {
    for (; this.#position < this.#layers.length; this.#next()) {
      if (this.#layers[this.#position]?.isImported === true) continue;
      let entries = 0;
      for (const { entry, content } of replay(idOf(this.#position))) {
        if (entries % STEP_ITEMS === 0) yield;
        entries += 1;
        this.#stack.apply(entry, content);
      }
    }
    return yield* this.#stack.finishImageInSteps();
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
