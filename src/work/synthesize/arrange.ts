import { type ByteString, displayText } from '#base/bytes';
import { ConflictError } from '#base/errors';
import { type Labeler, ROOT_NAME } from '#formats/selinux';
import {
  Directory,
  type Inode,
  type LeafIndex,
  type Stat,
  sortedEntries,
  type Tree,
} from '#formats/tree';

/** A directory of the commit: a directory of the image, or two merged ones. */
export interface PlacedDirectory {
  readonly kind: 'directory';
  /** Path in the commit, in messages. */
  readonly path: string;
  /** Name by which its label is looked up: the name of its path in the image. */
  readonly labelName: ByteString;
  readonly stat: Stat;
  /** In byte order of names. */
  children(): readonly (readonly [ByteString, Placed])[];
}

/** A leaf of the commit. */
export interface PlacedLeaf {
  readonly kind: 'leaf';
  readonly path: string;
  readonly labelName: ByteString;
  readonly index: LeafIndex;
}

/** An entry of the commit. */
export type Placed = PlacedDirectory | PlacedLeaf;

/** Parts of an image that are omitted from a commit. */
export interface ArrangeOptions {
  /** Keep the directory `/boot`, but omit its content: ostree uses the kernel in `/usr/lib/modules`. */
  readonly emptyBoot?: boolean | undefined;
  readonly emptySysroot?: boolean | undefined;
}

/** Root directories whose content belongs to a running system; other files with these names are omitted. */
const EMPTIED = ['run', 'tmp', 'proc', 'sys', 'dev'] as ByteString[];
const [ETC, USR] = ['etc', 'usr'] as ByteString[] as [ByteString, ByteString];

/** One directory of the image, and the name by which labels are looked up in it. */
interface From {
  readonly directory: Directory;
  readonly labelName: ByteString;
}

/**
 * Arranges the tree of an image for OSTree: `/etc` is merged into `/usr/etc` (entries of `/etc` take precedence), and directories of a
 * running system are emptied. The tree itself is not changed; children are arranged on demand. Source: unified-storage notes on the bootc
 * branch composefs-to-ostree (f123351e).
 */
export function arrangeTree(
  tree: Tree,
  labeler: Labeler | undefined,
  options: ArrangeOptions = {},
): PlacedDirectory {
  return new Arranger(labeler, options).root(tree.root);
}

class Arranger {
  readonly #labeler: Labeler | undefined;
  readonly #emptied: ReadonlySet<ByteString>;

  constructor(labeler: Labeler | undefined, { emptyBoot, emptySysroot }: ArrangeOptions) {
    this.#labeler = labeler;
    const more = [
      ...(emptyBoot === true ? ['boot'] : []),
      ...(emptySysroot === true ? ['sysroot'] : []),
    ];
    this.#emptied = new Set([...EMPTIED, ...(more as ByteString[])]);
  }

  root(directory: Directory): PlacedDirectory {
    const children = (): [ByteString, Placed][] => {
      const from = { directory, labelName: ROOT_NAME };
      const etc = directory.entries.get(ETC);
      const placed: [ByteString, Placed][] = [];
      for (const [name, inode] of sortedEntries(directory)) {
        if (name === ETC && inode instanceof Directory) continue;
        const one = this.#topLevel(from, name, inode, etc);
        if (one !== undefined) placed.push([name, one]);
      }
      const isLost = etc instanceof Directory && !(directory.entries.get(USR) instanceof Directory);
      if (isLost) this.#addUsr(from, etc, placed);
      return placed;
    };
    const { stat } = directory;
    return { kind: 'directory', path: '/', labelName: ROOT_NAME, stat, children };
  }

  #topLevel(
    from: From,
    name: ByteString,
    inode: Inode,
    etc: Inode | undefined,
  ): Placed | undefined {
    const path = `/${name}`;
    const labelName = this.#nameOf(from, name);
    if (!this.#emptied.has(name)) {
      if (name !== USR || !(inode instanceof Directory) || !(etc instanceof Directory)) {
        return this.#place(path, [{ inode, labelName }]);
      }
      const extra = new Map([[ETC, { directory: etc, labelName: this.#nameOf(from, ETC) }]]);
      return this.#directory(path, [{ directory: inode, labelName }], extra);
    }
    if (inode instanceof Directory) {
      return { kind: 'directory', path, labelName, stat: inode.stat, children: () => [] };
    }
    return EMPTIED.includes(name) ? undefined : this.#place(path, [{ inode, labelName }]);
  }

  /** Adds `/usr` to an image that has `/etc` but no `/usr`, with the metadata of its root. */
  #addUsr(from: From, etc: Directory, placed: [ByteString, Placed][]): void {
    const at = placed.findIndex(([name]) => name === USR);
    if (at >= 0) throw conflict('/usr');
    const made = {
      directory: new Directory(from.directory.stat),
      labelName: this.#nameOf(from, USR),
    };
    const extra = new Map([[ETC, { directory: etc, labelName: this.#nameOf(from, ETC) }]]);
    placed.push([USR, this.#directory('/usr', [made], extra)]);
    placed.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Merges inodes of one name, in this order of precedence. @throws ConflictError OSTREE_OVERLAY_CONFLICT */
  #place(
    path: string,
    candidates: readonly { readonly inode: Inode; readonly labelName: ByteString }[],
  ): Placed {
    const directories: From[] = [];
    let leaf: PlacedLeaf | undefined;
    for (const { inode, labelName } of candidates) {
      if (inode instanceof Directory) directories.push({ directory: inode, labelName });
      else leaf = { kind: 'leaf', path, labelName, index: inode };
    }
    if (leaf === undefined) return this.#directory(path, directories);
    if (directories.length > 0) throw conflict(path);
    return leaf;
  }

  /** Later directories determine the metadata; `extra` are additional directories for children of some names. */
  #directory(
    path: string,
    from: readonly From[],
    extra: ReadonlyMap<ByteString, From> = new Map(),
  ): PlacedDirectory {
    const last = from.at(-1);
    if (last === undefined) throw new RangeError('A directory comes from at least one');
    const children = (): [ByteString, Placed][] => {
      const names = new Set(from.flatMap(({ directory }) => [...directory.entries.keys()]));
      for (const name of extra.keys()) names.add(name);
      return [...names].sort().map((name) => {
        const candidates = from.flatMap((one) => {
          const inode = one.directory.entries.get(name);
          return inode === undefined ? [] : [{ inode, labelName: this.#nameOf(one, name) }];
        });
        const added = extra.get(name);
        if (added !== undefined) {
          candidates.push({ inode: added.directory, labelName: added.labelName });
        }
        return [name, this.#place(`${path}/${name}`, candidates)];
      });
    };
    return {
      kind: 'directory',
      path,
      labelName: last.labelName,
      stat: last.directory.stat,
      children,
    };
  }

  #nameOf({ labelName }: From, name: ByteString): ByteString {
    return this.#labeler?.childName(labelName, name) ?? labelName;
  }
}

function conflict(path: string): ConflictError {
  const shown = displayText(path as ByteString);
  return new ConflictError(
    'OSTREE_OVERLAY_CONFLICT',
    `Cannot move /etc to /usr/etc: "${shown}" is a directory in one of them and a file in the other`,
    { path: shown },
  );
}
