import type { ByteString } from '#base/bytes';
import type { Leaf, Stat, Tree } from '#formats/tree';

/** What an entry of a layer is. Leaves carry their own stat. */
export type LayerNode =
  | { readonly kind: 'directory'; readonly stat: Stat }
  | { readonly kind: 'hardlink'; readonly target: ByteString }
  | { readonly kind: 'leaf'; readonly leaf: Leaf };

/** One entry of a layer, in the order of its tar. `path` is as stored: `./usr/bin/`, `/usr/bin` and `usr/bin` are one. */
export interface LayerEntry {
  readonly path: ByteString;
  readonly node: LayerNode;
}

/**
 * Stacks layers into one tree, entry by entry, bottom layer first.
 */
export class LayerStack {
  /** Starts the next layer; `name` (its diff id) is said in errors. */
  beginLayer(_name: string): void {
    throw new Error('soon');
  }

  /** Applies the next entry of the current layer. @throws FormatError LAYER_PATH_INVALID, LAYER_LINK_INVALID */
  apply(_entry: LayerEntry): void {
    throw new Error('soon');
  }

  /** The tree so far, without orphans; the stack must not be used afterwards. */
  finish(): Tree {
    throw new Error('soon');
  }
}
