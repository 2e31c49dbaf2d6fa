import type { ByteString } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';
import { atOnce, STEP_ITEMS, type Steps } from '#base/flow';
import {
  Directory,
  type Inode,
  type Leaf,
  NO_XATTRS,
  type Reading,
  type Stat,
  Tree,
} from '#formats/tree';
import { PERMISSION_BITS, TREE_DEPTH_MAX } from '../layout.ts';
import { parseCommit } from './commit.ts';
import { failDepth } from './commit-walk.ts';
import { type Dirmeta, parseDirmeta } from './dirmeta.ts';
import { type Dirtree, parseDirtree } from './dirtree.ts';
import type { SizedFileHeader } from './file.ts';
import { isLinkMode } from './mode.ts';
import type { MetadataKind } from './objects.ts';
import type { OstreeXattr } from './xattrs.ts';

/** Most entries of a commit that is laid out as a tree. Source: OSTree spec 9.5 (objects per commit). */
export const TREE_ENTRIES_MAX = 20_000_000;

/** Reads the objects of a commit; a CommitStream is one implementation. */
export interface CommitObjects {
  /** @throws NotFoundError OSTREE_OBJECT_NOT_FOUND */
  metadata(checksum: OstreeChecksum, kind: MetadataKind): Uint8Array;
  /** A dirtree that is already parsed; undefined, or no such method, otherwise. */
  dirtree?(checksum: OstreeChecksum): Dirtree | undefined;
  /** @throws NotFoundError OSTREE_OBJECT_NOT_FOUND */
  file(checksum: OstreeChecksum): {
    readonly header: SizedFileHeader;
    readonly inline: Uint8Array;
    readonly external: ObjectId | undefined;
  };
}

/** Options of treeOfCommit. */
export interface CommitTreeOptions {
  /**
   * Keep the NUL after an OSTree xattr name as part of the name. Wrong, but composefs-ostree 0.9 does it:
   * needed for the same image id as in a store that it filled.
   */
  readonly reading?: Reading;
  /** Most entries, default TREE_ENTRIES_MAX: equal subdirectories count each time, and may multiply without limit. */
  readonly entriesMax?: number;
}

/**
 * The tree of a commit: modes and owners from the headers, every time 0, one leaf per distinct file id (so equal files
 * are hard links). Source: OSTree spec 3.5.
 * @throws NotFoundError OSTREE_OBJECT_NOT_FOUND; FormatError OSTREE_TREE_TOO_LARGE and those of the parsers
 */
export function treeOfCommit(
  commit: OstreeChecksum,
  objects: CommitObjects,
  options: CommitTreeOptions = {},
): Tree {
  return atOnce(treeOfCommitInSteps(commit, objects, options));
}

/** Like `treeOfCommit`, in steps. */
export function treeOfCommitInSteps(
  commit: OstreeChecksum,
  objects: CommitObjects,
  options: CommitTreeOptions = {},
): Steps<Tree> {
  return new TreeBuilder(objects, options).build(commit);
}

/** The fields from which a stat is made. */
type Owned = Omit<Dirmeta, 'xattrs'> & { readonly xattrs: readonly OstreeXattr[] };

/** A stat, and the fields from which it was made. */
interface SharedStat {
  readonly header: Owned;
  readonly stat: Stat;
}

/** Number of recent stats compared with the next file's. */
const SHARED_STATS_MAX = 8;

interface Pending {
  readonly directory: Directory;
  readonly tree: OstreeChecksum;
  readonly depth: number;
}

class TreeBuilder {
  readonly #objects: CommitObjects;
  readonly #nameEnd: string;
  readonly #stats = new Map<OstreeChecksum, Stat>();
  /** The most recent distinct stats: many files share few. */
  readonly #sharedStats: SharedStat[] = [];
  readonly #leaves = new Map<OstreeChecksum, number>();
  readonly #dirtrees = new Map<OstreeChecksum, Dirtree>();
  readonly #entriesMax: number;

  constructor(objects: CommitObjects, options: CommitTreeOptions) {
    this.#objects = objects;
    this.#entriesMax = options.entriesMax ?? TREE_ENTRIES_MAX;
    this.#nameEnd = options.reading === 'cfsctl' ? '\0' : '';
  }

