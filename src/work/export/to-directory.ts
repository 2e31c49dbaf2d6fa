import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ConflictError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { readTree } from '#formats/erofs';
import { Dir, fsync, hasErrno, pathOf, randomName, syncfs } from '#host';
import type { Repository } from '#stores/composefs';
import { resolveImageId } from '#work/image';
import { type CheckoutCounts, TreeWriter } from './checkout.ts';
import { removeTree } from './remove.ts';

/** How to write an image as plain files. */
export interface DirectoryOptions extends OperationOptions {
  /** Give files their owners; true for root, else false. Without it everything belongs to this user. */
  readonly owners?: boolean | undefined;
  /**
   * How far objects are verified: `content` (default) hashes each one unless fs-verity vouches for it, `kernel` trusts the store where
   * fs-verity cannot answer.
   */
  readonly verify?: 'content' | 'kernel' | undefined;
}

/** What was written. */
export interface DirectoryReport extends CheckoutCounts {
  readonly path: string;
  readonly imageId: ObjectId;
}

/**
 * Writes the filesystem of an image as plain files: modes, owners, times to the nanosecond, extended attributes, hard links, devices.
 * Contents share extents with the objects where the filesystem can, else they are copied. All of it is built under a temporary name
 * beside `path` and renamed at the end, so `path` is either absent (or the empty directory that it was) or complete; durable when
 * this returns. What this user may not create is left out and counted in the report.
 * @throws ConflictError TARGET_NOT_EMPTY; as `resolveImageId`, `readTree`; IntegrityError OBJECT_DIGEST_MISMATCH,
 * OBJECT_SIZE_MISMATCH; FormatError TREE_PATH_INVALID; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function exportDirectory(
  repository: Repository,
  name: string,
  path: string,
  options: DirectoryOptions = {},
): Promise<DirectoryReport> {
  const imageId = resolveImageId(repository, name);
  const tree = readTree(repository.images.read(imageId).bytes);
  const { parent, base } = openTarget(path);
  using _parent = parent;
  requireFree(parent, base, path);
  const temporary = `.onecopy-${randomName()}` as ByteString;
  parent.mkdir(temporary, 0o700);
  try {
    const writer = new TreeWriter(repository, tree, {
      owners: options.owners ?? process.geteuid?.() === 0,
      verify: options.verify ?? 'content',
      signal: options.signal,
      onProgress: options.onProgress,
    });
    using root = parent.openDir(temporary, { noFollow: true });
    writer.write(root);
    syncfs(root);
    options.signal?.throwIfAborted();
    publish(parent, temporary, base, path);
    fsync(parent);
    return { path, imageId, ...writer.counts };
  } catch (error) {
    removeTree(parent, temporary);
    throw error;
  }
}

function openTarget(path: string): { parent: Dir; base: ByteString } {
  const trimmed = path.replace(/(?<=.)\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const parent = Dir.open(trimmed.slice(0, slash + 1) || '.');
  return { parent, base: pathOf(trimmed.slice(slash + 1)) };
}

/** @throws ConflictError TARGET_NOT_EMPTY unless nothing, or an empty directory, is there */
function requireFree(parent: Dir, base: ByteString, path: string): void {
  const isName = base !== '' && base !== '.' && base !== '..';
  const stat = isName ? parent.lstat(base) : undefined;
  if (isName && stat === undefined) return;
  if (stat?.type === 'directory') {
    using directory = parent.openDir(base, { noFollow: true });
    if (directory.readEntries().length === 0) return;
  }
  throw notFree(path);
}

function publish(parent: Dir, temporary: ByteString, base: ByteString, path: string): void {
  try {
    parent.rename(temporary, base);
  } catch (cause) {
    if (hasErrno(cause, 'ENOTEMPTY') || hasErrno(cause, 'EEXIST') || hasErrno(cause, 'ENOTDIR')) {
      throw notFree(path, cause);
    }
    throw cause;
  }
}

function notFree(path: string, cause?: unknown): ConflictError {
  return new ConflictError(
    'TARGET_NOT_EMPTY',
    `Cannot write image to "${path}": expected nothing or an empty directory there, found something else`,
    { path },
    { hint: 'Choose a new directory', ...(cause === undefined ? {} : { cause }) },
  );
}
