import { type ByteString, byteStringOf, bytesOf, roundUp, xxh32 } from '#base/bytes';
import { FormatError } from '#base/errors';
import { sortedXattrs } from '#formats/tree';
import {
  type ErofsVersion,
  LUSTRE_INDEX,
  OVERLAY,
  XATTR_ENTRY,
  XATTR_FILTER_SEED,
  XATTR_PREFIXES,
} from '../layout.ts';
import type { ObjectTable } from './object-table.ts';

/** Xattrs that an inode adds to those of its stat, as bits. */
export const EXTRA = { none: 0, root: 1, whiteouts: 2, whiteout: 4 } as const;

/** One distinct (name, value) of an image. */
export interface XattrEntry {
  readonly name: string;
  readonly value: string;
  readonly index: number;
  readonly suffix: string;
  count: number;
  /** Offset from the start of the shared table, or -1 when the entry is stored with its inode. */
  sharedOffset: number;
}

/** The xattrs of inodes with the same stat and extras, in the order of the version. */
export interface XattrSet {
  readonly entries: readonly XattrEntry[];
  /** Positions of metacopy and redirect of an external file among the entries. */
  readonly metacopyAt: number;
  readonly redirectAt: number;
  /** Bits of the name filter, not yet complemented. */
  readonly filterBits: number;
  readonly hasAcl: boolean;
  /** Inodes that use the set. */
  uses: number;
  /** After {@link XattrTable.share}: references to the shared table, and bytes of the other entries. */
  sharedCount: number;
  localBytes: number;
}

/** Bytes of an entry on disk, padding included. */
export function entryBytes(suffixLength: number, valueLength: number): number {
  return roundUp(XATTR_ENTRY.sizeBytes + suffixLength + valueLength, 4);
}

function prefixIndexOf(name: string, version: ErofsVersion): number {
  for (let index = XATTR_PREFIXES.length - 1; index > 0; index -= 1) {
    if (index === LUSTRE_INDEX && version !== 2) continue;
    if (name.startsWith(XATTR_PREFIXES[index] as string)) return index;
  }
  return 0;
}

function newEntry(name: string, value: string, version: ErofsVersion): XattrEntry {
  const index = prefixIndexOf(name, version);
  const suffix = name.slice((XATTR_PREFIXES[index] as string).length);
  if (suffix.length > 0xff || value.length > 0xffff) {
    throw new FormatError(
      'TREE_INVALID',
      `Cannot write xattr "${name.slice(0, 80)}": its name or its value of ${value.length} bytes is too long`,
      { offset: 0, what: 'xattr', name: name.slice(0, 300) },
    );
  }
  return { name, value, index, suffix, count: 0, sharedOffset: -1 };
}

/** Escapes the name of a user's own overlay xattr, so that overlayfs does not interpret it. Source: core spec 5.4 */
export function escapeOverlayName(name: string): string {
  return name.startsWith(OVERLAY.prefix)
    ? OVERLAY.escapedPrefix + name.slice(OVERLAY.prefix.length)
    : name;
}

function extraXattrs(extras: number, version: ErofsVersion): [string, string][] {
  const added: [string, string][] = [];
  if (version === 2) return added;
  if (extras & EXTRA.whiteout) {
    added.push(['trusted.overlay.overlay.whiteout', ''], ['user.overlay.whiteout', '']);
  }
  if (extras & EXTRA.whiteouts) {
    added.push(['trusted.overlay.overlay.whiteouts', ''], ['user.overlay.whiteouts', '']);
    if (version === 1) {
      added.push(['trusted.overlay.overlay.opaque', 'x'], ['user.overlay.opaque', 'x']);
    }
  }
  if (extras & EXTRA.root) added.push([OVERLAY.opaque, 'y']);
  return added;
}

