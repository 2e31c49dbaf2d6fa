import { type ByteString, displayText } from '#base/bytes';
import { FormatError } from '#base/errors';
import { atOnce, type Steps } from '#base/flow';
import { checkTarEntry, type StoredContent, type TarEntry } from '#formats/tar';
import {
  DEPTH_LIMIT,
  Directory,
  type Inode,
  leafAt,
  NO_XATTRS,
  type Reading,
  type ReadingDifference,
  type Stat,
  Tree,
  transformForOciInSteps,
  UNSET_STAT,
  type XattrMode,
} from '#formats/tree';
import { OPAQUE_WHITEOUT, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX } from '../layout.ts';
import { EntryBudget } from './entry-budget.ts';
import { leafOfEntry } from './layer-leaf.ts';
import { IMPLIED_STAT, LayerMarks } from './layer-marks.ts';

/** Options of a layer stack. */
export interface StackOptions {
  /** `standard` when absent. */
  readonly reading?: Reading | undefined;
  /** Most entries of the image; ENTRIES_MAX when absent. */
  readonly entriesMax?: number | undefined;
}

/** Options for the tree of an image. */
export interface FinishOptions {
  readonly xattrs?: XattrMode | 'all';
}

/** One place where composefs-rs reads a layer differently. */
export interface LayerDifference {
  readonly difference: ReadingDifference;
  /** The diff id. */
  readonly layer: string;
  /** For display. */
  readonly path: string;
}

/** All places where composefs-rs reads the layers differently. */
export interface LayerDifferences {
  readonly count: number;
  /** The first ones, at most DIFFERENCES_NAMED. */
  readonly named: readonly LayerDifference[];
}

/** Shortest text that V8 slices without copying it. */
const SLICED_LENGTH = 13;

/** Most differences that are listed; the others are only counted. */
const DIFFERENCES_NAMED = 10;

/**
 * Stacks layers into one tree, entry by entry, bottom layer first. In the reading `cfsctl`, layers that composefs-rs accepts produce the
 * tree of composefs-rs, entry order included: an opaque mark clears the present entries of its directory, even from the same layer, and
 * a whiteout also hits entries of its own layer. In the reading `standard` both hide only entries of lower layers. Layers that
 * composefs-rs rejects for a missing parent directory succeed in both. Names are looked up in the tree only and no symlink is ever
 * followed, so no entry can leave the image.
 * Source: image-spec layer.md; composefs-rs 0.9 as recorded in test/golden/cfsctl/oci.
 */
export class LayerStack {
  readonly #tree = new Tree();
  readonly #reading: Reading;
  readonly #budget: EntryBudget;
  readonly #marks = new LayerMarks();
  readonly #differences: LayerDifference[] = [];
  #differenceCount = 0;
  #layer = '';
  /** Directory of the last entry: consecutive entries mostly share it. Cleared when a directory is removed. */
  #lastParent: { readonly path: string; readonly directory: Directory } | undefined;
  /** Metadata of the last entry: most entries of a layer have the same, which is then kept once. */
  #lastStat = UNSET_STAT;
  /** Files below `.wh..wh.plnk`, by path: AUFS kept the content of hard links there. */
  readonly #hidden = new Map<string, number>();

  constructor({ reading = 'standard', entriesMax }: StackOptions = {}) {
    this.#reading = reading;
    this.#budget = new EntryBudget(entriesMax);
  }

