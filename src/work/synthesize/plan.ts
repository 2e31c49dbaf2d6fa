import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { STEP_ITEMS, type Steps } from '#base/flow';
import {
  encodeDirmeta,
  type OstreeXattr,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  type SizedFileHeader,
  sortXattrs,
  TREE_DEPTH_MAX,
  xattrsOnDisk,
} from '#formats/ostree';
import type { Labeler } from '#formats/selinux';
import { isRegular, type Leaf, leafAt, type Stat, type Tree } from '#formats/tree';
import { TYPE_LETTERS } from '#work/labels';
import { notCommittable, requireName, requireTarget } from '#work/make-commit';
import type { PlacedDirectory, PlacedLeaf } from './arrange.ts';

/** A file object to make: content is an object of the composefs repository, or bytes (none for a link). */
export interface PlannedFile {
  readonly header: SizedFileHeader;
  readonly content: ObjectId | Uint8Array;
}

/** A directory whose dirtree is written when the checksums of its files are known. */
export interface PlannedDirectory {
  readonly dirmeta: Uint8Array;
  /** Names, and indices of planned files. */
  readonly files: readonly (readonly [ByteString, number])[];
  readonly directories: readonly (readonly [ByteString, PlannedDirectory])[];
}

/** Trees that share their leaves; the first is the tree of the commit, arranged and checked. */
export interface CommitTrees extends PlanOptions {
  readonly tree: Tree;
  readonly placed: readonly PlacedDirectory[];
}

/** Options of making objects. */
export interface PlanOptions {
  readonly labeler: Labeler | undefined;
  /** False: keep xattrs unchanged, although a `bare` repository cannot reproduce them in every case. */
  readonly normaliseXattrs: boolean;
  /** Keep labels from the image where the policy has none. */
  readonly keepsLabels?: boolean | undefined;
}

/** Name of the xattr that holds a label. */
const SELINUX = 'security.selinux' as ByteString;
const LINK_PERMISSIONS = 0o777;
/** Files in one step: looking up a label takes some microseconds. */
const STEP_FILES = STEP_ITEMS / 4;

/**
 * Checks everything that arranged trees name, so that what cannot be committed is refused before anything is written.
 * @throws FormatError OSTREE_NAME_INVALID, OSTREE_TREE_TOO_LARGE; UnsupportedError OSTREE_NOT_COMMITTABLE; ConflictError
 * OSTREE_OVERLAY_CONFLICT
 */
export function* checkTrees({ tree, placed }: CommitTrees): Steps<void> {
  for (const root of placed) yield* checkDirectory(tree, root, 0);
}

function* checkDirectory(tree: Tree, placed: PlacedDirectory, depth: number): Steps<void> {
  if (depth > TREE_DEPTH_MAX) failDepth(depth);
  yield;
  for (const [name, child] of placed.children()) {
    requireName(name, placed.path);
    if (child.kind === 'directory') {
      yield* checkDirectory(tree, child, depth + 1);
      continue;
    }
    const leaf = leafAt(tree, child.index);
    if (leaf.kind === 'symlink') requireTarget(leaf.target, child.path);
    else if (!isRegular(leaf)) throw notCommittable(child.path, leaf.kind);
  }
}

/**
 * Plans the objects of checked trees. Adds files to `files` meanwhile, each once, also when it has several names. Returns the roots, whose
 * directories name files by index.
 * @throws FormatError SELINUX_POLICY_TOO_COSTLY
 */
export function* planCommit(
  trees: CommitTrees,
  files: PlannedFile[],
): Steps<readonly PlannedDirectory[]> {
  const planner = new Planner(trees, files);
  const roots: PlannedDirectory[] = [];
  for (const root of trees.placed) roots.push(yield* planner.directory(root));
  return roots;
}

class Planner {
  readonly #files: PlannedFile[];
  readonly #tree: Tree;
  readonly #options: PlanOptions;
  /** Indices of planned files by leaf and label: hard links are one object. */
  readonly #known = new Map<string, number>();
  /** Xattrs by the image's xattrs and the label: most files share them. */
  readonly #xattrs = new Map<Stat['xattrs'], Map<string | undefined, readonly OstreeXattr[]>>();

