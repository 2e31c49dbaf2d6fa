import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError, IntegrityError, isOnecopyError } from '#base/errors';
import type { OperationOptions, Steps } from '#base/flow';
import {
  Directory,
  type Leaf,
  type LeafIndex,
  leafAt,
  type RegularLeaf,
  type Stat,
  sortedEntries,
  type Tree,
} from '#formats/tree';
import {
  cloneFile,
  copyRange,
  type Dir,
  fchmod,
  fchown,
  futimens,
  hasErrno,
  OPEN,
  setXattr,
  truncate,
  writeAll,
  type XattrTarget,
} from '#host';
import type { VerifyMode } from '#stores/composefs';

/** Longest list of skipped entries in a report; their total number is exact. */
const LEFT_OUT_MAX = 1000;
/** Longest path for a hard link; for a longer path, the file is written again. Source: Linux limits.h PATH_MAX. */
const LINK_PATH_MAX = 4000;
/** Files between two progress events. */
const PROGRESS_EVERY = 256;

/** An entry or attribute that this user or this filesystem cannot create. */
export interface LeftOut {
  readonly path: string;
  readonly what: 'device' | 'xattr' | 'owner';
  /** errno name. */
  readonly reason: string;
}

/** Counts of a checkout; sizes in bytes. */
export interface CheckoutCounts {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly hardlinks: number;
  readonly specials: number;
  readonly reflinkedFiles: number;
  readonly reflinkedBytes: number;
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  readonly inlineBytes: number;
  readonly leftOutCount: number;
  readonly leftOut: readonly LeftOut[];
}

type Counter = Exclude<keyof CheckoutCounts, 'leftOut'>;

/** An open content of a file. */
export interface TreeContent extends Disposable {
  readonly fd: number;
  readonly label: string;
  readonly sizeBytes: number;
}

/** Where the contents of files lie: the objects of a repository, or what was read of an image at its source. */
export interface TreeContents {
  /** @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH */
  open(id: ObjectId, options: { readonly verify: VerifyMode }): TreeContent;
}

/** How a tree is written. */
export interface TreeWriterOptions extends OperationOptions {
  readonly owners: boolean;
  readonly verify: VerifyMode;
}

/**
 * Writes a tree into a new, empty directory. Every entry is created by name below an open directory, exclusively and without following
 * links, so no name of the tree can leave it.
 */
