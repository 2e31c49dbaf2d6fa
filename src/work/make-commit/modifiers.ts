import { type ByteString, byteStringFromText } from '#base/bytes';
import { ConflictError, FormatError } from '#base/errors';
import { type OstreeXattr, sortXattrs, xattrsOnDisk } from '#formats/ostree';
import { Directory, type Inode, type Stat } from '#formats/tree';

/** One line of a statoverride file. */
export interface StatOverride {
  /** `add` ors the bits into the mode, `set` replaces the permission bits. */
  readonly operation: 'add' | 'set';
  readonly mode: number;
}

/** Changes of a tree while it is committed. Source: OSTree spec 2.5. */
export interface CommitModifiers {
  readonly ownerUid?: number | undefined;
  readonly ownerGid?: number | undefined;
  /** Executable files lose their write bits. */
  readonly readOnlyExecutables?: boolean | undefined;
  /** By absolute path. */
  readonly statOverrides?: ReadonlyMap<string, StatOverride> | undefined;
  /** Owner 0:0, modes within 0755, no xattrs: the metadata that a bare-user-only repository can store. */
  readonly canonicalPermissions?: boolean | undefined;
  readonly noXattrs?: boolean | undefined;
  /** Keep xattrs with an empty value, which `bare` repositories cannot store and `ostree commit` drops. */
  readonly keepEmptyXattrs?: boolean | undefined;
  /** Absolute paths to omit, including the contents of directories. */
  readonly skipPaths?: ReadonlySet<string> | undefined;
}

/** The metadata of an inode that OSTree stores. */
export interface CommitStat {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits. */
  readonly mode: number;
  /** By name. */
  readonly xattrs: readonly OstreeXattr[];
}

const LINK_PERMISSIONS = 0o777;
const CANONICAL_PERMISSIONS = 0o755;
const EXECUTE_BITS = 0o111;
const WRITE_BITS = 0o222;

/** The inodes of a base in a tree that was laid over it: leaves below a count, and directories with stats that nothing has replaced. */
export interface KeptInodes {
  readonly leafCount: number;
  readonly directoryStats: ReadonlySet<Stat>;
}

const NOTHING_KEPT: KeptInodes = { leafCount: 0, directoryStats: new Set() };

/** Applies modifiers to the metadata of inodes of one commit, and records which overrides matched a path. */
export class StatModifier {
  readonly #modifiers: CommitModifiers;
  readonly #unmatched: Set<string>;
  readonly #kept: KeptInodes;

