import type { ByteString } from '#base/bytes';
import {
  type Dir,
  type ExtentOutcome,
  ExtentReader,
  type FileType,
  filesystemIdOf,
  hasErrno,
  readFilesystemState,
} from '#host';
import { ExtentTable } from './extent-table.ts';
import type { OwnerSets } from './owner-sets.ts';

/** The extents of a filesystem. */
export interface WalkedFilesystem {
  /** A directory in it. */
  readonly path: string;
  readonly id: string;
  readonly table: ExtentTable;
  readonly totalBytes: number;
  readonly usedBytes: number;
  /** Files whose extents the filesystem does not tell. */
  unmappedFiles: number;
}

/** What a walk could not see in a store. */
export interface Unseen {
  readonly what: 'files' | 'directories';
  count: number;
  /** Bytes of the files, as far as the filesystem tells them. */
  bytes: number;
  /** One of them. */
  readonly path: string;
}

/** Files between two looks at the cancel flag. */
const FILES_PER_TURN = 512;
/** Deepest directory; that of a path of 4096 bytes. */
const DEPTH_MAX = 2048;
/** Bytes of the unit in which `FileStat` counts blocks. */
const STAT_BLOCK_BYTES = 512;

/** Walks directories, and gathers the extents of files for their owners. Every call blocks. */
export class Walker {
  readonly filesystems = new Map<string, WalkedFilesystem>();
  /** What this user may not see, by kind. */
  readonly unseen = new Map<Unseen['what'], Unseen>();
  files = 0;
  readonly #sets: OwnerSets;
  readonly #onTurn: (files: number) => void;
  readonly #reader = new ExtentReader();
  readonly #byDevice = new Map<number, WalkedFilesystem>();
  #current: WalkedFilesystem | undefined;
  /** Owners of the file that is read, and its bytes without a place. */
  #set = 0;
  #placelessBytes = 0;

  /** @param onTurn called every few hundred files; it may throw to end the walk */
  constructor(sets: OwnerSets, onTurn: (files: number) => void) {
    this.#sets = sets;
    this.#onTurn = onTurn;
  }

  /** Makes a directory the current one, for `file`, and counts its own blocks. */
  enter(dir: Dir, set: number): void {
    this.#onTurn(this.files);
    const { dev, ino } = dir.statSelf();
    this.#current = this.#filesystemOf(dir, dev);
    this.#begin(set);
    if (this.#reader.visitOpen(dir, this.#visit) === 'mapped') this.#finish(Number(ino));
  }

  /** Counts an entry of the current directory, as `Dir.visitEntries` shows it, if it is a regular file. */
  file(dir: Dir, entry: EntryPlace, set: number): void {
    const { start, type, inode } = entry;
    if (type !== 'file' && (type !== 'unknown' || dir.lstat(nameOf(entry))?.type !== 'file'))
      return;
    this.files += 1;
    if (this.files % FILES_PER_TURN === 0) this.#onTurn(this.files);
    this.#begin(set);
    const outcome = this.#reader.visitEntry(dir, start, this.#visit);
    if (outcome === 'mapped') this.#finish(inode);
    else this.#countWithoutExtents(dir, entry, outcome);
  }

  /** Counts a directory with everything below. Other filesystems that are mounted below are left out. */
  tree(dir: Dir, set: number, depth = 0): void {
    this.enter(dir, set);
    const filesystem = this.#current;
    const below: ByteString[] = [];
    dir.visitEntries((bytes, start, end, type, inode) => {
      const entry = { bytes, start, end, type, inode };
      if (type === 'directory') below.push(nameOf(entry));
      else this.file(dir, entry, set);
    });
    if (depth === DEPTH_MAX) return;
    for (const name of below) {
      using child = this.open(dir, name);
      if (child === undefined) continue;
      if (this.#filesystemOf(child, child.statSelf().dev, false) !== filesystem) continue;
      this.tree(child, set, depth + 1);
    }
  }

  /** Opens a directory; undefined if it is gone, no directory, or this user may not open it, which is noted. */
  open(dir: Dir, name: string): Dir | undefined {
    try {
      return dir.tryOpenDir(name, { noFollow: true });
    } catch (error) {
      if (hasErrno(error, 'ENOTDIR') || hasErrno(error, 'ELOOP')) return undefined;
      if (!hasErrno(error, 'EACCES') && !hasErrno(error, 'EPERM')) throw error;
      this.note('directories', dir.displayPath(name), 0);
      return undefined;
    }
  }

  /** Notes something that this user may not see. */
  note(what: Unseen['what'], path: string, bytes: number): void {
    const known = this.unseen.get(what);
    if (known === undefined) this.unseen.set(what, { what, count: 1, bytes, path });
    else {
      known.count += 1;
      known.bytes += bytes;
    }
  }

  #begin(set: number): void {
    this.#set = set;
    this.#placelessBytes = 0;
  }

  readonly #visit = (physical: number, sizeBytes: number, flags: number): void => {
    const isPlaced = this.#current?.table.add(physical, sizeBytes, flags, this.#set);
    if (isPlaced === false) this.#placelessBytes += sizeBytes;
  };

  #finish(inode: number): void {
    if (this.#placelessBytes === 0) return;
    this.#current?.table.addPlaceless(inode, this.#placelessBytes, this.#set, this.#sets);
  }

  #countWithoutExtents(dir: Dir, entry: EntryPlace, outcome: ExtentOutcome): void {
    const name = nameOf(entry);
    const stat = outcome === 'gone' ? undefined : dir.lstat(name);
    if (stat === undefined) return;
    const bytes = stat.blocks512 * STAT_BLOCK_BYTES;
    if (outcome === 'denied') {
      this.note('files', dir.displayPath(name), bytes);
      return;
    }
    if (this.#current === undefined) return;
    this.#current.unmappedFiles += 1;
    this.#current.table.addPlaceless(entry.inode, bytes, this.#set, this.#sets);
  }

  /** The filesystem of a directory; without `create`, undefined if nothing of it was walked before. */
  #filesystemOf(dir: Dir, device: number, create = true): WalkedFilesystem | undefined {
    const known = this.#byDevice.get(device);
    if (known !== undefined) return known;
    const id = filesystemIdOf(dir);
    const same = this.filesystems.get(id) ?? (create ? this.#add(dir, id) : undefined);
    if (same !== undefined) this.#byDevice.set(device, same);
    return same;
  }

  #add(dir: Dir, id: string): WalkedFilesystem {
    const { blockBytes, totalBytes, freeBytes } = readFilesystemState(dir);
    const added: WalkedFilesystem = {
      path: dir.label,
      id,
      table: new ExtentTable(blockBytes),
      totalBytes,
      usedBytes: totalBytes - freeBytes,
      unmappedFiles: 0,
    };
    this.filesystems.set(id, added);
    return added;
  }
}

/** An entry as `Dir.visitEntries` shows it. */
export interface EntryPlace {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly type: FileType;
  readonly inode: number;
}

/** The name of an entry. */
export function nameOf({ bytes, start, end }: EntryPlace): ByteString {
  return bytes.toString('latin1', start, end) as ByteString;
}