  *build(checksum: OstreeChecksum): Steps<Tree> {
    const commit = parseCommit(this.#objects.metadata(checksum, 'commit'));
    yield* this.#requireSize(commit.rootTree);
    const tree = new Tree(this.#directoryStat(commit.rootMeta));
    const pending: Pending[] = [{ directory: tree.root, tree: commit.rootTree, depth: 0 }];
    for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
      const { directory, depth } = step;
      const { files, directories } = this.#dirtree(step.tree);
      yield;
      for (const [at, file] of files.entries()) {
        if (at % STEP_ITEMS === STEP_ITEMS - 1) yield;
        this.#insert(directory, file.name, this.#leaf(tree, file.checksum));
      }
      if (depth >= TREE_DEPTH_MAX && directories.length > 0) failDepth(depth + 1);
      for (const entry of directories) {
        const child = new Directory(this.#directoryStat(entry.meta));
        this.#insert(directory, entry.name, child);
        pending.push({ directory: child, tree: entry.tree, depth: depth + 1 });
      }
    }
    return tree;
  }

  /**
   * Counts all entries before any is created, each distinct directory once: a few directories that contain each other twice can stand for more
   * entries than fit into memory.
   */
  *#requireSize(root: OstreeChecksum): Steps<void> {
    const counts = new Map<OstreeChecksum, number>();
    const path = [{ tree: root, next: 0, count: 0 }];
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const { files, directories } = this.#dirtree(step.tree);
      const entry = directories[step.next];
      if (entry === undefined) {
        const total = step.count + files.length + directories.length;
        if (total > this.#entriesMax) this.#failSize(total);
        counts.set(step.tree, total);
        yield;
        path.pop();
        continue;
      }
      const inner = counts.get(entry.tree);
      if (inner !== undefined) {
        step.count += inner;
        step.next++;
      } else {
        if (path.length > TREE_DEPTH_MAX) failDepth(path.length);
        path.push({ tree: entry.tree, next: 0, count: 0 });
      }
    }
  }

  #dirtree(checksum: OstreeChecksum): Dirtree {
    const known = this.#dirtrees.get(checksum);
    if (known !== undefined) return known;
    const parsed =
      this.#objects.dirtree?.(checksum) ??
      parseDirtree(this.#objects.metadata(checksum, 'dirtree'));
    this.#dirtrees.set(checksum, parsed);
    return parsed;
  }

  #insert(directory: Directory, name: ByteString, inode: Inode): void {
    directory.entries.set(name, inode);
  }

  #directoryStat(checksum: OstreeChecksum): Stat {
    const known = this.#stats.get(checksum);
    if (known !== undefined) return known;
    const bytes = this.#objects.metadata(checksum, 'dirmeta');
    const stat = this.#stat(parseDirmeta(bytes, { acceptUnterminated: true }));
    this.#stats.set(checksum, stat);
    return stat;
  }

  #leaf(tree: Tree, checksum: OstreeChecksum): number {
    const known = this.#leaves.get(checksum);
    if (known !== undefined) return known;
    const index = tree.addLeaf(this.#makeLeaf(checksum));
    this.#leaves.set(checksum, index);
    return index;
  }

  #makeLeaf(checksum: OstreeChecksum): Leaf {
    const { header, inline, external } = this.#objects.file(checksum);
    const stat = this.#sharedStat(header);
    if (isLinkMode(header.mode)) return { kind: 'symlink', stat, target: header.target };
    return external === undefined
      ? { kind: 'inline', stat, content: inline }
      : { kind: 'external', stat, id: external, sizeBytes: header.sizeBytes };
  }

  /** The stat of an earlier file with equal fields, so that the image describes it once. */
  #sharedStat(owned: Owned): Stat {
    const { mode, uid, gid, xattrs } = owned;
    for (const { header, stat } of this.#sharedStats) {
      const isSame = header.mode === mode && header.uid === uid && header.gid === gid;
      if (!isSame) continue;
      if (header.xattrs === xattrs || header.xattrs.length + xattrs.length === 0) return stat;
    }
    const stat = this.#stat(owned);
    this.#sharedStats.unshift({ header: owned, stat });
    this.#sharedStats.length = Math.min(this.#sharedStats.length, SHARED_STATS_MAX);
    return stat;
  }

  #stat({ uid, gid, mode, xattrs }: Owned): Stat {
    const names = xattrs.map(
      ({ name, value }) => [`${name}${this.#nameEnd}` as ByteString, value] as const,
    );
    return {
      mode: mode & PERMISSION_BITS,
      uid,
      gid,
      mtimeSec: 0n,
      mtimeNsec: 0,
      xattrs: names.length === 0 ? NO_XATTRS : new Map(names),
    };
  }

  #failSize(found: number): never {
    throw new FormatError(
      'OSTREE_TREE_TOO_LARGE',
      `Cannot lay out commit: expected at most ${this.#entriesMax} entries, found ${found} or more`,
      { offset: 0, what: 'commit', expected: this.#entriesMax, found },
    );
  }
}