  /**
   * @param kept the inodes of a base, which are not modified
   * @throws ConflictError OSTREE_MODIFIERS_CONFLICT
   */
  constructor(modifiers: CommitModifiers, kept: KeptInodes = NOTHING_KEPT) {
    const { ownerUid = 0, ownerGid = 0 } = modifiers;
    if (modifiers.canonicalPermissions === true && (ownerUid !== 0 || ownerGid !== 0)) {
      throw new ConflictError(
        'OSTREE_MODIFIERS_CONFLICT',
        `Cannot commit with canonical permissions: expected owner 0:0, found ${ownerUid}:${ownerGid}`,
        { found: `${ownerUid}:${ownerGid}` },
      );
    }
    this.#modifiers = modifiers;
    this.#kept = kept;
    const overrides = [...(modifiers.statOverrides ?? [])];
    this.#unmatched = new Set(
      overrides.filter(([, { operation }]) => operation === 'add').map(([path]) => path),
    );
  }

  /** True for a path to omit. `path` is a ByteString. */
  isSkipped(path: string, inode: Inode): boolean {
    return this.#modifiers.skipPaths?.has(path) === true && !this.#isKept(inode);
  }

  /** The metadata to store for the inode at a path. */
  apply(
    path: string,
    inode: Inode,
    { kind, stat }: { readonly kind: 'file' | 'symlink' | 'directory'; readonly stat: Stat },
  ): CommitStat {
    const { ownerUid, ownerGid, canonicalPermissions, noXattrs } = this.#modifiers;
    let mode = kind === 'symlink' ? LINK_PERMISSIONS : stat.mode;
    if (this.#isKept(inode)) {
      return { uid: stat.uid, gid: stat.gid, mode, xattrs: xattrsOf(stat, true) };
    }
    if (
      this.#modifiers.readOnlyExecutables === true &&
      kind === 'file' &&
      (mode & EXECUTE_BITS) !== 0
    ) {
      mode &= ~WRITE_BITS;
    }
    mode = this.#override(path, kind, mode);
    if (canonicalPermissions === true) {
      const permissions = kind === 'symlink' ? LINK_PERMISSIONS : mode & CANONICAL_PERMISSIONS;
      return { uid: 0, gid: 0, mode: permissions, xattrs: [] };
    }
    return {
      uid: ownerUid ?? stat.uid,
      gid: ownerGid ?? stat.gid,
      mode,
      xattrs: noXattrs === true ? [] : xattrsOf(stat, this.#modifiers.keepEmptyXattrs === true),
    };
  }

  #isKept(inode: Inode): boolean {
    return inode instanceof Directory
      ? this.#kept.directoryStats.has(inode.stat)
      : inode < this.#kept.leafCount;
  }

  /** Call after the last path. @throws FormatError OSTREE_OVERRIDE_UNMATCHED, as `ostree commit` refuses */
  finish(): void {
    const [first] = this.#unmatched;
    if (first === undefined) return;
    throw new FormatError(
      'OSTREE_OVERRIDE_UNMATCHED',
      `Cannot commit: ${this.#unmatched.size} paths of the statoverride are not in the tree, first ${JSON.stringify(first)}`,
      { offset: 0, what: 'statoverride', found: first },
    );
  }

  /** `+` on a directory below the root has no effect in libostree, so it has none here: ids must be the same. */
  #override(path: string, kind: string, mode: number): number {
    const override = this.#modifiers.statOverrides?.get(path);
    this.#unmatched.delete(path);
    if (override === undefined || kind === 'symlink') return mode;
    if (override.operation === 'set') return override.mode & 0o7777;
    return kind === 'directory' && path !== '/' ? mode : mode | (override.mode & 0o7777);
  }
}

function xattrsOf({ xattrs }: Stat, keepEmpty: boolean): readonly OstreeXattr[] {
  const kept: OstreeXattr[] = [];
  for (const [name, value] of xattrs) {
    // Images made by composefs-ostree 0.9 carry the NUL that ends names in OSTree (OSTree spec 6.2/5).
    const end = name.endsWith('\0') ? -1 : name.length;
    kept.push({ name: name.slice(0, end) as ByteString, value });
  }
  return keepEmpty ? sortXattrs(kept) : xattrsOnDisk(kept);
}

/**
 * Parses a statoverride file: `+N /path` or `=N /path`, where N is decimal or `0x…`, never octal; empty lines are skipped.
 * @throws FormatError OSTREE_OVERRIDE_INVALID
 */
export function parseStatOverrides(text: string): Map<string, StatOverride> {
  const overrides = new Map<string, StatOverride>();
  let offset = 0;
  for (const line of text.split('\n')) {
    const match = /^([+=])(\d+|0x[0-9a-fA-F]+) (\/.*)$/.exec(line);
    if (match !== null) {
      const [, operation, mode, path = ''] = match;
      overrides.set(byteStringFromText(path), {
        operation: operation === '+' ? 'add' : 'set',
        mode: Number(mode),
      });
    } else if (line !== '') {
      throw new FormatError(
        'OSTREE_OVERRIDE_INVALID',
        `Cannot read statoverride at ${offset}: expected "+MODE /path" or "=MODE /path", found ${JSON.stringify(line.slice(0, 100))}`,
        { offset, what: 'statoverride', found: line.slice(0, 100) },
      );
    }
    offset += Buffer.byteLength(line) + 1;
  }
  return overrides;
}

/** Parses a skip list: one absolute path a line. */
export function parseSkipList(text: string): Set<string> {
  return new Set(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => byteStringFromText(line)),
  );
}
