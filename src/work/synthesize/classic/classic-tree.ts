import { type ByteString, displayText } from '#base/bytes';
import { FormatError } from '#base/errors';
import { EntryBudget, leafOfEntry } from '#formats/oci';
import { checkTarEntry, type StoredTarEntry, type TarEntry } from '#formats/tar';
import {
  DEPTH_LIMIT,
  Directory,
  type Inode,
  leafAt,
  NO_XATTRS,
  type Stat,
  Tree,
  UNSET_STAT,
} from '#formats/tree';

/** Metadata of directories that have no entry. */
const IMPLIED_STAT: Stat = { ...UNSET_STAT, mode: 0o755 };
/** Root directories whose content belongs to a running system. */
const EMPTIED: readonly string[] = ['run', 'tmp', 'proc', 'sys', 'dev'];
/** Names of whiteouts, which delete entries of lower layers. Source: image-spec layer.md. */
const WHITEOUT = { prefix: '.wh.', opaque: '.wh..wh..opq' } as const;
/** Empty files that container engines leave in `/usr/etc`. */
const PLACEHOLDERS = ['hostname', 'resolv.conf'] as ByteString[];

/**
 * The trees of an image as ostree-ext imports it: each layer separately, with whiteouts as files, and all layers merged as checkouts over each
 * other. `/etc` is stored as `/usr/etc` from the start. Content of directories of a running system is omitted. A directory keeps the metadata of
 * the first layer that has it, unless a later one is opaque. All trees share their leaves.
 * Source: unified-storage notes 2.11 on ostree-ext 0.15.
 */
export class ClassicTree {
  readonly tree = new Tree(IMPLIED_STAT);
  readonly layers: Directory[] = [];
  readonly #budget: EntryBudget;
  readonly #keepsXattr: (name: ByteString) => boolean;
  #layer = '';
  #root = new Directory(IMPLIED_STAT);

  constructor(keepsXattr: (name: ByteString) => boolean, entriesMax?: number | undefined) {
    this.#keepsXattr = keepsXattr;
    this.#budget = new EntryBudget(entriesMax);
  }

