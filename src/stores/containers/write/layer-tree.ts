import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError, UnsupportedError } from '#base/errors';
import type { StoredContent, TarEntry } from '#formats/tar';
import {
  cloneFile,
  copyBytes,
  copyRange,
  type Descriptor,
  type Dir,
  encodeDevice,
  fchmod,
  fchown,
  futimens,
  Dir as HostDir,
  type HostFile,
  hasErrno,
  OPEN,
  openBeneath,
  removeTree,
  setXattr,
  writeAll,
  type XattrTarget,
} from '#host';

/** `always`: reflink or refuse; `auto`: reflink, else copy; `never`: copy. */
export type ReflinkPolicy = 'auto' | 'always' | 'never';

/** Options of writing a layer. */
export interface LayerTreeOptions {
  /** Opens the content of a file; the tree closes it. */
  readonly openObject: (id: ObjectId) => Descriptor & Disposable;
  readonly reflink: ReflinkPolicy;
  /** Prefix of the overlayfs marks: `trusted.` needs the initial user namespace, other namespaces read `user.`. */
  readonly marks: 'trusted' | 'user';
}

/** Counts of what was written. */
export interface LayerTreeCounts {
  files: number;
  directories: number;
  links: number;
  /** Files whose content shares extents with its object, and their bytes. */
  reflinkedFiles: number;
  reflinkedBytes: number;
  copiedFiles: number;
  copiedBytes: number;
  /** Devices and attributes that this user may not create; podman omits them too. */
  leftOut: number;
}