  constructor(trees: CommitTrees, files: PlannedFile[]) {
    this.#tree = trees.tree;
    this.#options = trees;
    this.#files = files;
  }

  *directory(placed: PlacedDirectory): Steps<PlannedDirectory> {
    yield;
    const files: (readonly [ByteString, number])[] = [];
    const directories: (readonly [ByteString, PlannedDirectory])[] = [];
    for (const [name, child] of placed.children()) {
      if (child.kind === 'directory') {
        directories.push([name, yield* this.directory(child)]);
        continue;
      }
      files.push([name, this.#file(child)]);
      if (files.length % STEP_FILES === 0) yield;
    }
    const { uid, gid, mode } = placed.stat;
    const label = this.#options.labeler?.labelOf(placed.labelName, 'd');
    const xattrs = this.#xattrsOf(placed.stat, label);
    return {
      dirmeta: encodeDirmeta({ uid, gid, mode: S_IFDIR | mode, xattrs }),
      files,
      directories,
    };
  }

  #file({ index, path, labelName }: PlacedLeaf): number {
    const leaf = leafAt(this.#tree, index);
    const label = this.#options.labeler?.labelOf(labelName, TYPE_LETTERS[leaf.kind]);
    const key = `${index} ${label ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#files.push(this.#plan(leaf, label, path));
    this.#known.set(key, this.#files.length - 1);
    return this.#files.length - 1;
  }

  #plan(leaf: Leaf, label: string | undefined, path: string): PlannedFile {
    const { uid, gid, mode } = leaf.stat;
    const xattrs = this.#xattrsOf(leaf.stat, label);
    const regular = { uid, gid, mode: S_IFREG | mode, xattrs, target: '' as ByteString };
    switch (leaf.kind) {
      case 'symlink': {
        const link = { uid, gid, mode: S_IFLNK | LINK_PERMISSIONS, xattrs, target: leaf.target };
        return { header: { ...link, sizeBytes: 0 }, content: new Uint8Array(0) };
      }
      case 'inline':
        return {
          header: { ...regular, sizeBytes: leaf.content.length },
          content: new Uint8Array(leaf.content),
        };
      case 'external':
      case 'externalNoVerity':
        return { header: { ...regular, sizeBytes: leaf.sizeBytes }, content: leaf.id };
      default:
        // Layers contain no other kind of file: sparse members are already expanded.
        throw notCommittable(path, leaf.kind);
    }
  }

  /** The xattrs of an inode, with its own label in place of a label from the image; the kernel ends labels with a NUL. */
  #xattrsOf({ xattrs }: Stat, label: string | undefined): readonly OstreeXattr[] {
    let byLabel = this.#xattrs.get(xattrs);
    if (byLabel === undefined) {
      byLabel = new Map();
      this.#xattrs.set(xattrs, byLabel);
    }
    let known = byLabel.get(label);
    if (known === undefined) {
      known = this.#labelled(xattrs, label);
      byLabel.set(label, known);
    }
    return known;
  }

  #labelled(xattrs: Stat['xattrs'], label: string | undefined): readonly OstreeXattr[] {
    const kept: OstreeXattr[] = [];
    for (const [name, value] of xattrs) {
      const isOld = name === SELINUX && (label !== undefined || this.#options.keepsLabels !== true);
      if (!isOld) kept.push({ name, value: new Uint8Array(value) });
    }
    if (label !== undefined) {
      kept.push({ name: SELINUX, value: new Uint8Array(Buffer.from(`${label}\0`, 'latin1')) });
    }
    return this.#options.normaliseXattrs ? xattrsOnDisk(kept) : sortXattrs(kept);
  }
}

function failDepth(depth: number): never {
  throw new FormatError(
    'OSTREE_TREE_TOO_LARGE',
    `Cannot commit tree: expected directories at most ${TREE_DEPTH_MAX} deep, found ${depth}`,
    { offset: 0, what: 'tree', expected: TREE_DEPTH_MAX, found: depth },
  );
}
