import { type ByteString, byteStringOf, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError, IntegrityError, NotFoundError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { type ErofsImage, type ErofsInode, openImage } from '#formats/erofs';
import { DEPTH_LIMIT } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { resolveImageId } from '#work/image';

/** Type of a file of an image. */
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
  /** Device number in the 32-bit form of the kernel; 0 for other files. */
  readonly rdev: number;
  /** Target of a symbolic link. */
  readonly target: ByteString | undefined;
  /** The object with the content, if the content is not in the image. */
  readonly objectId: ObjectId | undefined;
  /** True for a file without an object that contains only zeros. */
  readonly isSparse: boolean;
  /** Number of the inode in the image: equal for hard links. */
  readonly inode: number;
}

/** A visited entry and its depth below the start. */
export interface WalkedViewEntry extends ViewEntry {
  readonly depth: number;
}

/** How to look up a path. */
export interface LookupOptions {
  /** Also follow a symbolic link in the last component. Links in other components are always followed, inside the image. */
  readonly follow?: boolean | undefined;
}

/** Source of the contents of files: the objects of a repository, or the contents that were read from the source of an image. */
export interface ContentStore {
  /** An object, verified before the first byte is read. @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH */
  open(
    id: ObjectId,
    options: { readonly verify: 'content' },
  ): Disposable & { readonly sizeBytes: number; read(offset: number, into: Uint8Array): number };
}

/** Largest number of symbolic links in the resolution of a path. Source: Linux namei.h MAXSYMLINKS. */
const LINKS_MAX = 40;
/** Longest target of a symbolic link, in bytes. Source: Linux limits.h PATH_MAX. */
const TARGET_BYTES_MAX = 4096;
/** Pieces in which contents are read. */
const PIECE_BYTES = 1 << 20;

/**
 * The files of an image without mounting it. The image is verified first, and read and decoded on demand. Symbolic links are followed
 * inside the image only; an absolute link starts at its root. Contents come from an open repository or another store, which must stay open
 * while they are read.
 */
export class ImageView implements Disposable {
  readonly imageId: ObjectId;
  /** Name of the image in messages (default: its id). */
  name: string | undefined;
  readonly #contents: ContentStore;
  readonly #image: ErofsImage;
  readonly #file: Disposable | undefined;
  readonly #hasObjectIds: boolean;

  /** Use {@link openImageView} or {@link viewImage}. @param file closed together with the view */
  constructor(
    contents: ContentStore,
    imageId: ObjectId,
    image: ErofsImage,
    { file, hasObjectIds = true }: { file?: Disposable; hasObjectIds?: boolean } = {},
  ) {
    this.#contents = contents;
    this.imageId = imageId;
    this.#image = image;
    this.#file = file;
    this.#hasObjectIds = hasObjectIds;
  }

  /** Closes the image. */
  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }

  /**
   * The entry of a path. The leading slash is optional; `.` and `..` are supported.
   * @throws NotFoundError TREE_PATH_NOT_FOUND, TREE_NOT_A_DIRECTORY, PATH_LINK_LOOP; FormatError EROFS_INVALID
   */
  stat(path: ByteString, options: LookupOptions = {}): ViewEntry {
    const { place, inode } = this.#lookup(path, options.follow === true);
    return this.#entry(place, inode);
  }

  /** Extended attributes of a path, or of an entry of this view, which saves the lookup. @throws as `stat` */
  xattrs(
    of: ByteString | ViewEntry,
    options: LookupOptions = {},
  ): ReadonlyMap<ByteString, Uint8Array> {
    return this.#image.xattrs(this.#find(of, options.follow === true).inode);
  }

  /** The entries of a directory in byte order; follows links; a file is listed itself. @throws as `stat` */
  list(path: ByteString): ViewEntry[] {
    const { place, inode } = this.#lookup(path, true);
    if (inode.type !== 'directory') return [this.#entry(place, inode)];
    return this.#image
      .listDirectory(inode)
      .map(({ name, nid }) => this.#entry([...place, name], this.#image.inode(nid)));
  }

  /**
   * A path and everything below: a directory before its entries, entries in byte order. Links are not followed.
   * @throws as `stat`; FormatError EROFS_INVALID also for an image whose directories overlap or form a cycle
   */
  *walk(
    path: ByteString,
    options: { readonly maxDepth?: number | undefined } = {},
  ): Generator<WalkedViewEntry> {
    const start = this.#lookup(path, false);
    const maxDepth = options.maxDepth ?? DEPTH_LIMIT + 1;
    // A valid image has every directory once, so their total size is at most the size of the image.
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
   * The content of a regular file (a path, following links, or an entry of this view), in pieces. A piece is overwritten by the next one.
   * The object is verified before its first byte is returned: by fs-verity, or by hashing.
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

  /** A file without an object is inline, or (chunk-based) contains only zeros. */
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

  /** Name of a content in its store: the object id, also of a view that shows none; undefined for a content in the image. */
  contentIdOf(entry: ViewEntry): ObjectId | undefined {
    return this.#image.objectOf(this.#image.inode(entry.inode))?.id;
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
    const id = this.#image.objectOf(inode)?.id;
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
      objectId: this.#hasObjectIds ? id : undefined,
      isSparse: inode.type === 'regular' && inode.layout === 'chunkBased' && id === undefined,
      inode: inode.nid,
    };
  }
}

/** An inode and its path, with links resolved. */
interface Found {
  readonly place: readonly ByteString[];
  readonly inode: ErofsInode;
}

/**
 * Opens the filesystem of an image: the name of an OCI image, `@digest`, an image id, or `refs/<name>`. The caller disposes it.
 * @throws as `resolveImageId`, `openImage`; IntegrityError OBJECT_DIGEST_MISMATCH; the signal's reason
 */
export async function openImageView(
  repository: Repository,
  name: string,
  options: Pick<OperationOptions, 'signal'> = {},
): Promise<ImageView> {
  const imageId = resolveImageId(repository, name);
  const { object } = await repository.images.openVerifiedOnce(imageId, options);
  try {
    return new ImageView(repository.objects, imageId, openImage(object), { file: object });
  } catch (error) {
    object[Symbol.dispose]();
    throw error;
  }
}

/**
 * The filesystem of an EROFS image in memory, whose id is known. Without `hasObjectIds`, its contents have names that are no object ids, and
 * entries show none.
 * @throws as `openImage`
 */
export function viewImage(
  contents: ContentStore,
  imageId: ObjectId,
  bytes: Uint8Array,
  hasObjectIds = true,
): ImageView {
  return new ImageView(contents, imageId, openImage(bytes), { hasObjectIds });
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
  const hint =
    inode.type === 'directory' ? { hint: 'List a directory with ls, or copy it with cp' } : {};
  return new NotFoundError(code, message, { path }, hint);
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
