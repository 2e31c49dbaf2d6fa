import { constants } from 'node:os';
import type { ByteString } from '#base/bytes';
import { hasCode, isOnecopyError } from '#base/errors';
import {
  type FuseAttributes,
  FuseEntries,
  FuseReplies,
  type FuseRequest,
  PROTOCOL,
} from '#formats/fuse';
import type { NodeFiles } from './node-files.ts';
import type { NodeView } from './node-view.ts';

/** Largest read, in pages of 4096 bytes, and in bytes. */
export const READ_PAGES_MAX = 256;
const READ_BYTES_MAX = READ_PAGES_MAX * 4096;

const ERROR = constants.errno;

/** Entries that the kernel never looks up by name. */
const DOT_NAMES: ReadonlySet<string> = new Set(['.', '..']);

/** Answers the requests of the kernel about one image. Each reply depends on the request only, so several threads may answer. */
export class NodeServer {
  readonly #view: NodeView;
  readonly #files: NodeFiles;
  readonly #replies = new FuseReplies(READ_BYTES_MAX);
  readonly #passthrough: boolean;

  constructor(view: NodeView, files: NodeFiles, passthrough: boolean) {
    this.#view = view;
    this.#files = files;
    this.#passthrough = passthrough;
  }

  /** The reply; undefined if the kernel expects none. Unreadable data results in EIO; no request ends the server. */
  answer(request: FuseRequest): Buffer | undefined {
    try {
      return this.#answer(request);
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return this.#replies.status(request.unique, ERROR.EIO);
    }
  }

  #answer(request: FuseRequest): Buffer | undefined {
    const { unique, node } = request;
    const replies = this.#replies;
    switch (request.kind) {
      case 'init':
        return this.#init(request);
      case 'lookup':
        return this.#lookup(unique, node, request.name);
      case 'getattr':
        return replies.attributes(unique, this.#attributes(node));
      case 'readlink':
        return this.#readlink(unique, node);
      case 'open':
        return this.#open(unique, node);
      case 'read': {
        const room = replies.room.subarray(0, Math.min(request.lengthBytes, READ_BYTES_MAX));
        const inode = this.#view.inodeOf(node);
        return replies.body(unique, this.#files.read(inode, request.handle, request.offset, room));
      }
      case 'release':
        this.#files.release(node, request.handle);
        return replies.status(unique, 0);
      case 'readdir':
      case 'readdirplus':
        return this.#list(request);
      case 'getxattr':
        return this.#xattr(unique, node, request.name, request.lengthBytes);
      case 'listxattr':
        return this.#xattrNames(unique, node, request.lengthBytes);
      case 'statfs':
        return replies.statfs(unique);
      case 'destroy':
        return replies.status(unique, 0);
      case 'forget':
      case 'interrupt':
        return undefined;
      // Also opendir: the kernel then caches listings, and does not ask again.
      default:
        return replies.status(unique, ERROR.ENOSYS);
    }
  }

  #init(request: FuseRequest & { kind: 'init' }): Buffer {
    const { unique, major, minor, readAheadBytes, flags, flags2 } = request;
    if (major !== PROTOCOL.major) return this.#replies.status(unique, ERROR.EPROTO);
    return this.#replies.init(unique, {
      minor,
      readAheadBytes,
      pagesMax: READ_PAGES_MAX,
      offered: { flags, flags2 },
      passthrough: this.#passthrough,
    });
  }

  #attributes(node: number): FuseAttributes {
    return this.#view.attributes(this.#view.inodeOf(node));
  }

  #lookup(unique: bigint, node: number, name: ByteString): Buffer {
    const found = this.#view.lookup(this.#view.inodeOf(node), name);
    if (found === undefined) return this.#replies.noEntry(unique);
    return this.#replies.entry(unique, this.#view.attributes(found));
  }

  #readlink(unique: bigint, node: number): Buffer {
    const inode = this.#view.inodeOf(node);
    if (inode.type !== 'symlink') return this.#replies.status(unique, ERROR.EINVAL);
    const target = this.#view.inline(inode).subarray(0, READ_BYTES_MAX);
    this.#replies.room.set(target);
    return this.#replies.body(unique, target.length);
  }

  #open(unique: bigint, node: number): Buffer {
    const inode = this.#view.inodeOf(node);
    if (inode.type === 'directory') return this.#replies.status(unique, ERROR.EISDIR);
    if (inode.type !== 'regular') return this.#replies.status(unique, ERROR.EINVAL);
    try {
      const { handle, backingId } = this.#files.open(inode);
      return this.#replies.opened(unique, handle, backingId);
    } catch (error) {
      if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error;
      return this.#replies.status(unique, ERROR.ENOENT);
    }
  }

  #list(request: FuseRequest & { kind: 'readdir' | 'readdirplus' }): Buffer {
    const { unique, node, offset, lengthBytes, kind } = request;
    const room = this.#replies.room.subarray(0, Math.min(lengthBytes, READ_BYTES_MAX));
    const out = new FuseEntries(room);
    for (const { entry, inode, next } of this.#view.entries(this.#view.inodeOf(node), offset)) {
      const { name } = entry;
      const listed = {
        name,
        node: this.#view.nodeOf(inode.nid),
        mode: this.#view.modeOf(inode),
        next,
      };
      const isPlain = kind === 'readdir';
      const known = isPlain || DOT_NAMES.has(name) ? undefined : this.#view.attributes(inode);
      if (!out.add(listed, isPlain ? 'plain' : known)) break;
    }
    return this.#replies.body(unique, out.lengthBytes);
  }

  #xattr(unique: bigint, node: number, name: ByteString, lengthBytes: number): Buffer {
    const value = this.#view.xattrs(this.#view.inodeOf(node)).get(name);
    if (value === undefined) return this.#replies.status(unique, ERROR.ENODATA);
    return this.#sized(unique, value, lengthBytes);
  }

  #xattrNames(unique: bigint, node: number, lengthBytes: number): Buffer {
    const names = [...this.#view.xattrs(this.#view.inodeOf(node)).keys()];
    const list = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
    return this.#sized(unique, list, lengthBytes);
  }

  /** As getxattr(2) and listxattr(2): size 0 requests the length, a size that is too small is an error. */
  #sized(unique: bigint, bytes: Uint8Array, lengthBytes: number): Buffer {
    if (lengthBytes === 0) return this.#replies.xattrLength(unique, bytes.length);
    if (lengthBytes < bytes.length) return this.#replies.status(unique, ERROR.ERANGE);
    this.#replies.room.set(bytes);
    return this.#replies.body(unique, bytes.length);
  }
}
