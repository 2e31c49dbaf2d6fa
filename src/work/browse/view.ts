import { type ByteString, byteStringOf, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError, IntegrityError, NotFoundError } from '#base/errors';
import { type ErofsImage, type ErofsInode, openImage } from '#formats/erofs';
import { DEPTH_LIMIT } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { resolveImageId } from '#work/image';

/** What a file of an image is. */
export type FileKind = 'file' | 'directory' | 'symlink' | 'chr' | 'blk' | 'fifo' | 'socket';

/** A file of an image under one of its names. Sizes in bytes; names are bytes. */
export interface ViewEntry {
  /** From the root, with a leading slash; `/` is the root. */
  readonly path: ByteString;
  readonly name: ByteString;
  readonly kind: FileKind;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSec: bigint;
  readonly mtimeNsec: number;
  readonly linkCount: number;
  /** Device number in the kernel's 32-bit form, 0 for what is no device. */
  readonly rdev: number;
  /** Target of a symbolic link. */
  readonly target: ByteString | undefined;
  /** The object that holds the content, when it is not in the image itself. */
  readonly objectId: ObjectId | undefined;
  /** A file without object that is nothing but zeros. */
  readonly isSparse: boolean;
  /** Number of the inode in the image: equal for hard links. */
  readonly inode: number;
}

/** A visited entry and how far it is below the start. */
export interface WalkedViewEntry extends ViewEntry {
  readonly depth: number;
}

/** How to look up a path. */
export interface LookupOptions {
  /** Follow a symbolic link in the last place too. Links before it are always followed, inside the image. */
  readonly follow?: boolean | undefined;
}

/** Where the contents of files lie: the objects of a repository, or what was brought of an image at its source. */
export interface ContentStore {
  /** An object, verified before the first byte is read. @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH */
  open(
    id: ObjectId,
    options: { readonly verify: 'content' },
  ): Disposable & { readonly sizeBytes: number; read(offset: number, into: Uint8Array): number };
}

/** Symbolic links that one path may lead through. Source: Linux namei.h MAXSYMLINKS. */
const LINKS_MAX = 40;
/** Longest target of a symbolic link, in bytes. Source: Linux limits.h PATH_MAX. */
const TARGET_BYTES_MAX = 4096;
/** Pieces in which contents are read. */
const PIECE_BYTES = 1 << 20;

/**
 * The files of an image without mounting it. The image is verified first; nothing of it is read or decoded until it is asked for.
 * Symbolic links are followed inside the image only, an absolute one from its root. Contents come from an open repository
 * or another store, which must stay open while they are read.
 */
export class ImageView implements Disposable {
  readonly imageId: ObjectId;
  /** What whoever asked calls the image, for messages; its id while it is undefined. */
  name: string | undefined;
  readonly #contents: ContentStore;
  readonly #image: ErofsImage;
  readonly #file: Disposable | undefined;

  /** Use {@link openImageView} or {@link viewImage}. @param file what to close with this */
  constructor(contents: ContentStore, imageId: ObjectId, image: ErofsImage, file?: Disposable) {
    this.#contents = contents;
    this.imageId = imageId;
    this.#image = image;
    this.#file = file;
  }

