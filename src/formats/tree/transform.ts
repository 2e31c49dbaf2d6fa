import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { Directory, type Leaf, NO_XATTRS, type Stat, type Tree } from './model.ts';
import { compactTree, walkDirectories } from './operations.ts';

/** What to do when `/usr` is missing, or `/usr` or `/run` is not a directory. */
export type OnMissing = 'fail' | 'leave';

/** Which extended attributes an OCI image keeps: `security.capability` only, or those of `user.` as well. */
export const XATTR_MODES = ['allowlist-only', 'keep-user-xattrs'] as const;
/** One of {@link XATTR_MODES}. */
export type XattrMode = (typeof XATTR_MODES)[number];

/** Parses the name of an xattr mode. @throws FormatError TREE_XATTR_MODE_UNKNOWN, naming both modes */
export function parseXattrMode(text: string): XattrMode {
  const found = XATTR_MODES.find((mode) => mode === text);
  if (found !== undefined) return found;
  throw new FormatError(
    'TREE_XATTR_MODE_UNKNOWN',
    `Cannot use xattr mode "${text}": expected ${XATTR_MODES.join(' or ')}`,
    { offset: 0, what: 'xattr mode', found: text },
  );
}

function usrOf(tree: Tree, onMissing: OnMissing): Directory | undefined {
  const usr = tree.root.entries.get('usr' as ByteString);
  if (usr instanceof Directory) return usr;
  if (onMissing === 'leave') return undefined;
  throw transformError('/usr', usr === undefined ? 'nothing' : 'a leaf');
}

function transformError(path: string, found: string): FormatError {
  return new FormatError(
    'TREE_TRANSFORM_IMPOSSIBLE',
    `Cannot transform the tree at ${path}: expected a directory, found ${found}`,
    { offset: 0, what: path },
  );
}

/**
 * Gives the root the metadata of `/usr`: mode, owner, mtime and xattrs. OCI layers do not describe their root, so this
 * makes it the same for everybody. With `leave`, a tree without a directory `/usr` keeps its root.
 * @throws FormatError TREE_TRANSFORM_IMPOSSIBLE. Source: core spec 7.3
 */
export function copyRootMetadataFromUsr(tree: Tree, onMissing: OnMissing = 'fail'): void {
  const usr = usrOf(tree, onMissing);
  if (usr !== undefined) tree.root.stat = usr.stat;
}

/**
 * Empties `/run` when it is there and gives it the mtime of `/usr`; its other metadata stays. Leaves that were below it
 * become orphans: call {@link compactTree} after. With `leave`, a `/run` that is no directory, or a tree without `/usr`
 * (the content still goes, the mtime stays), is no error.
 * @throws FormatError TREE_TRANSFORM_IMPOSSIBLE. Source: core spec 7.3
 */
export function canonicaliseRun(tree: Tree, onMissing: OnMissing = 'fail'): void {
  const run = tree.root.entries.get('run' as ByteString);
  if (run === undefined) return;
  if (!(run instanceof Directory)) {
    if (onMissing === 'leave') return;
    throw transformError('/run', 'a leaf');
  }
  const usr = usrOf(tree, onMissing);
  run.entries.clear();
  if (usr === undefined) return;
  run.stat = { ...run.stat, mtimeSec: usr.stat.mtimeSec, mtimeNsec: usr.stat.mtimeNsec };
}

/** Keeps of every stat the xattrs whose name passes; stats that were shared stay shared. */
export function filterXattrs(tree: Tree, keep: (name: ByteString) => boolean): void {
  const done = new Map<Stat, Stat>();
  const filtered = (stat: Stat): Stat => {
    if (stat.xattrs.size === 0) return stat;
    const known = done.get(stat);
    if (known !== undefined) return known;
    const kept = [...stat.xattrs].filter(([name]) => keep(name));
    const xattrs = kept.length === 0 ? NO_XATTRS : new Map(kept);
    const value = kept.length === stat.xattrs.size ? stat : { ...stat, xattrs };
    done.set(stat, value);
    return value;
  };
  mapStats(tree, filtered);
}

/** Replaces every stat, of the root, the directories and each leaf once, by what `replace` returns. */
export function mapStats(tree: Tree, replace: (stat: Stat) => Stat): void {
  for (const directory of walkDirectories(tree.root)) directory.stat = replace(directory.stat);
  for (const [index, leaf] of tree.leaves.entries()) {
    const stat = replace(leaf.stat);
    if (stat !== leaf.stat) tree.leaves[index] = { ...leaf, stat } as Leaf;
  }
}

/** How to make a tree of OCI layers canonical. */
export interface OciTransformOptions {
  /** `all` leaves the xattrs as the layers have them. */
  readonly xattrs?: XattrMode | 'all';
  /**
   * `fail` (the default) refuses what composefs-rs refuses: no `/usr`, or a `/usr` or `/run` that is no directory.
   * `leave` succeeds there: the part of the transform that cannot be done is left out. The result of a tree that both
   * accept is the same.
   */
  readonly onMissing?: OnMissing;
}

/** The transform of every OCI image: root metadata, `/run`, xattr filter, then compaction. Source: core spec 7.3 */
export function transformForOci(tree: Tree, options: OciTransformOptions = {}): void {
  const { xattrs = 'allowlist-only', onMissing = 'fail' } = options;
  copyRootMetadataFromUsr(tree, onMissing);
  canonicaliseRun(tree, onMissing);
  if (xattrs !== 'all') {
    const keepsUser = xattrs === 'keep-user-xattrs';
    filterXattrs(
      tree,
      (name) => name === 'security.capability' || (keepsUser && name.startsWith('user.')),
    );
  }
  compactTree(tree);
}