  /** Where composefs-rs would read the layers differently, the first few by name. Empty in the reading `cfsctl`. */
  get differences(): LayerDifferences {
    return { count: this.#differenceCount, named: this.#differences };
  }

  /** Starts the next layer; errors show `name` (its diff id). */
  beginLayer(name: string): void {
    this.#layer = name;
    this.#marks.beginLayer(this.#tree.leaves.length);
    this.#hidden.clear();
  }

  /**
   * Applies the next entry of the current layer. `content` is the payload of a file; for a sparse member it must be the
   * expanded file, holes and all. It is not looked at for other types.
   * @throws FormatError LAYER_PATH_INVALID (a parent that is no directory, too deep), LAYER_LINK_INVALID, IMAGE_TOO_MANY_ENTRIES,
   *   and as `checkTarEntry`
   */
  apply(entry: TarEntry, content: StoredContent): void {
    checkTarEntry(entry);
    if (entry.difference !== undefined) this.#note(entry, entry.difference);
    const { path } = entry;
    if (path === '/') {
      this.#describeRoot(entry);
      return;
    }
    const cut = path.lastIndexOf('/');
    const name = nameAt(path, cut + 1);
    const isWhiteout = name.startsWith(WHITEOUT_PREFIX);
    const parent = this.#parentOf(entry, path.slice(0, cut), !isWhiteout);
    if (parent === undefined) this.#hide(entry, content);
    else if (isWhiteout) this.#whiteOut(entry, parent, name);
    else {
      const inlineBytes = content.kind === 'inline' ? content.bytes.length : 0;
      this.#budget.take(entry, inlineBytes);
      this.#place(parent, name, this.#inodeOf(entry, content));
    }
  }

  /** The tree as stacked, orphans included; do not use the stack afterwards. */
  finish(): Tree {
    return this.#tree;
  }

  /**
   * The tree of the image: stacked, then made canonical (root metadata from `/usr`, empty `/run`, xattr filter). Images
   * without `/usr`, or whose `/run` is not a directory, keep their root and `/run` as in the layers.
   */
  finishImage(options: FinishOptions = {}): Tree {
    return atOnce(this.finishImageInSteps(options));
  }

  /** As `finishImage`, in steps. */
  *finishImageInSteps(options: FinishOptions = {}): Steps<Tree> {
    const tree = this.#tree;
    if (tree.root.stat === UNSET_STAT) tree.root.stat = IMPLIED_STAT;
    yield* transformForOciInSteps(tree, { ...options, onMissing: 'leave' });
    return tree;
  }

  #describeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') {
      throw this.#pathError(entry, `expected a directory as root, found ${entry.type}`);
    }
    this.#tree.root.stat = this.#statOf(entry);
  }

  /**
   * The directory with this path. A missing directory is created when `create`, else the result is undefined; undefined also below
   * `.wh..wh.plnk` and similar names, where AUFS kept its own records.
   */
  #parentOf(entry: TarEntry, path: string, create: boolean): Directory | undefined {
    if (this.#lastParent?.path === path) return this.#lastParent.directory;
    let at = this.#tree.root;
    let depth = 0;
    for (let start = 1; start <= path.length; depth += 1) {
      const slash = path.indexOf('/', start);
      const end = slash < 0 ? path.length : slash;
      const name = path.slice(start, end) as ByteString;
      if (name.startsWith(WHITEOUT_PREFIX)) return undefined;
      const next = at.entries.get(name);
      if (next instanceof Directory) at = next;
      else if (next !== undefined) throw this.#notADirectory(entry, path.slice(0, end), next);
      else if (create) at = this.#makeParent(entry, at, nameAt(path, start, end));
      else return undefined;
      start = end + 1;
    }
    if (create && depth >= DEPTH_LIMIT - 1) {
      throw this.#pathError(entry, `expected at most ${DEPTH_LIMIT - 1} levels, found more`);
    }
    this.#lastParent = { path, directory: at };
    return at;
  }

  #makeParent(entry: TarEntry, parent: Directory, name: ByteString): Directory {
    this.#budget.takeParent(entry);
    const made = new Directory(IMPLIED_STAT);
    parent.entries.set(name, made);
    this.#marks.made(made, false);
    return made;
  }

  #notADirectory(entry: TarEntry, path: string, inode: number): FormatError {
    const leaf = leafAt(this.#tree, inode);
    const shown = displayText(path as ByteString);
    if (leaf.kind !== 'symlink')
      return this.#pathError(entry, `expected "${shown}" to be a directory`);
    const target = displayText(leaf.target);
    return this.#pathError(
      entry,
      `expected "${shown}" to be a directory, found a symlink to "${target}", which is not followed`,
    );
  }

  /** Keeps an AUFS file for the hard links to it. */
  #hide(entry: TarEntry, content: StoredContent): void {
    if (entry.type !== 'file' || this.#isWhiteoutPath(entry.path)) return;
    const inlineBytes = content.kind === 'inline' ? content.bytes.length : 0;
    this.#budget.take(entry, entry.path.length + inlineBytes);
    this.#hidden.set(
      entry.path,
      this.#tree.addLeaf(leafOfEntry(entry, this.#statOf(entry), content)),
    );
  }

  #isWhiteoutPath(path: ByteString): boolean {
    return path.startsWith(WHITEOUT_PREFIX, path.lastIndexOf('/') + 1);
  }

  #whiteOut(entry: TarEntry, parent: Directory, name: ByteString): void {
    this.#lastParent = undefined;
    const isOpaque = name === OPAQUE_WHITEOUT;
    const target = name.slice(WHITEOUT_PREFIX.length) as ByteString;
    if (this.#reading === 'cfsctl') {
      if (isOpaque) parent.entries.clear();
      else parent.entries.delete(target);
    } else if (isOpaque || !name.startsWith(WHITEOUT_META_PREFIX)) {
      const isKept = isOpaque ? this.#marks.hideChildren(parent) : this.#marks.hide(parent, target);
      if (isKept) this.#note(entry, 'own-whiteout');
    }
  }

  #place(parent: Directory, name: ByteString, inode: Inode): void {
    const old = parent.entries.get(name);
    if (typeof inode === 'number') {
      if (old instanceof Directory) this.#lastParent = undefined;
      parent.entries.set(name, inode);
      this.#marks.placed(parent, name, inode);
    } else if (old instanceof Directory) {
      old.stat = inode.stat;
      this.#marks.described(old);
    } else {
      parent.entries.set(name, inode);
      this.#marks.made(inode, true);
    }
  }

  #note(entry: TarEntry, difference: ReadingDifference): void {
    if (this.#reading === 'cfsctl') return;
    this.#differenceCount += 1;
    if (this.#differences.length >= DIFFERENCES_NAMED) return;
    const path = displayText(entry.path);
    this.#differences.push({ difference, layer: this.#layer, path });
  }

  #inodeOf(entry: TarEntry, content: StoredContent): Inode {
    if (entry.type === 'directory') return new Directory(this.#statOf(entry));
    if (entry.type === 'hardlink') return this.#linkTarget(entry);
    return this.#tree.addLeaf(leafOfEntry(entry, this.#statOf(entry), content));
  }

  #linkTarget(entry: TarEntry): number {
    const hidden = this.#hidden.get(entry.linkTarget);
    if (hidden !== undefined) return hidden;
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

  #statOf(entry: TarEntry): Stat {
    const last = this.#lastStat;
    const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = entry;
    if (
      xattrs.size === 0 &&
      last.xattrs.size === 0 &&
      last.mode === mode &&
      last.uid === uid &&
      last.gid === gid &&
      last.mtimeSec === mtimeSec &&
      last.mtimeNsec === mtimeNsec
    ) {
      return last;
    }
    const kept = xattrs.size === 0 ? NO_XATTRS : xattrs;
    this.#lastStat = { mode, uid, gid, mtimeSec, mtimeNsec, xattrs: kept };
    return this.#lastStat;
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

/** A copy of a name: a slice would keep the whole path in memory. */
function nameAt(path: string, start: number, end = path.length): ByteString {
  const name = path.slice(start, end);
  return (name.length < SLICED_LENGTH ? name : copyText(name)) as ByteString;
}

function copyText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