  /** Closes the image. */
  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }

  /**
   * What a path names. The leading slash is optional; `.` and `..` are understood.
   * @throws NotFoundError TREE_PATH_NOT_FOUND, TREE_NOT_A_DIRECTORY, PATH_LINK_LOOP; FormatError EROFS_INVALID
   */
  stat(path: ByteString, options: LookupOptions = {}): ViewEntry {
    const { place, inode } = this.#lookup(path, options.follow === true);
    return this.#entry(place, inode);
  }

  /** Extended attributes of a path, or of an entry of this view without looking it up again. @throws as `stat` */
  xattrs(
    of: ByteString | ViewEntry,
    options: LookupOptions = {},
  ): ReadonlyMap<ByteString, Uint8Array> {
    return this.#image.xattrs(this.#find(of, options.follow === true).inode);
  }

  /** The entries of a directory in byte order, also behind a link; a file is listed as itself. @throws as `stat` */
  list(path: ByteString): ViewEntry[] {
    const { place, inode } = this.#lookup(path, true);
    if (inode.type !== 'directory') return [this.#entry(place, inode)];
    return this.#image
      .listDirectory(inode)
      .map(({ name, nid }) => this.#entry([...place, name], this.#image.inode(nid)));
  }

  /**
   * Everything from a path downwards: a directory before its entries, entries in byte order. Links are shown, not followed.
   * @throws as `stat`; FormatError EROFS_INVALID also for an image whose directories overlap or are nested without end
   */
  *walk(
    path: ByteString,
    options: { readonly maxDepth?: number | undefined } = {},
  ): Generator<WalkedViewEntry> {
    const start = this.#lookup(path, false);
    const maxDepth = options.maxDepth ?? DEPTH_LIMIT + 1;
    // An honest image has every directory once; all of them together are no longer than the image.
    let budget = this.#image.sizeBytes;
    const stack = [{ ...start, depth: 0 }];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const { place, inode, depth } = at;
      yield { ...this.#entry(place, inode), depth };
      if (inode.type !== 'directory' || depth >= maxDepth) continue;
      budget -= inode.sizeBytes;
      if (budget < 0 || depth >= DEPTH_LIMIT) throw damaged(place);
      for (const { name, nid } of this.#image.listDirectory(inode).reverse()) {
        stack.push({ place: [...place, name], inode: this.#image.inode(nid), depth: depth + 1 });
      }
    }
  }

  /**
   * The content of a regular file, also behind a link, in pieces that the next one overwrites; or of an entry of this view. Its object
   * is verified before the first byte comes: by fs-verity, or by hashing it.
   * @throws as `stat`; NotFoundError TREE_IS_A_DIRECTORY, TREE_NOT_REGULAR, OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH,
   * OBJECT_SIZE_MISMATCH
   */
  *read(of: ByteString | ViewEntry): Generator<Uint8Array> {
    const { place, inode } = this.#find(of, true);
    if (inode.type !== 'regular') throw notRegular(place, inode);
    const reference = this.#image.objectOf(inode);
    if (reference === undefined) {
      yield* this.#inlineContent(inode);
      return;
    }
    using object = this.#contents.open(reference.id, { verify: 'content' });
    if (object.sizeBytes !== inode.sizeBytes) throw sizeMismatch(reference.id, inode, object);
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, object.sizeBytes)));
    for (let offset = 0; offset < object.sizeBytes; ) {
      const length = object.read(offset, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
      offset += length;
    }
  }

  /** A file without object is inline, or (chunk-based) nothing but zeros. */
  *#inlineContent(inode: ErofsInode): Generator<Uint8Array> {
    if (inode.layout !== 'chunkBased') {
      yield* this.#image.inlinePieces(inode);
      return;
    }
    const zeros = new Uint8Array(Math.min(PIECE_BYTES, inode.sizeBytes));
    for (let left = inode.sizeBytes; left > 0; left -= zeros.length) {
      yield zeros.subarray(0, Math.min(zeros.length, left));
    }
  }

  #find(of: ByteString | ViewEntry, follow: boolean): Found {
    if (typeof of === 'string') return this.#lookup(of, follow);
    const place = of.path.split('/').filter((name) => name !== '') as ByteString[];
    return { place, inode: this.#image.inode(of.inode) };
  }

  #lookup(path: ByteString, follow: boolean): Found {
    const names = path.split('/').reverse();
    const found: Found[] = [{ place: [], inode: this.#image.inode(this.#image.rootNid) }];
    let links = 0;
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (name === '' || name === '.') continue;
      const at = found.at(-1) as Found;
      if (at.inode.type !== 'directory') throw notDirectory(at.place);
      if (name === '..') {
        if (found.length > 1) found.pop();
        continue;
      }
      const next = this.#child(at, name as ByteString);
      const isLast = names.every((rest) => rest === '');
      if (next.inode.type !== 'symlink' || (isLast && !follow)) {
        found.push(next);
        continue;
      }
      links += 1;
      if (links > LINKS_MAX) throw linkLoop(path);
      const target = this.#targetOf(next);
      if (target.startsWith('/')) found.length = 1;
      names.push(...target.split('/').reverse());
    }
    return found.at(-1) as Found;
  }

  #child(at: Found, name: ByteString): Found {
    const place = [...at.place, name];
    const nid = this.#image.lookup(at.inode, name);
    if (nid === undefined) {
      const path = pathOf(place);
      throw new NotFoundError(
        'TREE_PATH_NOT_FOUND',
        `Cannot find "${displayText(path)}" in ${this.name === undefined ? `image ${this.imageId}` : `"${this.name}"`}`,
        { path: displayText(path) },
      );
    }
    return { place, inode: this.#image.inode(nid) };
  }

  #targetOf({ place, inode }: Found): ByteString {
    if (inode.sizeBytes > TARGET_BYTES_MAX) throw targetTooLong(place, inode);
    return byteStringOf(this.#image.readInline(inode));
  }

  #entry(place: readonly ByteString[], inode: ErofsInode): ViewEntry {
    const { mode, uid, gid, sizeBytes, mtimeSec, mtimeNsec, rdev } = inode;
    const objectId = this.#image.objectOf(inode)?.id;
    return {
      path: pathOf(place),
      name: place.at(-1) ?? ('' as ByteString),
      kind: inode.type === 'regular' ? 'file' : inode.type,
      mode,
      uid,
      gid,
      sizeBytes,
      mtimeSec,
      mtimeNsec,
      linkCount: inode.nlink,
      rdev,
      target: inode.type === 'symlink' ? this.#targetOf({ place, inode }) : undefined,
      objectId,
      isSparse: inode.type === 'regular' && inode.layout === 'chunkBased' && objectId === undefined,
      inode: inode.nid,
    };
  }
}

