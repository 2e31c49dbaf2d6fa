import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { atOnce, STEP_ITEMS, type Steps } from '#base/flow';
import { Directory, NO_XATTRS, type Stat, type Tree } from './model.ts';
import { compactTree, walkDirectories } from './operations.ts';

/** Behaviour when `/usr` is missing, or `/usr` or `/run` is not a directory. */
export type OnMissing = 'fail' | 'leave';

/** Xattrs that an OCI image keeps: only `security.capability`, or `user.*` as well. */
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
 * Copies the metadata of `/usr` to the root: mode, owner, mtime and xattrs. OCI layers do not describe their root, so this
 * makes it reproducible. With `leave`, a tree without a directory `/usr` keeps its root.
 * @throws FormatError TREE_TRANSFORM_IMPOSSIBLE. Source: core spec 7.3
 */
export function copyRootMetadataFromUsr(tree: Tree, onMissing: OnMissing = 'fail'): void {
  const usr = usrOf(tree, onMissing);
  if (usr !== undefined) tree.root.stat = usr.stat;
}

/**
 * Empties `/run`, if it exists, and sets its mtime to that of `/usr`; other metadata is kept. Leaves below `/run` become
 * orphans: call {@link compactTree} afterwards. With `leave`, a `/run` that is not a directory, or a tree without `/usr`
 * (`/run` is emptied, its mtime kept), is not an error.
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

/** Keeps the xattrs whose name passes `keep`; shared xattrs stay shared. */
export function filterXattrs(tree: Tree, keep: (name: ByteString) => boolean): void {
  mapStats(tree, xattrFilter(keep));
}

function xattrFilter(keep: (name: ByteString) => boolean): (stat: Stat) => Stat {
  const done = new Map<Stat['xattrs'], Stat['xattrs']>();
  return (stat) => {
    const all = stat.xattrs;
    if (all.size === 0) return stat;
    const known = done.get(all);
    if (known !== undefined) return known === all ? stat : { ...stat, xattrs: known };
    const kept = [...all].filter(([name]) => keep(name));
    const xattrs = kept.length === 0 ? NO_XATTRS : kept.length === all.size ? all : new Map(kept);
    done.set(all, xattrs);
    return xattrs === all ? stat : { ...stat, xattrs };
  };
}

/** Replaces every stat (root, directories, and each leaf once) with the result of `replace`. */
export function mapStats(tree: Tree, replace: (stat: Stat) => Stat): void {
  atOnce(mapStatsInSteps(tree, replace));
}

function* mapStatsInSteps(tree: Tree, replace: (stat: Stat) => Stat): Steps<void> {
  let count = 0;
  for (const directory of walkDirectories(tree.root)) {
    directory.stat = replace(directory.stat);
    count += 1;
    if (count % STEP_ITEMS === 0) yield;
  }
  const { leaves } = tree;
  for (let index = 0; index < leaves.length; index += 1) {
    if (index % STEP_ITEMS === 0) yield;
    const old = leaves.statAt(index);
    const stat = replace(old);
    if (stat !== old) leaves.setStat(index, stat);
  }
}

/** Options for making a tree of OCI layers canonical. */
export interface OciTransformOptions {
  /** `all` keeps all xattrs of the layers. */
  readonly xattrs?: XattrMode | 'all';
  /**
   * `fail` (the default) refuses the trees that composefs-rs refuses: no `/usr`, or a `/usr` or `/run` that is not a directory.
   * `leave` accepts them and skips the impossible part of the transform. For a tree that both accept, the result is the
   * same.
   */
  readonly onMissing?: OnMissing;
}

/** Applies the transform of every OCI image: root metadata, `/run`, xattr filter, then compaction. Source: core spec 7.3 */
export function transformForOci(tree: Tree, options: OciTransformOptions = {}): void {
  atOnce(transformForOciInSteps(tree, options));
}

/** As `transformForOci`, in steps. */
export function* transformForOciInSteps(
  tree: Tree,
  options: OciTransformOptions = {},
): Steps<void> {
  const { xattrs = 'allowlist-only', onMissing = 'fail' } = options;
  copyRootMetadataFromUsr(tree, onMissing);
  canonicaliseRun(tree, onMissing);
  if (xattrs !== 'all') {
    const keepsUser = xattrs === 'keep-user-xattrs';
    const filter = xattrFilter(
      (name) => name === 'security.capability' || (keepsUser && name.startsWith('user.')),
    );
    yield* mapStatsInSteps(tree, filter);
  }
  yield;
  compactTree(tree);
}
