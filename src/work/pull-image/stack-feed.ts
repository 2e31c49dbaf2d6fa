import assert from 'node:assert';
import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { type LayerDifferences, LayerStack, type StackOptions } from '#formats/oci';
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
}

/**
 * Stacks layers in their order although they are imported in another one. The entries of the lowest layers go into the tree while they
 * are split; those of layers above a missing one are kept until it is there; layers that are stored already are read back.
 */
export class StackFeed {
  readonly #stack: LayerStack;
  readonly #layers: readonly FeedLayer[];
  /** The lowest layer that is not completely stacked. */
  #position = 0;

  constructor(names: readonly (DiffId | ContentDigest)[], options?: StackOptions) {
    this.#stack = new LayerStack(options);
    this.#layers = names.map((name) => ({ name, kept: [], isImported: false, isComplete: false }));
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
      if (position === this.#position) this.#stack.apply(entry, content);
      else layer.kept.push({ entry, content });
    };
  }

  /** The import of a layer is complete: what that unblocks is stacked. @throws as `LayerStack.apply` */
  complete(position: number): void {
    const completed = this.#layers[position];
    if (completed !== undefined) completed.isComplete = true;
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