/** An inode and the names that lead to it, links resolved. */
interface Found {
  readonly place: readonly ByteString[];
  readonly inode: ErofsInode;
}

/**
 * Opens the filesystem of an image: the name of an OCI image, `@digest`, an image id, or `refs/<name>`. The caller disposes it.
 * @throws as `resolveImageId`, `openImage`; IntegrityError OBJECT_DIGEST_MISMATCH
 */
export function openImageView(repository: Repository, name: string): ImageView {
  const imageId = resolveImageId(repository, name);
  const { object } = repository.images.openVerifiedOnce(imageId);
  try {
    return new ImageView(repository.objects, imageId, openImage(object), object);
  } catch (error) {
    object[Symbol.dispose]();
    throw error;
  }
}

/** The filesystem of an EROFS image at hand, whose id is known. @throws as `openImage` */
export function viewImage(contents: ContentStore, imageId: ObjectId, bytes: Uint8Array): ImageView {
  return new ImageView(contents, imageId, openImage(bytes));
}

function pathOf(place: readonly ByteString[]): ByteString {
  return `/${place.join('/')}` as ByteString;
}

function notDirectory(place: readonly ByteString[]): NotFoundError {
  const path = displayText(pathOf(place));
  return new NotFoundError(
    'TREE_NOT_A_DIRECTORY',
    `Cannot list "${path}": expected a directory, found another type of file`,
    { path },
  );
}

function notRegular(place: readonly ByteString[], inode: ErofsInode): NotFoundError {
  const path = displayText(pathOf(place));
  const code = inode.type === 'directory' ? 'TREE_IS_A_DIRECTORY' : 'TREE_NOT_REGULAR';
  const message = `Cannot read "${path}": expected a regular file, found ${inode.type}`;
  return new NotFoundError(code, message, { path });
}

function linkLoop(path: ByteString): NotFoundError {
  const shown = displayText(path);
  return new NotFoundError(
    'PATH_LINK_LOOP',
    `Cannot follow "${shown}": expected at most ${LINKS_MAX} symbolic links, found more`,
    { path: shown },
  );
}

function sizeMismatch(
  id: ObjectId,
  inode: ErofsInode,
  object: { readonly sizeBytes: number },
): IntegrityError {
  const expected = inode.sizeBytes;
  const found = object.sizeBytes;
  return new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot read object ${id}: expected ${expected} bytes, found ${found}`,
    { id, expected, found },
  );
}

function damaged(place: readonly ByteString[]): FormatError {
  const path = displayText(pathOf(place));
  return new FormatError(
    'EROFS_INVALID',
    `Cannot walk below "${path}": expected each directory once, found directories that overlap`,
    { offset: 0, what: 'image', path },
  );
}

function targetTooLong(place: readonly ByteString[], inode: ErofsInode): FormatError {
  const path = displayText(pathOf(place));
  return new FormatError(
    'EROFS_INVALID',
    `Cannot read the link "${path}": expected a target of at most ${TARGET_BYTES_MAX} bytes, found ${inode.sizeBytes}`,
    { offset: inode.offset, what: 'symlink', path },
  );
}
