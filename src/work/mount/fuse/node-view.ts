import type { ByteString } from '#base/bytes';
import type { ErofsEntry, ErofsImage, ErofsInode, ObjectReference } from '#formats/erofs';
import { type FuseAttributes, ROOT_NODE } from '#formats/fuse';
import { TYPE_BITS } from '#formats/tree';

/** Difference between a node number and its inode number, because nodes 0 and 1 are reserved. Source: composefs core spec 8.4. */
const NODE_OFFSET = 2;

/** Xattrs that hold access control lists (xattr(7)). */
const ACCESS_LISTS = ['system.posix_acl_access', 'system.posix_acl_default'] as ByteString[];

/** A name in a directory with its inode, and the position of the next entry. */
export interface NamedInode {
  readonly entry: ErofsEntry;
  readonly inode: ErofsInode;
  readonly next: number;
}

/**
 * An image as users see it: whiteouts are hidden, and escaped overlayfs attributes have their original names. Keeps no state of nodes: the number
 * of a node is the location of its inode.
 */
export class NodeView {
  readonly #image: ErofsImage;
  readonly #hidesAccessLists: boolean;

  constructor(image: ErofsImage, hidesAccessLists: boolean) {
    this.#image = image;
    this.#hidesAccessLists = hidesAccessLists;
  }

  /** @throws FormatError EROFS_INVALID */
  inodeOf(node: number): ErofsInode {
    return this.#image.inode(node === ROOT_NODE ? this.#image.rootNid : node - NODE_OFFSET);
  }

  nodeOf(nid: number): number {
    return nid === this.#image.rootNid ? ROOT_NODE : nid + NODE_OFFSET;
  }

  /** The inode of a name; undefined when there is none. @throws FormatError EROFS_INVALID */
  lookup(directory: ErofsInode, name: ByteString): ErofsInode | undefined {
    const nid = this.#image.lookup(directory, name);
    if (nid === undefined) return undefined;
    const inode = this.#image.inode(nid);
    return this.#image.isWhiteout(inode) ? undefined : inode;
  }

  /** The entries of a directory from a position, `.` and `..` included. @throws FormatError EROFS_INVALID */
  *entries(directory: ErofsInode, position: number): Generator<NamedInode> {
    for (const { next, ...entry } of this.#image.entriesFrom(directory, position)) {
      const inode = this.#image.inode(entry.nid);
      if (!this.#image.isWhiteout(inode)) yield { entry, inode, next };
    }
  }

  attributes(inode: ErofsInode): FuseAttributes {
    return {
      node: this.nodeOf(inode.nid),
      sizeBytes: inode.type === 'directory' ? 0 : inode.sizeBytes,
      mode: this.modeOf(inode),
      nlink: inode.nlink,
      uid: inode.uid,
      gid: inode.gid,
      rdev: inode.rdev,
      mtimeSec: inode.mtimeSec,
      mtimeNsec: inode.mtimeNsec,
    };
  }

  modeOf(inode: ErofsInode): number {
    return TYPE_BITS[inode.type] | inode.mode;
  }

  /** @throws FormatError EROFS_INVALID */
  xattrs(inode: ErofsInode): ReadonlyMap<ByteString, Uint8Array> {
    const xattrs = this.#image.xattrs(inode);
    if (this.#hidesAccessLists) for (const name of ACCESS_LISTS) xattrs.delete(name);
    return xattrs;
  }

  /** @throws FormatError EROFS_INVALID */
  objectOf(inode: ErofsInode): ObjectReference | undefined {
    return this.#image.objectOf(inode);
  }

  /** Inline data of an inode: the content of a small file, the target of a link. Empty for files of zeros. @throws FormatError EROFS_INVALID */
  inline(inode: ErofsInode): Uint8Array {
    return this.#image.readInline(inode);
  }
}
