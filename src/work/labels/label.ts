import type { ByteString } from '#base/bytes';
import { type InodeType, type Labeler, ROOT_NAME } from '#formats/selinux';
import {
  Directory,
  type Leaf,
  type LeafIndex,
  leafAt,
  type Stat,
  sortedEntries,
  type Tree,
} from '#formats/tree';

const XATTR = 'security.selinux' as ByteString;
/** The letter in a policy for each kind of leaf. */
export const TYPE_LETTERS: Readonly<Record<Leaf['kind'], InodeType>> = {
  inline: '-',
  external: '-',
  externalNoVerity: '-',
  sparse: '-',
  symlink: 'l',
  chr: 'c',
  blk: 'b',
  fifo: 'p',
  socket: 's',
};

/**
 * Sets the label of a policy on every file and directory, and removes labels where the policy has none; without a policy, removes all labels. A
 * hard link whose path has another label than its first path becomes a separate file. Source: oci-and-cli section 4.6.
 * @throws FormatError SELINUX_POLICY_TOO_COSTLY
 */
export function labelTree(tree: Tree, labeler: Labeler | undefined): void {
  new TreeLabels(tree, labeler).directory(tree.root, ROOT_NAME);
}

class TreeLabels {
  readonly #tree: Tree;
  readonly #labeler: Labeler | undefined;
  readonly #labelOf = new Map<LeafIndex, string | undefined>();

  constructor(tree: Tree, labeler: Labeler | undefined) {
    this.#tree = tree;
    this.#labeler = labeler;
  }

  directory(directory: Directory, name: ByteString): void {
    directory.stat = labelled(directory.stat, this.#labeler?.labelOf(name, 'd'));
    for (const [child, inode] of sortedEntries(directory)) {
      const below = this.#labeler?.childName(name, child) ?? child;
      if (inode instanceof Directory) this.directory(inode, below);
      else directory.entries.set(child, this.#leaf(inode, below));
    }
  }

  #leaf(index: LeafIndex, name: ByteString): LeafIndex {
    const leaf = leafAt(this.#tree, index);
    const label = this.#labeler?.labelOf(name, TYPE_LETTERS[leaf.kind]);
    const changed = { ...leaf, stat: labelled(leaf.stat, label) };
    if (!this.#labelOf.has(index)) {
      this.#labelOf.set(index, label);
      this.#tree.leaves.setStat(index, changed.stat);
      return index;
    }
    return this.#labelOf.get(index) === label ? index : this.#tree.addLeaf(changed);
  }
}

function labelled(stat: Stat, label: string | undefined): Stat {
  if (label === undefined && !stat.xattrs.has(XATTR)) return stat;
  const xattrs = new Map(stat.xattrs);
  if (label === undefined) xattrs.delete(XATTR);
  else xattrs.set(XATTR, Buffer.from(label, 'latin1'));
  return { ...stat, xattrs };
}