export class TreeWriter {
  readonly #contents: TreeContents;
  readonly #tree: Tree;
  readonly #options: TreeWriterOptions;
  /** Path of the first name of each leaf, for hard links. */
  readonly #firstPath = new Map<LeafIndex, string>();
  readonly #counts: { [K in Counter]: number } = {
    files: 0,
    directories: 0,
    symlinks: 0,
    hardlinks: 0,
    specials: 0,
    reflinkedFiles: 0,
    reflinkedBytes: 0,
    copiedFiles: 0,
    copiedBytes: 0,
    inlineBytes: 0,
    leftOutCount: 0,
  };
  readonly #leftOut: LeftOut[] = [];
  #canClone = true;

  constructor(contents: TreeContents, tree: Tree, options: TreeWriterOptions) {
    this.#contents = contents;
    this.#tree = tree;
    this.#options = options;
  }

  get counts(): CheckoutCounts {
    return { ...this.#counts, leftOut: this.#leftOut };
  }

  /** Writes everything below `root` in steps, and then sets the metadata of `root`. */
  *write(root: Dir): Steps<void> {
    this.#options.onProgress?.({ type: 'started', id: 'export', unit: 'items' });
    yield* this.#writeDirectory({ root, dir: root, path: '' }, this.#tree.root);
    this.#options.onProgress?.({ type: 'done', id: 'export', transferred: this.#done() });
  }

  *#writeDirectory(at: Place, directory: Directory): Steps<void> {
    for (const [name, inode] of sortedEntries(directory)) {
      yield;
      requireName(name, at.path);
      const path = at.path === '' ? name : `${at.path}/${name}`;
      if (inode instanceof Directory) {
        at.dir.mkdir(name, 0o700);
        using below = at.dir.openDir(name, { noFollow: true });
        yield* this.#writeDirectory({ root: at.root, dir: below, path }, inode);
      } else {
        this.#writeLeaf({ ...at, path }, name, inode);
      }
    }
    // Set last: new entries change the mtime of their directory, and its mode may forbid them.
    this.#describe(at.dir, directory.stat, at.path);
    this.#count('directories');
  }

  #writeLeaf(at: Place, name: ByteString, index: LeafIndex): void {
    const first = this.#firstPath.get(index);
    if (first !== undefined && this.#link(at, name, first)) return;
    const leaf = leafAt(this.#tree, index);
    if (this.#create(at, name, leaf)) this.#firstPath.set(index, at.path);
    const done = this.#done();
    if (done % PROGRESS_EVERY === 0) {
      this.#options.onProgress?.({ type: 'advanced', id: 'export', done });
    }
  }

  /** False if the file must be written again: its first name is unreachable, because of its length or the modes of its parents. */
  #link(at: Place, name: ByteString, first: string): boolean {
    if (first.length >= LINK_PATH_MAX) return false;
    try {
      at.root.link(first, name, at.dir);
    } catch (error) {
      if (!hasErrno(error, 'EACCES') && !hasErrno(error, 'EPERM')) throw error;
      return false;
    }
    this.#count('hardlinks');
    return true;
  }

  /** False if the leaf was skipped. */
  #create(at: Place, name: ByteString, leaf: Leaf): boolean {
    switch (leaf.kind) {
      case 'symlink':
        at.dir.symlink(leaf.target, name);
        this.#describeName(at, name, leaf.stat);
        this.#count('symlinks');
        return true;
      case 'chr':
      case 'blk':
      case 'fifo':
      case 'socket':
        return this.#createSpecial(at, name, leaf);
      default:
        this.#createFile(at, name, leaf);
        return true;
    }
  }

  #createFile(at: Place, name: ByteString, leaf: RegularLeaf): void {
    const flags = OPEN.create | OPEN.exclusive | OPEN.write | OPEN.noFollow;
    using file = at.dir.openFile(name, flags, 0o600);
    if (leaf.kind === 'inline') {
      writeAll(file, leaf.content);
      this.#count('inlineBytes', leaf.content.length);
    } else if (leaf.kind === 'sparse') {
      truncate(file, leaf.sizeBytes);
    } else {
      using object = this.#openObject(leaf.id, leaf.sizeBytes);
      this.#fill(file, object);
    }
    this.#describe(file, leaf.stat, at.path);
    this.#count('files');
  }

  #openObject(id: ObjectId, sizeBytes: number): TreeContent {
    const object = this.#contents.open(id, { verify: this.#options.verify });
    if (object.sizeBytes === sizeBytes) return object;
    const found = object.sizeBytes;
    object[Symbol.dispose]();
    throw sizeMismatch(id, sizeBytes, found);
  }

  #fill(file: Descriptor, object: TreeContent): void {
    const { sizeBytes } = object;
    // If sharing is not supported once, it is not tried again: source and target filesystem stay the same.
    this.#canClone = this.#canClone && cloneFile(object, file);
    if (this.#canClone) {
      this.#count('reflinkedFiles');
      this.#count('reflinkedBytes', sizeBytes);
      return;
    }
    const copied = copyRange(object, file, { fromOffset: 0, toOffset: 0, sizeBytes });
    if (copied !== sizeBytes) throw sizeMismatch(object.label, sizeBytes, copied);
    this.#count('copiedFiles');
    this.#count('copiedBytes', sizeBytes);
  }

  #createSpecial(at: Place, name: ByteString, leaf: SpecialLeaf): boolean {
    const type = ({ chr: 'character', blk: 'block', fifo: 'fifo', socket: 'socket' } as const)[
      leaf.kind
    ];
    try {
      at.dir.makeNode(name, type, 0o600, 'rdev' in leaf ? leaf.rdev : 0);
    } catch (error) {
      if (!hasErrno(error, 'EPERM')) throw error;
      this.#leaveOut(at.path, 'device', error);
      return false;
    }
    this.#describeName(at, name, leaf.stat);
    at.dir.chmod(name, leaf.stat.mode);
    this.#count('specials');
    return true;
  }

  /** Metadata of an open file or directory: the owner first, because a change of the owner clears setuid bits and capabilities. */
  #describe(file: Descriptor, stat: Stat, path: string): void {
    if (this.#options.owners) this.#tolerate(path, 'owner', () => fchown(file, stat.uid, stat.gid));
    this.#setXattrs(file, stat, path);
    fchmod(file, stat.mode);
    futimens(file, 'omit', timeOf(stat));
  }

  /** Metadata of files that cannot be opened: symbolic links (which have no mode) and special files. */
  #describeName(at: Place, name: ByteString, stat: Stat): void {
    if (this.#options.owners) {
      this.#tolerate(at.path, 'owner', () => at.dir.lchown(name, stat.uid, stat.gid));
    }
    this.#setXattrs({ dir: at.dir, name }, stat, at.path);
    at.dir.lutimens(name, 'omit', timeOf(stat));
  }

  #setXattrs(target: XattrTarget, stat: Stat, path: string): void {
    for (const [name, value] of stat.xattrs) {
      this.#tolerate(path, 'xattr', () => setXattr(target, name, value));
    }
  }

  /** Runs an operation that this user or filesystem may not support, and records a failure. */
  #tolerate(path: string, what: LeftOut['what'], action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!hasErrno(error, 'EPERM') && !hasErrno(error, 'EOPNOTSUPP')) throw error;
      this.#leaveOut(path, what, error);
    }
  }

  #leaveOut(path: string, what: LeftOut['what'], error: unknown): void {
    this.#count('leftOutCount');
    if (this.#leftOut.length >= LEFT_OUT_MAX) return;
    const reason = isOnecopyError(error) ? String(error.details['errno']) : '';
    this.#leftOut.push({ path: `/${displayText(path as ByteString)}`, what, reason });
  }

  #count(counter: Counter, by = 1): void {
    this.#counts[counter] += by;
  }

  #done(): number {
    const { files, directories, symlinks, hardlinks, specials } = this.#counts;
    return files + directories + symlinks + hardlinks + specials;
  }
}

type Descriptor = { readonly fd: number; readonly label: string };
type SpecialLeaf = Extract<Leaf, { kind: 'chr' | 'blk' | 'fifo' | 'socket' }>;

/** Position of the writer: the root of the checkout, the current directory, and the path of the entry from the root. */
interface Place {
  readonly root: Dir;
  readonly dir: Dir;
  readonly path: string;
}

function timeOf(stat: Stat): { readonly sec: bigint; readonly nsec: number } {
  return { sec: stat.mtimeSec, nsec: stat.mtimeNsec };
}

function sizeMismatch(what: string, expected: number, found: number): IntegrityError {
  return new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot export object ${what}: expected ${expected} bytes, found ${found}`,
    { id: what, expected, found },
  );
}

/** Names come from an image: a name with a slash would leave the directory. @throws FormatError TREE_PATH_INVALID */
function requireName(name: ByteString, path: string): void {
  const isName = name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
  if (isName) return;
  throw new FormatError(
    'TREE_PATH_INVALID',
    `Cannot write an entry of "/${displayText(path as ByteString)}": expected a name, found ${JSON.stringify(displayText(name))}`,
    { offset: 0, what: 'name' },
  );
}
