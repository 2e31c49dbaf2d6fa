import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import { Directory, type Leaf, type LeafIndex, NO_XATTRS, type Stat, Tree } from '#formats/tree';
import {
  type Dir,
  type FileStat,
  type HostFile,
  OPEN,
  openVerityHasher,
  readAll,
  readPieces,
  readXattrs,
  statFd,
} from '#host';

/** Files up to this size are stored in the image. Source: composefs core spec 7.2 */
const INLINE_LIMIT = 64;

/** Options for reading a directory into a tree. */
export interface ScanOptions {
  /** Extended attributes to read: all, only `user.`, or none. */
  readonly xattrs: 'all' | 'user' | 'none';
  /** Omit device nodes, including whiteouts. */
  readonly skipDevices: boolean;
  /** Set every mtime to 0.0. */
  readonly useEpoch: boolean;
  /** Names of one inode become hard links in the tree. Otherwise each name is a separate file, as in C. */
  readonly trackHardlinks: boolean;
  /** Called for every file that is not inline; returns the id of its object (default: hash the file). */
  readonly storeObject?: (file: HostFile, sizeBytes: number) => ObjectId;
}

/**
 * Reads a directory of the host into a tree: metadata, xattrs, link targets, contents of small files, and object ids of larger ones.
 * Symbolic links are never followed. A file that changes its type while it is read is an error.
 * @throws HostError SYSCALL_FAILED, IntegrityError FILE_CHANGED. Source: composefs core spec 7.2
 */
export function scanDirectory(root: Dir, options: ScanOptions): Tree {
  const scanner = new Scanner(options);
  return scanner.run(root);
}

class Scanner {
  readonly #options: ScanOptions;
  readonly #leafOfInode = new Map<string, LeafIndex>();
  #tree = new Tree();

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  run(root: Dir): Tree {
    this.#tree = new Tree(this.#stat(root.statSelf(), root));
    this.#readDirectory(root, this.#tree.root);
    return this.#tree;
  }

  #readDirectory(dir: Dir, directory: Directory): void {
    const { skipDevices } = this.#options;
    for (const { name, type } of dir.readEntries()) {
      if (skipDevices && (type === 'block' || type === 'character')) continue;
      if (type === 'directory') {
        using below = dir.openDir(name, { noFollow: true });
        const child = new Directory(this.#stat(below.statSelf(), below));
        directory.entries.set(name, child);
        this.#readDirectory(below, child);
      } else directory.entries.set(name, this.#leaf(dir, name, type));
    }
  }

  #leaf(dir: Dir, name: ByteString, type: string): LeafIndex {
    if (type === 'file') {
      using file = dir.openFile(name, OPEN.read | OPEN.noFollow);
      return this.#add(statFd(file), type, file.label, (stat) => this.#regular(file, stat));
    }
    const state = dir.lstat(name);
    if (state === undefined) throw changed(dir.displayPath(name));
    return this.#add(state, type, dir.displayPath(name), (found) => {
      const stat = this.#stat(found, { dir, name });
      if (type === 'symlink') {
        return { kind: 'symlink', stat, target: dir.readlink(name) ?? ('' as ByteString) };
      }
      if (type === 'character') return { kind: 'chr', stat, rdev: found.rdev };
      if (type === 'block') return { kind: 'blk', stat, rdev: found.rdev };
      return { kind: type === 'fifo' ? 'fifo' : 'socket', stat };
    });
  }

  #add(state: FileStat, type: string, label: string, read: (state: FileStat) => Leaf): LeafIndex {
    if (state.type !== type) throw changed(label);
    if (!this.#options.trackHardlinks) return this.#tree.addLeaf(read(state));
    const key = `${state.dev}:${state.ino}`;
    const known = this.#leafOfInode.get(key);
    if (known !== undefined) return known;
    const index = this.#tree.addLeaf(read(state));
    this.#leafOfInode.set(key, index);
    return index;
  }

  #regular(file: HostFile, state: FileStat): Leaf {
    const stat = this.#stat(state, file);
    const { sizeBytes } = state;
    if (sizeBytes <= INLINE_LIMIT) {
      return { kind: 'inline', stat, content: new Uint8Array(readAll(file, INLINE_LIMIT)) };
    }
    const { storeObject = hashFile } = this.#options;
    const id = storeObject(file, sizeBytes);
    return { kind: 'external', stat, id, sizeBytes };
  }

  #stat(state: FileStat, target: Parameters<typeof readXattrs>[0]): Stat {
    const { useEpoch } = this.#options;
    return {
      mode: state.mode,
      uid: state.uid,
      gid: state.gid,
      mtimeSec: useEpoch ? 0n : state.mtimeSec,
      mtimeNsec: useEpoch ? 0 : state.mtimeNsec,
      xattrs: this.#xattrs(target),
    };
  }

  #xattrs(target: Parameters<typeof readXattrs>[0]): ReadonlyMap<ByteString, Uint8Array> {
    const { xattrs } = this.#options;
    if (xattrs === 'none') return NO_XATTRS;
    const all = readXattrs(target);
    if (xattrs === 'user') {
      for (const name of [...all.keys()]) if (!name.startsWith('user.')) all.delete(name);
    }
    return all.size === 0 ? NO_XATTRS : all;
  }
}

function changed(label: string): IntegrityError {
  return new IntegrityError(
    'FILE_CHANGED',
    `Cannot read "${label}": it changed while it was read`,
    {
      path: label,
    },
  );
}

/** The object id of a file's content, which must still have its size. @throws IntegrityError FILE_CHANGED */
export function hashFile(
  file: HostFile,
  sizeBytes: number,
  algorithm: VerityAlgorithm = 'sha256',
): ObjectId {
  return hashPieces(file, sizeBytes, () => undefined, algorithm);
}

/** Hashes a file and passes on every piece. @throws IntegrityError FILE_CHANGED if its size is not `sizeBytes` */
export function hashPieces(
  file: HostFile,
  sizeBytes: number,
  each: (piece: Uint8Array) => void,
  algorithm: VerityAlgorithm = 'sha256',
): ObjectId {
  const hasher = openVerityHasher(algorithm);
  let found = 0;
  for (const piece of readPieces(file)) {
    found += piece.length;
    hasher.update(piece);
    each(piece);
  }
  if (found !== sizeBytes) throw changed(file.label);
  return hasher.finish();
}
