import type { ByteString } from '#base/bytes';
import { Directory, type Stat, UNSET_STAT } from '#formats/tree';

/**
 * Metadata of directories that no layer describes: the parents of an entry that came alone, and a root without `./` in an
 * image without `/usr`. Mode and owner are what podman and Docker give them; they use the time of unpacking as mtime, which
 * would make every pull another image, so it is the epoch here.
 */
export const IMPLIED_STAT: Stat = { ...UNSET_STAT, mode: 0o755 };

/** The layer describes the directory. */
const DESCRIBED = 1;
/** The directory holds nothing of lower layers, or nothing any more. */
const CLEAN = 2;

/**
 * Tells what the layer at hand brought from what lower layers did, because a whiteout hides only the latter, wherever in its layer it
 * stands. Every directory is cleaned at most once a layer. Memory: one map entry a directory that the layer touches.
 * Source: image-spec layer.md, "Whiteouts".
 */
export class LayerMarks {
  /** Undefined while the lowest layer is stacked: everything is its own. */
  #firstLeaf: number | undefined;
  #isLowest = true;
  readonly #directories = new Map<Directory, number>();
  /** Names that the layer gave to leaves of lower layers. */
  readonly #links = new Map<Directory, Set<ByteString>>();

  /** Starts the next layer; leaves from `firstLeaf` on will be its own. */
  beginLayer(firstLeaf: number): void {
    this.#isLowest = this.#firstLeaf === undefined;
    this.#firstLeaf = firstLeaf;
    this.#directories.clear();
    this.#links.clear();
  }

  /** The layer made this directory: as a parent, or with metadata of its own. */
  made(directory: Directory, isDescribed: boolean): void {
    if (!this.#isLowest) this.#directories.set(directory, isDescribed ? DESCRIBED | CLEAN : CLEAN);
  }

  /** The layer gives metadata to a directory that was there. */
  described(directory: Directory): void {
    if (!this.#isLowest) this.#mark(directory, DESCRIBED);
  }

  /** The layer puts a leaf there. */
  placed(parent: Directory, name: ByteString, leaf: number): void {
    if (this.#isLowest || leaf >= (this.#firstLeaf ?? 0)) return;
    const names = this.#links.get(parent) ?? new Set();
    this.#links.set(parent, names.add(name));
  }

  /** Takes away what lower layers put under this name; true when something of this layer stays. */
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

  /** Takes away what lower layers put into a directory; true when something of this layer stays. */
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
