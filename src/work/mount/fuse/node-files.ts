import type { ObjectId } from '#base/digest';
import { IntegrityError, NotFoundError } from '#base/errors';
import type { ErofsInode } from '#formats/erofs';
import { algorithmOfObject, objectPath } from '#formats/fsverity';
import {
  closeFd,
  closeFuseBacking,
  type Descriptor,
  Dir,
  type HostFile,
  OPEN,
  openFuseBacking,
  readAt,
  tryMeasureVerity,
} from '#host';
import type { NodeView } from './node-view.ts';

/** A handle of `open`: 0 for inline data, a descriptor, or a multiple of this for a file that the kernel reads itself. */
const BACKING_UNIT = 2 ** 32;

/** An opened file, as encoded in the reply. */
export interface OpenedNode {
  readonly handle: number;
  readonly backingId: number | undefined;
}

interface Backing {
  readonly id: number;
  readonly nid: number;
  opens: number;
}

/** Location of the contents of files. */
export interface NodeFilesOptions {
  /** Open directories of objects, searched in order. */
  readonly objects: readonly number[];
  /** Every object must have fs-verity. */
  readonly verity: boolean;
  /** Pass files to the kernel. Only one thread may do so: all opens of a node share one backing id. */
  readonly passthrough: boolean;
}

/** The contents of the files of an image. */
export class NodeFiles {
  readonly #device: Descriptor;
  readonly #view: NodeView;
  readonly #objects: readonly Dir[];
  readonly #options: NodeFilesOptions;
  readonly #backings = new Map<number, Backing>();
  /** The inline file that was read last. */
  #inline: { readonly nid: number; readonly content: Uint8Array } | undefined;

  constructor(device: Descriptor, view: NodeView, options: NodeFilesOptions) {
    this.#device = device;
    this.#view = view;
    this.#options = options;
    this.#objects = options.objects.map((fd) => new Dir(fd, 'objects'));
  }

  /** @throws NotFoundError OBJECT_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH, VERITY_NOT_ENABLED; FormatError EROFS_INVALID */
  open(inode: ErofsInode): OpenedNode {
    const object = this.#view.objectOf(inode);
    if (object === undefined) return { handle: 0, backingId: undefined };
    const known = this.#backings.get(inode.nid);
    if (known !== undefined) {
      known.opens += 1;
      return { handle: known.id * BACKING_UNIT, backingId: known.id };
    }
    using file = this.#openObject(object.id);
    const id = this.#options.passthrough ? openFuseBacking(this.#device, file) : undefined;
    if (id === undefined) return { handle: file.detach(), backingId: undefined };
    const backing = { id, nid: inode.nid, opens: 1 };
    this.#backings.set(inode.nid, backing);
    return { handle: id * BACKING_UNIT, backingId: id };
  }

  /** Reads into `room`; returns the number of bytes read. */
  read(inode: ErofsInode, handle: number, offset: number, room: Buffer): number {
    if (handle > 0 && handle < BACKING_UNIT) return readAt(handle, room, offset);
    const length = Math.max(0, Math.min(room.length, inode.sizeBytes - offset));
    if (inode.layout === 'chunkBased') return room.fill(0, 0, length) && length;
    if (this.#inline?.nid !== inode.nid) {
      this.#inline = { nid: inode.nid, content: this.#view.inline(inode) };
    }
    const piece = this.#inline.content.subarray(offset, offset + length);
    room.set(piece);
    return piece.length;
  }

  /** Releases a handle of `open`. */
  release(node: number, handle: number): void {
    if (handle === 0) return;
    if (handle < BACKING_UNIT) {
      closeFd(handle);
      return;
    }
    const { nid } = this.#view.inodeOf(node);
    const backing = this.#backings.get(nid);
    if (backing === undefined) return;
    backing.opens -= 1;
    if (backing.opens > 0) return;
    this.#backings.delete(nid);
    closeFuseBacking(this.#device, backing.id);
  }

  #openObject(id: ObjectId): HostFile {
    const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock;
    for (const objects of this.#objects) {
      const file = objects.tryOpenFile(objectPath(id), flags);
      if (file === undefined) continue;
      try {
        this.#verify(file, id);
        return file;
      } catch (error) {
        file[Symbol.dispose]();
        throw error;
      }
    }
    throw new NotFoundError('OBJECT_NOT_FOUND', `Cannot open object ${id}: it does not exist`, {
      id,
    });
  }

  #verify(file: HostFile, id: ObjectId): void {
    const found = tryMeasureVerity(file, algorithmOfObject(id));
    if (found === undefined && !this.#options.verity) return;
    if (found === id) return;
    throw new IntegrityError(
      'OBJECT_DIGEST_MISMATCH',
      `Cannot open object ${id}: expected its fs-verity digest, found ${found ?? 'none'}`,
      { expected: id, found: found ?? 'none' },
    );
  }
}