/** Counts before the first entry. */
export function noLayerTreeCounts(): LayerTreeCounts {
  return {
    files: 0,
    directories: 0,
    links: 0,
    reflinkedFiles: 0,
    reflinkedBytes: 0,
    copiedFiles: 0,
    copiedBytes: 0,
    leftOut: 0,
  };
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Mode of the root of a layer without entry for it. Source: containers/storage, overlay driver. */
const ROOT_MODE = 0o555;
const SET_GROUP_ID = 0o2000;
/** Mode of directories without entry. */
const IMPLICIT_MODE = 0o755;
/** Attributes of overlayfs itself: an image must not set them. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;

/**
 * Writes the files of one layer in the form of overlayfs: whiteouts as devices, opaque directories by an attribute, everything else as in the
 * tar. Paths are resolved with the directory as their root, so no link in the layer leads out of it.
 */
export class LayerTree implements Disposable {
  readonly counts = noLayerTreeCounts();
  /** Owners of the entries, except whiteouts. */
  readonly uids = new Set<number>();
  readonly gids = new Set<number>();
  /** Directories without entry so far, without leading slash. */
  readonly implied = new Set<string>();
  readonly #root: Dir;
  readonly #options: LayerTreeOptions;
  /** Directories in order of arrival; the last entry of a path counts. */
  readonly #directories = new Map<string, TarEntry>();
  readonly #whiteouts = new Set<string>();
  readonly #isRoot = process.geteuid?.() === 0;
  /** Owner of every new file; undefined if it is not known. */
  readonly #newOwner: { readonly uid: number; readonly gid: number } | undefined;
  #parent: { readonly path: string; readonly dir: Dir } | undefined;

  /** Writes into `root`, an empty directory, which stays owned by the caller. */
  constructor(root: Dir, options: LayerTreeOptions) {
    this.#root = root;
    this.#options = options;
    const { uid, gid, mode } = root.statSelf();
    const isPlain = uid === process.geteuid?.() && gid === process.getegid?.();
    // A group that new files take from their directory would be another one.
    if (isPlain && (mode & SET_GROUP_ID) === 0) this.#newOwner = { uid, gid };
  }

  [Symbol.dispose](): void {
    this.#parent?.dir[Symbol.dispose]();
    this.#parent = undefined;
  }

  /**
   * Writes the next entry of the tar.
   * @throws FormatError LAYER_LINK_INVALID; UnsupportedError IMPORT_WOULD_COPY; HostError SYSCALL_FAILED, NO_SPACE
   */
  apply(entry: TarEntry, content: StoredContent): void {
    if (entry.path === '/') {
      if (entry.type === 'directory') this.#directories.set('', entry);
      this.uids.add(entry.uid);
      this.gids.add(entry.gid);
      return;
    }
    const slash = entry.path.lastIndexOf('/');
    const name = entry.path.slice(slash + 1) as ByteString;
    const dir = this.#openParent(entry.path.slice(1, slash));
    if (!name.startsWith(WHITEOUT)) {
      this.uids.add(entry.uid);
      this.gids.add(entry.gid);
    }
    if (name === OPAQUE) this.#markOpaque(dir);
    else if (name.startsWith(`${WHITEOUT}${WHITEOUT}`)) return;
    else if (name.startsWith(WHITEOUT)) this.#hide(dir, name.slice(WHITEOUT.length), entry);
    else this.#write(dir, name, entry, content);
  }

  /** Ends the layer: sets the metadata of directories, the deepest first. @throws HostError SYSCALL_FAILED */
  finish(): void {
    this[Symbol.dispose]();
    const paths = [...this.#directories.keys()].sort((a, b) => b.length - a.length);
    for (const path of paths) {
      const entry = this.#directories.get(path);
      if (entry === undefined || path === '') continue;
      using dir = this.#tryOpen(path);
      if (dir !== undefined) this.#describe(dir, entry);
    }
    const entry = this.#directories.get('');
    if (entry === undefined) fchmod(this.#root, ROOT_MODE);
    else this.#describe(this.#root, entry);
  }

  #write(dir: Dir, name: ByteString, entry: TarEntry, content: StoredContent): void {
    switch (entry.type) {
      case 'directory':
        this.#makeDirectory(dir, name, entry);
        return;
      case 'file':
        this.#makeFile(dir, name, entry, content);
        return;
      case 'hardlink':
        this.#link(dir, name, entry);
        return;
      case 'symlink':
        this.#make(dir, name, () => dir.symlink(entry.linkTarget, name));
        break;
      case 'chr':
      case 'blk':
      case 'fifo':
        if (!this.#makeNode(dir, name, entry)) return;
        break;
      default:
        return;
    }
    this.counts.files += 1;
    this.#describeName(dir, name, entry);
  }

  #makeDirectory(dir: Dir, name: ByteString, entry: TarEntry): void {
    const path = entry.path.slice(1);
    if (dir.lstat(name)?.type !== 'directory') {
      this.#make(dir, name, () => dir.mkdir(name, 0o700));
      this.counts.directories += 1;
      if (this.#whiteouts.has(path)) {
        using made = dir.openDir(name, { noFollow: true });
        this.#markOpaque(made);
      }
    }
    this.#directories.set(path, entry);
    this.implied.delete(path);
  }

  #makeFile(dir: Dir, name: ByteString, entry: TarEntry, content: StoredContent): void {
    using file = this.#create(dir, name);
    if (content.kind === 'inline') writeAll(file, content.bytes);
    else this.#fill(file, content, entry.path);
    this.#describe(file, entry);
    this.counts.files += 1;
  }

  /** Creates a file; what has its name already is removed. */
  #create(dir: Dir, name: ByteString): HostFile {
    const flags = OPEN.create | OPEN.exclusive | OPEN.write | OPEN.noFollow;
    try {
      return dir.openFile(name, flags, 0o600);
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
      this.#remove(dir, name);
      return dir.openFile(name, flags, 0o600);
    }
  }

  #fill(file: Descriptor, content: StoredContent & { kind: 'external' }, path: ByteString): void {
    const { reflink, openObject } = this.#options;
    const { sizeBytes } = content;
    using object = openObject(content.id);
    if (reflink !== 'never' && cloneFile(object, file)) {
      this.counts.reflinkedFiles += 1;
      this.counts.reflinkedBytes += sizeBytes;
      return;
    }
    if (reflink === 'always') throw wouldCopy(path);
    const copy = reflink === 'never' ? copyBytes : copyRange;
    copy(object, file, { fromOffset: 0, toOffset: 0, sizeBytes });
    this.counts.copiedFiles += 1;
    this.counts.copiedBytes += sizeBytes;
  }

  #link(dir: Dir, name: ByteString, entry: TarEntry): void {
    const target = entry.linkTarget;
    const slash = target.lastIndexOf('/');
    const base = target.slice(slash + 1) as ByteString;
    using from = this.#tryOpen(target.slice(1, Math.max(1, slash)));
    const type = base === '' ? undefined : from?.lstat(base)?.type;
    if (from === undefined || type === undefined || type === 'directory') throw linkInvalid(entry);
    if (entry.path === target) return;
    this.#remove(dir, name);
    from.link(base, name, dir);
    this.counts.links += 1;
  }

  #makeNode(dir: Dir, name: ByteString, entry: TarEntry): boolean {
    const type = entry.type === 'chr' ? 'character' : entry.type === 'blk' ? 'block' : 'fifo';
    const device = type === 'fifo' ? 0 : encodeDevice(entry.rdevMajor, entry.rdevMinor);
    try {
      this.#make(dir, name, () => dir.makeNode(name, type, 0o600, device));
      return true;
    } catch (error) {
      if (!hasErrno(error, 'EPERM')) throw error;
      this.counts.leftOut += 1;
      return false;
    }
  }

  /** Hides a name of lower layers by a whiteout; content of this layer under the name is kept, and a directory becomes opaque. */
  #hide(dir: Dir, name: string, entry: TarEntry): void {
    if (name === '' || name === '.' || name === '..') return;
    const path = `${entry.path.slice(1, entry.path.lastIndexOf('/') + 1)}${name}`;
    if (dir.makeNode(name, 'character', 0, 0)) {
      this.#whiteouts.add(path);
      if (this.#isRoot && this.#mustOwn(entry)) dir.lchown(name, entry.uid, entry.gid);
    } else if (dir.lstat(name)?.type === 'directory') {
      using own = dir.openDir(name, { noFollow: true });
      this.#markOpaque(own);
    }
  }

  #markOpaque(dir: Dir): void {
    setXattr(dir, `${this.#options.marks}.overlay.opaque`, Buffer.from('y'));
  }

  /** Creates a name that may already exist. */
  #make(dir: Dir, name: ByteString, make: () => boolean): void {
    if (make()) return;
    this.#remove(dir, name);
    make();
  }

  #remove(dir: Dir, name: ByteString): void {
    const type = dir.lstat(name)?.type;
    if (type === 'directory') removeTree(dir, name);
    else if (type !== undefined) dir.unlink(name);
  }

  #openParent(path: string): Dir {
    if (this.#parent?.path === path) return this.#parent.dir;
    const dir = this.#tryOpen(path) ?? this.#makeParents(path);
    this.#parent?.dir[Symbol.dispose]();
    this.#parent = { path, dir };
    return dir;
  }

  #tryOpen(path: string): Dir | undefined {
    try {
      const flags = OPEN.read | OPEN.directory;
      const file = openBeneath(this.#root, path === '' ? '.' : path, flags, 'in-root');
      return new HostDir(file.detach(), this.#root.displayPath(path));
    } catch (error) {
      if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Creates parent directories without entry. */
  #makeParents(path: string): Dir {
    const parts = path.split('/');
    for (let count = 1; count <= parts.length; count += 1) {
      const below = parts.slice(0, count).join('/');
      using found = this.#tryOpen(below);
      if (found !== undefined) continue;
      using parent = this.#tryOpen(parts.slice(0, count - 1).join('/'));
      const name = (parts[count - 1] ?? '') as ByteString;
      if (parent === undefined) continue;
      this.#make(parent, name, () => parent.mkdir(name, IMPLICIT_MODE));
      parent.chmod(name, IMPLICIT_MODE);
      this.implied.add(below);
      this.counts.directories += 1;
    }
    return this.#tryOpen(path) ?? this.#root.openDir(path);
  }

  /** False if a new file has this owner already, and for files of root where this user is not root. */
  #mustOwn({ uid, gid }: TarEntry): boolean {
    if (this.#isRoot) return uid !== this.#newOwner?.uid || gid !== this.#newOwner.gid;
    return uid !== 0 || gid !== 0;
  }

  /** Sets the metadata of a file or directory, owners first, because changing owners clears other metadata. */
  #describe(file: Descriptor, entry: TarEntry): void {
    if (this.#mustOwn(entry)) fchown(file, entry.uid, entry.gid);
    this.#setXattrs(file, entry);
    fchmod(file, entry.mode);
    const time = { sec: entry.mtimeSec, nsec: entry.mtimeNsec };
    futimens(file, time, time);
  }

  #describeName(dir: Dir, name: ByteString, entry: TarEntry): void {
    if (this.#mustOwn(entry)) dir.lchown(name, entry.uid, entry.gid);
    this.#setXattrs({ dir, name }, entry);
    if (entry.type !== 'symlink') dir.chmod(name, entry.mode);
    const time = { sec: entry.mtimeSec, nsec: entry.mtimeNsec };
    dir.lutimens(name, time, time);
  }

  #setXattrs(target: XattrTarget, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      if (OVERLAY_XATTR.test(name)) continue;
      try {
        setXattr(target, name, value);
      } catch (error) {
        if (!hasErrno(error, 'EPERM') && !hasErrno(error, 'EOPNOTSUPP')) throw error;
        this.counts.leftOut += 1;
      }
    }
  }
}

function wouldCopy(path: ByteString): UnsupportedError {
  return new UnsupportedError(
    'IMPORT_WOULD_COPY',
    `Cannot write "${displayText(path)}" without copying: the filesystem of repository and store cannot share extents`,
    { reason: 'reflink' },
    {
      hint: 'Allow copies with --reflink auto, or put both on one filesystem that can share extents (XFS, btrfs)',
    },
  );
}

function linkInvalid(entry: TarEntry): FormatError {
  return new FormatError(
    'LAYER_LINK_INVALID',
    `Cannot write "${displayText(entry.path)}": expected a file of the same layer behind the link, found none at "${displayText(entry.linkTarget)}"`,
    { offset: entry.offset, what: displayText(entry.path) },
  );
}
