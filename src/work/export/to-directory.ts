import { type ByteString, byteStringFromText, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ConflictError, FormatError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import { readTreeInSteps } from '#formats/erofs';
import { Directory, lookupPath, Tree, UNSET_STAT } from '#formats/tree';
import { Dir, fsync, hasErrno, pathOf, removeTree, syncfs } from '#host';
import type { ExportNotes, Repository } from '#stores/composefs';
import { openImageView, type ViewEntry } from '#work/browse';
import { resolveImageId } from '#work/image';
import { type CheckoutCounts, type TreeContents, TreeWriter } from './checkout.ts';
import { removeAbandoned, StagingFolder } from './staging.ts';

/** Options for writing an image as plain files. */
export interface DirectoryOptions extends OperationOptions {
  /** Name of the image in messages (default: its id). */
  readonly name?: string | undefined;
  /** Restore owners (default: true for root). Otherwise all files belong to this user. */
  readonly owners?: boolean | undefined;
  /** Verification of objects: `content` (default) hashes each object without fs-verity; `kernel` trusts objects without fs-verity. */
  readonly verify?: 'content' | 'kernel' | undefined;
}

/** What was written. */
export interface DirectoryReport extends CheckoutCounts {
  readonly path: string;
  readonly imageId: ObjectId;
}

/**
 * Writes the filesystem of an image as plain files: modes, owners, times to the nanosecond, extended attributes, hard links, devices.
 * Contents share extents with the objects if the filesystem supports it, otherwise they are copied. The tree is built under a temporary
 * name beside `path` and renamed at the end, so `path` is absent (or an empty directory, as before) or complete. Durable when this returns.
 * Files that this user may not create are skipped and counted in the report.
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
  const tree = await inTurns(readTreeInSteps(repository.images.read(imageId).bytes), options);
  return await exportTree(repository, { imageId, tree }, path, options);
}

/** As `exportDirectory`, of a tree that is in memory. @throws as `exportDirectory` */
export async function exportTree(
  contents: Contents,
  { imageId, tree }: Omit<EntryOfTree, 'entry'>,
  path: string,
  options: DirectoryOptions = {},
): Promise<DirectoryReport> {
  const counts = await writeBeside(contents, tree, path, options, publishDirectory);
  return { path, imageId, ...counts };
}

/**
 * Copies one file, or a directory with everything in it, out of an image. If the target is an existing directory, the copy is created in it
 * under its own name; other existing files are not changed. A symbolic link in the last component is copied as a link. Otherwise as
 * `exportDirectory`.
 * @throws NotFoundError TREE_PATH_NOT_FOUND, TREE_NOT_A_DIRECTORY, PATH_LINK_LOOP; as `exportDirectory`
 */
export async function exportPath(
  repository: Repository,
  name: string,
  { from, to }: { readonly from: ByteString; readonly to: string },
  options: DirectoryOptions = {},
): Promise<DirectoryReport> {
  using view = await openImageView(repository, name, options);
  view.name = options.name;
  const { imageId } = view;
  const { bytes } = repository.images.read(imageId);
  const tree = await inTurns(readTreeInSteps(bytes), options);
  return await copyEntry(repository, { imageId, tree, entry: view.stat(from) }, to, options);
}

/** A file or directory of an image, and the tree that it is in. */
export interface EntryOfTree {
  readonly imageId: ObjectId;
  readonly tree: Tree;
  readonly entry: Pick<ViewEntry, 'name' | 'path'>;
}

/** As `exportPath`, from wherever the contents lie. @throws as `exportPath` */
export async function copyEntry(
  contents: Contents,
  { imageId, tree, entry }: EntryOfTree,
  to: string,
  options: DirectoryOptions = {},
): Promise<DirectoryReport> {
  const inode = lookupPath(tree, entry.path);
  const path = entry.path === '/' ? to : placeFor(entry.name, to);
  const report = { path, imageId };
  if (inode instanceof Directory) {
    const below = treeBelow(inode, tree);
    return {
      ...report,
      ...(await writeBeside(contents, below, path, options, publishDirectory)),
    };
  }
  const only = new Directory({ ...UNSET_STAT, mode: 0o700 });
  only.entries.set(entry.name, inode);
  const publish: Publish = (parent, temporary, base) => {
    const source = `${temporary}/${entry.name}`;
    if (!parent.renameNoReplace(source, base)) throw notFree(path, 'something that exists');
    parent.rmdir(temporary);
  };
  const counts = await writeBeside(contents, treeBelow(only, tree), path, options, publish);
  return { ...report, ...counts, directories: 0 };
}

/** A repository, or contents that lie elsewhere. */
interface Contents {
  readonly objects: TreeContents;
  readonly exports?: ExportNotes;
}

/** The target itself, or a path inside if it is an existing directory. */
function placeFor(name: ByteString, to: string): string {
  const { parent, base } = openTarget(to);
  using _parent = parent;
  const isDirectory =
    base === '' || base === '.' || base === '..' || parent.stat(base)?.type === 'directory';
  return isDirectory ? `${to.replace(/\/+$/, '')}/${textOf(name)}` : to;
}

/** Paths of this host are text; a name that is not UTF-8 needs an explicit target. */
function textOf(name: ByteString): string {
  const text = displayText(name);
  if (byteStringFromText(text) === name) return text;
  throw new FormatError(
    'TREE_PATH_INVALID',
    `Cannot name the copy of "${text}": expected UTF-8, found other bytes`,
    { offset: 0, what: 'name' },
    { hint: 'Give a file name as target' },
  );
}

/** A tree with another root that shares the leaves. */
function treeBelow(directory: Directory, tree: Tree): Tree {
  const below = new Tree(directory.stat);
  for (const [name, inode] of directory.entries) below.root.entries.set(name, inode);
  below.leaves = tree.leaves;
  return below;
}

/** Renames the written tree to its target, as the last step. */
type Publish = (parent: Dir, temporary: ByteString, base: ByteString, path: string) => void;

/** Writes a tree under a temporary name beside its target, and removes it after a failure. Leftovers of killed runs are removed first. */
async function writeBeside(
  contents: Contents,
  tree: Tree,
  path: string,
  options: DirectoryOptions,
  publish: Publish,
): Promise<CheckoutCounts> {
  const { parent, base } = openTarget(path);
  using _parent = parent;
  requireFree(parent, base, path);
  removeAbandoned(parent);
  using staging = StagingFolder.make(parent);
  using _note = contents.exports?.add(staging.path);
  try {
    const writer = new TreeWriter(contents.objects, tree, {
      owners: options.owners ?? process.geteuid?.() === 0,
      verify: options.verify ?? 'content',
      signal: options.signal,
      onProgress: options.onProgress,
    });
    await inTurns(writer.write(staging.root), options);
    syncfs(staging.root);
    options.signal?.throwIfAborted();
    publish(parent, staging.name, base, path);
    fsync(parent);
    return writer.counts;
  } catch (error) {
    removeTree(parent, staging.name);
    throw error;
  }
}

function openTarget(path: string): { parent: Dir; base: ByteString } {
  const trimmed = path.replace(/(?<=.)\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  const parent = Dir.open(trimmed.slice(0, slash + 1) || '.');
  return { parent, base: pathOf(trimmed.slice(slash + 1)) };
}

/** @throws ConflictError TARGET_NOT_EMPTY unless the path does not exist or is an empty directory */
function requireFree(parent: Dir, base: ByteString, path: string): void {
  const isName = base !== '' && base !== '.' && base !== '..';
  const stat = isName ? parent.lstat(base) : undefined;
  if (isName && stat === undefined) return;
  if (stat?.type === 'directory') {
    using directory = parent.openDir(base, { noFollow: true });
    if (directory.readEntries().length === 0) return;
  }
  throw notFree(path, stat?.type === 'file' ? 'a file' : 'a directory that is not empty');
}

function publishDirectory(
  parent: Dir,
  temporary: ByteString,
  base: ByteString,
  path: string,
): void {
  try {
    parent.rename(temporary, base);
  } catch (cause) {
    if (hasErrno(cause, 'ENOTEMPTY') || hasErrno(cause, 'EEXIST') || hasErrno(cause, 'ENOTDIR')) {
      throw notFree(path, 'something that was made meanwhile', cause);
    }
    throw cause;
  }
}

function notFree(path: string, found: string, cause?: unknown): ConflictError {
  return new ConflictError(
    'TARGET_NOT_EMPTY',
    `Cannot write to "${path}": expected a new path or an empty directory, found ${found}`,
    { path },
    {
      hint: 'Choose a path that does not exist, or remove what is there',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
