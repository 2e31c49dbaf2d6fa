import type { ByteString } from '#base/bytes';
import { Directory, type Stat, UNSET_STAT } from '#formats/tree';

/**
 * Metadata of directories that no layer describes: parents that no layer lists, and a root without `./` in an
 * image without `/usr`. Mode and owner equal podman's and Docker's. Their mtime is the time of unpacking, which would make
 * every pull a different image; here it is the epoch.
 */
export const IMPLIED_STAT: Stat = { ...UNSET_STAT, mode: 0o755 };

/** The layer describes the directory. */
const DESCRIBED = 1;
/** The directory holds nothing of lower layers. */
const CLEAN = 2;

/**
 * Tells entries of the current layer from those of lower layers: a whiteout hides only entries of lower layers, at any position in its
 * layer. Every directory is cleaned at most once a layer. Memory: one map entry for each directory that the layer touches.
 * Source: image-spec layer.md, "Whiteouts".
 */
export class LayerMarks {
  /** Undefined while the lowest layer is stacked: it has no lower layers. */
  #firstLeaf: number | undefined;
  #isLowest = true;
  readonly #directories = new Map<Directory, number>();
  /** Names under which the layer links to leaves of lower layers. */
  readonly #links = new Map<Directory, Set<ByteString>>();

  /** Starts the next layer; leaves from `firstLeaf` on belong to it. */
  beginLayer(firstLeaf: number): void {
    this.#isLowest = this.#firstLeaf === undefined;
    this.#firstLeaf = firstLeaf;
    this.#directories.clear();
    this.#links.clear();
  }

  /** The layer created this directory: as a parent, or with its own metadata. */
  made(directory: Directory, isDescribed: boolean): void {
    if (!this.#isLowest) this.#directories.set(directory, isDescribed ? DESCRIBED | CLEAN : CLEAN);
  }

  /** The layer sets the metadata of an existing directory. */
  described(directory: Directory): void {
    if (!this.#isLowest) this.#mark(directory, DESCRIBED);
  }

  /** The layer places a leaf under this name. */
  placed(parent: Directory, name: ByteString, leaf: number): void {
    if (this.#isLowest || leaf >= (this.#firstLeaf ?? 0)) return;
    const names = this.#links.get(parent) ?? new Set();
    this.#links.set(parent, names.add(name));
  }

  /** Removes the entries of lower layers under this name; true when an entry of this layer stays. */
  hide(parent: Directory, name: ByteString): boolean {
    const inode = parent.entries.get(name);
    if (inode === undefined) return false;
    if (this.#isLowest) return true;
    if (inode instanceof Directory) {
      const isDescribed = (this.#stateOf(inode) & DESCRIBED) !== 0;
      if (this.hideChildren(inode) && !isDescribed) inode.stat = IMPLIED_STAT;
      if (isDescribed || inode.entries.size > 0) return true;
    } else if (inode >= (this.#firstLeaf ?? 0) || this.#links.get(parent)?.has(name) === true) {
      return true;
    }
    parent.entries.delete(name);
    return false;
  }

  /** Removes the entries of lower layers from a directory; true when an entry of this layer stays. */
  hideChildren(directory: Directory): boolean {
    if (!this.#isLowest && (this.#stateOf(directory) & CLEAN) === 0) {
      this.#mark(directory, CLEAN);
      for (const name of directory.entries.keys()) this.hide(directory, name);
    }
    return directory.entries.size > 0;
  }

  #mark(directory: Directory, flag: number): void {
    this.#directories.set(directory, this.#stateOf(directory) | flag);
  }

  #stateOf(directory: Directory): number {
    return this.#directories.get(directory) ?? 0;
  }
}