/** V0 and V1 order: full name, then length of the value, then its bytes. Source: core spec 5.5 */
function compareByName(a: XattrEntry, b: XattrEntry): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.value.length !== b.value.length) return a.value.length - b.value.length;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** V2 order of the shared table. Source: core spec 5.5 */
function compareByIndex(a: XattrEntry, b: XattrEntry): number {
  if (a.index !== b.index) return a.index - b.index;
  if (a.suffix !== b.suffix) return a.suffix < b.suffix ? -1 : 1;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** The bit that a name sets in the name filter of its inode. Source: core spec 5.5 */
export function filterBit(index: number, suffix: string): number {
  return 1 << (xxh32(bytesOf(suffix as ByteString), XATTR_FILTER_SEED + index) & 31);
}

/** True for an xattr with the prefix of an ACL; C requires the exact name. Source: core spec 5.4 */
function isAcl({ index, suffix }: XattrEntry, likeC: boolean): boolean {
  return (index === 2 || index === 3) && (suffix === '' || !likeC);
}

/** Rules for ordering and merging xattrs. */
export interface XattrRules {
  readonly version: ErofsVersion;
  /** As in C: a marker replaces a user's xattr of the same name; composefs-rs writes both. */
  readonly likeC: boolean;
}

/**
 * All xattrs of an image: interned, counted, then split into the shared table and local entries. Inodes with equal xattrs
 * share one {@link XattrSet}, so the work is per distinct set, not per inode; the object table counts the two xattrs of
 * external files.
 */
export class XattrTable {
  readonly #rules: XattrRules;
  readonly #objects: ObjectTable;
  readonly #interned = new Map<string, XattrEntry>();
  readonly #sets = new Map<ReadonlyMap<ByteString, Uint8Array>, (XattrSet | undefined)[]>();
  /** The empty metacopy of sparse files and of files without verification. */
  readonly emptyMetacopy: XattrEntry;
  /** Offsets in the shared table by object position, or -1. Filled by {@link share}. */
  sharedMetacopy = new Int32Array(0);
  sharedRedirect = new Int32Array(0);
  /** The shared table in disk order. */
  shared: XattrEntry[] = [];
  sharedBytes = 0;
  hasAcl = false;

  constructor(rules: XattrRules, objects: ObjectTable) {
    this.#rules = rules;
    this.#objects = objects;
    this.emptyMetacopy = this.#intern(OVERLAY.metacopy, '');
  }

  /** Returns the xattr set for an inode and counts the use. */
  use(xattrs: ReadonlyMap<ByteString, Uint8Array>, extras: number): XattrSet {
    let variants = this.#sets.get(xattrs);
    if (variants === undefined) {
      variants = [];
      this.#sets.set(xattrs, variants);
    }
    let set = variants[extras];
    if (set === undefined) {
      set = this.#build(xattrs, extras);
      variants[extras] = set;
      if (set.hasAcl) this.hasAcl = true;
    }
    set.uses += 1;
    return set;
  }

  /** A redirect that is not an object path; occurs only in C dumpfiles. */
  useRedirect(payload: string): XattrEntry {
    const entry = this.#intern(OVERLAY.redirect, `/${payload}`);
    entry.count += 1;
    return entry;
  }

  /** Selects the shared xattrs, after every inode has been counted. */
  share(): void {
    this.#eachSet((set) => {
      for (const entry of set.entries) entry.count += set.uses;
    });
    const shared = [...this.#interned.values()].filter((entry) => entry.count > 1);
    const positions = this.#shareObjects(shared);
    if (this.#rules.version === 2) shared.sort(compareByIndex);
    else shared.sort((a, b) => compareByName(b, a));
    for (const entry of shared) {
      entry.sharedOffset = this.sharedBytes;
      this.sharedBytes += entryBytes(entry.suffix.length, entry.value.length);
      const place = positions.get(entry);
      if (place !== undefined) place.column[place.position] = entry.sharedOffset;
    }
    this.shared = shared;
    this.#eachSet((set) => {
      for (const entry of set.entries) {
        if (entry.sharedOffset >= 0) set.sharedCount += 1;
        else set.localBytes += entryBytes(entry.suffix.length, entry.value.length);
      }
    });
  }

  #shareObjects(shared: XattrEntry[]): Map<XattrEntry, { column: Int32Array; position: number }> {
    const objects = this.#objects;
    const { version } = this.#rules;
    const hashId = objects.digestBytes === 32 ? 1 : 2;
    const header = String.fromCharCode(0, 4 + objects.digestBytes, 0, hashId);
    this.sharedMetacopy = new Int32Array(objects.count).fill(-1);
    this.sharedRedirect = new Int32Array(objects.count).fill(-1);
    const positions = new Map<XattrEntry, { column: Int32Array; position: number }>();
    const add = (name: string, value: string, column: Int32Array, position: number): void => {
      const entry = newEntry(name, value, version);
      positions.set(entry, { column, position });
      shared.push(entry);
    };
    for (let at = 0; at < objects.count; at += 1) {
      if ((objects.metacopyCount[at] as number) > 1) {
        add(OVERLAY.metacopy, header + objects.digestText(at), this.sharedMetacopy, at);
      }
      if ((objects.redirectCount[at] as number) > 1) {
        add(OVERLAY.redirect, objects.redirectText(at), this.sharedRedirect, at);
      }
    }
    return positions;
  }

  #eachSet(visit: (set: XattrSet) => void): void {
    for (const variants of this.#sets.values()) {
      for (const set of variants) if (set !== undefined) visit(set);
    }
  }

  #build(xattrs: ReadonlyMap<ByteString, Uint8Array>, extras: number): XattrSet {
    const { version, likeC } = this.#rules;
    const added = extraXattrs(extras, version);
    let pairs: [string, string][] = sortedXattrs(xattrs).map(([name, value]) => [
      escapeOverlayName(name),
      byteStringOf(value),
    ]);
    if (likeC) pairs = pairs.filter(([name]) => !added.some(([other]) => other === name));
    const entries = [...pairs, ...added].map(([name, value]) => this.#intern(name, value));
    if (version !== 2) entries.sort(compareByName);
    let filterBits = 0;
    for (const entry of entries) filterBits |= filterBit(entry.index, entry.suffix);
    const before = (name: string): number =>
      version === 2 ? 0 : entries.filter((entry) => entry.name < name).length;
    return {
      entries,
      metacopyAt: before(OVERLAY.metacopy),
      redirectAt: before(OVERLAY.redirect),
      filterBits,
      hasAcl: version !== 2 && entries.some((entry) => isAcl(entry, likeC)),
      uses: 0,
      sharedCount: 0,
      localBytes: 0,
    };
  }

  #intern(name: string, value: string): XattrEntry {
    const key = `${name.length}:${name}${value}`;
    let entry = this.#interned.get(key);
    if (entry === undefined) {
      entry = newEntry(name, value, this.#rules.version);
      this.#interned.set(key, entry);
    }
    return entry;
  }
}
