import { type ByteString, displayText } from '#base/bytes';
import { FormatError } from '#base/errors';
import { checkTarEntry, type StoredContent, type TarEntry } from '#formats/tar';
import {
  Directory,
  type Inode,
  type Leaf,
  mergeEntry,
  NO_XATTRS,
  type Stat,
  Tree,
  transformForOci,
  UNSET_STAT,
  type XattrMode,
} from '#formats/tree';
import { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from './layout.ts';

/**
 * Metadata of directories that no layer describes: the parents of an entry that came alone, and a root without `./` in an
 * image without `/usr`. Mode and owner are what podman and Docker give them; they use the time of unpacking as mtime, which
 * would make every pull another image, so it is the epoch here.
 */
const IMPLIED_STAT: Stat = { ...UNSET_STAT, mode: 0o755 };

/**
 * Stacks layers into one tree, entry by entry, bottom layer first. What composefs-rs accepts gives its tree, entry order
 * included: an opaque mark clears what its directory holds at that moment, even from the same layer, and a whiteout also
 * hits entries of its own layer. What it refuses for want of a parent directory succeeds here. Names are looked up in the
 * tree only and no symlink is ever followed, so no entry can leave the image.
 * Source: image-spec layer.md; composefs-rs 0.9 as recorded in test/golden/cfsctl/oci.
 */
export class LayerStack {
  readonly #tree = new Tree();
  #layer = '';
  /** Directory of the last entry: the entries of a layer mostly follow each other. Dropped when a directory goes. */
  #lastParent: { readonly path: string; readonly directory: Directory } | undefined;

  /** Starts the next layer; `name` (its diff id) is said in errors. */
  beginLayer(name: string): void {
    this.#layer = name;
  }

  /**
   * Applies the next entry of the current layer. `content` is the payload of a file; for a sparse member it must be the
   * expanded file, holes and all. It is not looked at for other types.
   * @throws FormatError LAYER_PATH_INVALID (a parent that is no directory), LAYER_LINK_INVALID, and as `checkTarEntry`
   */
  apply(entry: TarEntry, content: StoredContent): void {
    checkTarEntry(entry);
    const { path } = entry;
    if (path === '/') {
      this.#describeRoot(entry);
      return;
    }
    const cut = path.lastIndexOf('/');
    const name = path.slice(cut + 1) as ByteString;
    const isWhiteout = name.startsWith(WHITEOUT_PREFIX);
    const parent = this.#parentOf(entry, path.slice(0, cut), !isWhiteout);
    if (parent === undefined) return;
    if (isWhiteout) this.#whiteOut(parent, name);
    else this.#place(parent, name, this.#inodeOf(entry, content));
  }

  /** The tree as stacked, orphans included; the stack must not be used afterwards. */
  finish(): Tree {
    return this.#tree;
  }

  /**
   * The tree of the image: stacked, then made canonical (root metadata from `/usr`, empty `/run`, xattr filter). Images
   * without `/usr`, or whose `/run` is no directory, keep their root and `/run` as the layers made them.
   */
  finishImage(options: { readonly xattrs?: XattrMode | 'all' } = {}): Tree {
    const tree = this.#tree;
    if (tree.root.stat === UNSET_STAT) tree.root.stat = IMPLIED_STAT;
    transformForOci(tree, { ...options, onMissing: 'leave' });
    return tree;
  }

  #describeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') {
      throw this.#pathError(entry, `expected a directory as root, found ${entry.type}`);
    }
    this.#tree.root.stat = statOfEntry(entry);
  }

  /** The directory with this path; made on the way when `create`, else undefined where it is missing. */
  #parentOf(entry: TarEntry, path: string, create: boolean): Directory | undefined {
    if (this.#lastParent?.path === path) return this.#lastParent.directory;
    let at = this.#tree.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      // Below `.wh..wh.plnk` and its like AUFS kept its own records; they are no part of any image.
      if (name.startsWith(WHITEOUT_PREFIX)) return undefined;
      const next = at.entries.get(name as ByteString);
      if (next instanceof Directory) {
        at = next;
      } else if (next !== undefined) {
        throw this.#pathError(
          entry,
          `expected "${displayText(name as ByteString)}" to be a directory`,
        );
      } else if (create) {
        const made = new Directory(IMPLIED_STAT);
        at.entries.set(name as ByteString, made);
        at = made;
      } else {
        return undefined;
      }
    }
    this.#lastParent = { path, directory: at };
    return at;
  }

  #whiteOut(parent: Directory, name: ByteString): void {
    this.#lastParent = undefined;
    if (name === OPAQUE_WHITEOUT) parent.entries.clear();
    else parent.entries.delete(name.slice(WHITEOUT_PREFIX.length) as ByteString);
  }

  #place(parent: Directory, name: ByteString, inode: Inode): void {
    if (typeof inode === 'number' && parent.entries.get(name) instanceof Directory) {
      this.#lastParent = undefined;
    }
    mergeEntry(parent, name, inode);
  }

  #inodeOf(entry: TarEntry, content: StoredContent): Inode {
    if (entry.type === 'directory') return new Directory(statOfEntry(entry));
    if (entry.type === 'hardlink') return this.#linkTarget(entry);
    return this.#tree.addLeaf(this.#leafOf(entry, content));
  }

  #linkTarget(entry: TarEntry): number {
    let at: Inode | undefined = this.#tree.root;
    for (const name of entry.linkTarget.split('/')) {
      if (name === '') continue;
      at = at instanceof Directory ? at.entries.get(name as ByteString) : undefined;
    }
    if (typeof at === 'number') return at;
    const found = at === undefined ? 'nothing' : 'a directory';
    throw new FormatError(
      'LAYER_LINK_INVALID',
      `Cannot link "${displayText(entry.path)}" in layer ${this.#layer}: expected a file at "${displayText(entry.linkTarget)}", found ${found}`,
      { offset: entry.offset, what: `layer ${this.#layer}`, path: displayText(entry.path) },
    );
  }

  #leafOf(entry: TarEntry, content: StoredContent): Leaf {
    const stat = statOfEntry(entry);
    switch (entry.type) {
      case 'file':
        return content.kind === 'inline'
          ? { kind: 'inline', stat, content: content.bytes }
          : { kind: 'external', stat, id: content.id, sizeBytes: content.sizeBytes };
      case 'symlink':
        return { kind: 'symlink', stat, target: entry.linkTarget };
      case 'chr':
      case 'blk':
        return { kind: entry.type, stat, rdev: deviceNumber(entry.rdevMajor, entry.rdevMinor) };
      default:
        // The other types are directories and hard links, which are no leaves, and unknown ones, which do not come this far.
        return { kind: 'fifo', stat };
    }
  }

  #pathError(entry: TarEntry, reason: string): FormatError {
    const path = displayText(entry.path);
    return new FormatError(
      'LAYER_PATH_INVALID',
      `Cannot place "${path}" of layer ${this.#layer}: ${reason}`,
      { offset: entry.offset, what: `layer ${this.#layer}`, path },
    );
  }
}

function statOfEntry(entry: TarEntry): Stat {
  return {
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeSec: entry.mtimeSec,
    mtimeNsec: entry.mtimeNsec,
    xattrs: entry.xattrs.size === 0 ? NO_XATTRS : entry.xattrs,
  };
}

/** The kernel's 32-bit device number: 12 bits major, 20 bits minor. Source: Linux include/linux/kdev_t.h new_encode_dev. */
function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