  /** Starts the next layer; `name` is used in errors. */
  beginLayer(name: string): void {
    this.#layer = name;
    this.#root = new Directory(IMPLIED_STAT);
    this.layers.push(this.#root);
  }

  /**
   * Applies the next entry of the layer.
   * @throws FormatError LAYER_PATH_INVALID, LAYER_LINK_INVALID (also for a link to a file of another layer), IMAGE_TOO_MANY_ENTRIES
   */
  apply({ entry, content }: StoredTarEntry): void {
    checkTarEntry(entry);
    const names = placedNames(entry.path);
    if (names === undefined) return;
    const inlineBytes = content.kind === 'inline' ? content.bytes.length : 0;
    this.#budget.take(entry, inlineBytes);
    const name = names.pop();
    if (name === undefined) {
      if (entry.type !== 'directory') throw this.#pathError(entry, '/', entry.type);
      this.#root.stat = this.#statOf(entry);
      return;
    }
    const parent = this.#parentOf(entry, names);
    const known = parent.entries.get(name);
    if (entry.type === 'hardlink') parent.entries.set(name, this.#linkTarget(entry));
    else if (entry.type !== 'directory') {
      const leaf = leafOfEntry(entry, this.#statOf(entry), content);
      parent.entries.set(name, this.tree.addLeaf(leaf));
    } else if (known instanceof Directory) known.stat = this.#statOf(entry);
    else parent.entries.set(name, new Directory(this.#statOf(entry)));
  }

  /** Merges the layer over the lower layers. */
  endLayer(): void {
    const { root } = this.tree;
    if (this.layers.length === 1) root.stat = this.#root.stat;
    overlay(root, this.#root);
  }

  /** Removes the empty files that container engines leave in `/usr/etc` of the merged tree. */
  removePlaceholders(): void {
    const usr = this.tree.root.entries.get('usr' as ByteString);
    const etc = usr instanceof Directory ? usr.entries.get('etc' as ByteString) : undefined;
    if (!(etc instanceof Directory)) return;
    for (const name of PLACEHOLDERS) {
      const found = etc.entries.get(name);
      if (typeof found !== 'number') continue;
      const leaf = leafAt(this.tree, found);
      if (leaf.kind === 'inline' && leaf.content.length === 0) etc.entries.delete(name);
    }
  }

  /** Empties a directory of the merged root. */
  empty(name: string): void {
    const found = this.tree.root.entries.get(name as ByteString);
    if (found instanceof Directory) found.entries.clear();
  }

  #parentOf(entry: TarEntry, names: readonly ByteString[]): Directory {
    if (names.length >= DEPTH_LIMIT - 1) {
      throw this.#pathError(entry, entry.path, `more than ${DEPTH_LIMIT - 1} levels`);
    }
    let at = this.#root;
    for (const name of names) {
      const next = at.entries.get(name);
      if (next instanceof Directory) {
        at = next;
        continue;
      }
      if (next !== undefined) throw this.#pathError(entry, name, leafAt(this.tree, next).kind);
      this.#budget.takeParent(entry);
      const made = new Directory(IMPLIED_STAT);
      at.entries.set(name, made);
      at = made;
    }
    return at;
  }

  #linkTarget(entry: TarEntry): number {
    let at: Inode | undefined = this.#root;
    for (const name of placedNames(entry.linkTarget) ?? []) {
      at = at instanceof Directory ? at.entries.get(name) : undefined;
    }
    if (typeof at === 'number') return at;
    const [path, target] = [entry.path, entry.linkTarget].map(displayText as (t: string) => string);
    const found = at === undefined ? 'nothing' : 'a directory';
    throw new FormatError(
      'LAYER_LINK_INVALID',
      `Cannot link "${path}" in layer ${this.#layer}: expected a file of the same layer at "${target}", found ${found}`,
      { offset: entry.offset, what: `layer ${this.#layer}`, path: path ?? '' },
      { hint: 'Use the route synthesis, which finds files of lower layers' },
    );
  }

  #statOf({ mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: TarEntry): Stat {
    const kept = [...xattrs].filter(([name]) => this.#keepsXattr(name));
    return {
      mode,
      uid,
      gid,
      mtimeSec,
      mtimeNsec,
      xattrs: kept.length === 0 ? NO_XATTRS : new Map(kept),
    };
  }

  #pathError(entry: TarEntry, at: string, found: string): FormatError {
    const [path, shown] = [entry.path, at].map(displayText as (text: string) => string);
    return new FormatError(
      'LAYER_PATH_INVALID',
      `Cannot place "${path}" of layer ${this.#layer}: expected "${shown}" to be a directory, found ${found}`,
      { offset: entry.offset, what: `layer ${this.#layer}`, path: path ?? '' },
    );
  }
}

/** The names of a path in the commit; empty for the root, undefined for an omitted path. */
function placedNames(path: string): ByteString[] | undefined {
  const names = path.split('/').filter((name) => name !== '') as ByteString[];
  if (names.length > 1 && EMPTIED.includes(names[0] ?? '')) return undefined;
  return names[0] === 'etc' ? (['usr', ...names] as ByteString[]) : names;
}

/** Merges a directory of a layer over the target: deletions first, because they apply to lower layers only. */
function overlay(target: Directory, layer: Directory): void {
  if (layer.entries.has(WHITEOUT.opaque as ByteString)) {
    target.entries.clear();
    target.stat = layer.stat;
  }
  for (const name of layer.entries.keys()) {
    if (!name.startsWith(WHITEOUT.prefix)) continue;
    target.entries.delete(name.slice(WHITEOUT.prefix.length) as ByteString);
  }
  for (const [name, inode] of layer.entries) {
    if (name.startsWith(WHITEOUT.prefix)) continue;
    if (!(inode instanceof Directory)) {
      target.entries.set(name, inode);
      continue;
    }
    const known = target.entries.get(name);
    const below = known instanceof Directory ? known : new Directory(inode.stat);
    target.entries.set(name, below);
    overlay(below, inode);
  }
}
