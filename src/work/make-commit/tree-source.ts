import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ConflictError, hasCode, IntegrityError, isOnecopyError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import { readTreeInSteps } from '#formats/erofs';
import { computeVerity } from '#formats/fsverity';
import { Directory, type Inode, leafAt, type Tree } from '#formats/tree';
import { Dir, type HostFile, readAt, statFd } from '#host';
import type { Repository } from '#stores/composefs';
import { openCommit, treeOfOpened } from '#work/commits';
import { scanDirectory } from '#work/compose';
import {
  buildTree,
  type OciImage,
  openOciImage,
  presentImageId,
  resolveImageId,
} from '#work/image';
import { readTarTree } from './tar-tree.ts';

/** The source of a tree to commit. */
export type TreeSource =
  /** An OCI image of the repository, by tag or `@digest`, or an EROFS image by id or name. */
  | { readonly kind: 'image'; readonly name: string }
  | { readonly kind: 'directory'; readonly path: string }
  /** Plain, gzip or zstd. */
  | { readonly kind: 'tar'; readonly path: string }
  /** A commit of the repository. */
  | { readonly kind: 'commit'; readonly name: string };

/** Reads a source into a tree whose files are objects of the repository. @throws as the readers of each kind */
export async function readTreeSource(
  repository: Repository,
  source: TreeSource,
  options: OperationOptions = {},
): Promise<Tree> {
  switch (source.kind) {
    case 'image':
      return await treeOfImage(repository, source.name, options);
    case 'commit':
      return await treeOfOpened(openCommit(repository, source.name), options);
    case 'tar':
      return await readTarTree(repository, source.path, options);
    case 'directory':
      return readDirectoryTree(repository, source.path, options);
  }
}

/** The tree of the EROFS image or, if that of an OCI image is missing, of its layers. */
async function treeOfImage(
  repository: Repository,
  name: string,
  options: OperationOptions,
): Promise<Tree> {
  const image = tryOpenOciImage(repository, name);
  const isMissing = image?.config !== undefined && presentImageId(repository, image) === undefined;
  if (isMissing) return await buildTree(repository, image, { signal: options.signal });
  const { bytes } = repository.images.read(resolveImageId(repository, name));
  return await inTurns(readTreeInSteps(bytes), options);
}

/** Undefined for the id or the name of a bare EROFS image. */
function tryOpenOciImage(repository: Repository, name: string): OciImage | undefined {
  try {
    return openOciImage(repository, name);
  } catch (error) {
    if (hasCode(error, 'IMAGE_NOT_FOUND') || hasCode(error, 'REF_NAME_INVALID')) return undefined;
    throw error;
  }
}

function readDirectoryTree(repository: Repository, path: string, options: OperationOptions): Tree {
  const importer = new Importer(repository);
  using root = Dir.open(path);
  return scanDirectory(root, {
    xattrs: 'all',
    skipDevices: false,
    useEpoch: true,
    trackHardlinks: true,
    storeObject: (file, sizeBytes) => {
      options.signal?.throwIfAborted();
      return importer.store(file, sizeBytes);
    },
  });
}

/** Files up to this size are read completely if they cannot be cloned, in bytes. */
const WHOLE_FILE_BYTES = 1 << 20;

/**
 * Takes files by reflink, else by copy. Never by hard link: the owner of the files may change them later, and fs-verity would make them
 * read-only.
 */
class Importer {
  readonly #repository: Repository;
  /** One buffer for all files: a new buffer for each costs more than reading. */
  readonly #buffer = new Uint8Array(WHOLE_FILE_BYTES);
  #canClone = true;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  store(file: HostFile, sizeBytes: number): ObjectId {
    const { objects, algorithm } = this.#repository;
    if (this.#canClone) {
      try {
        return objects.importFile(file, sizeBytes, 'reflink').id;
      } catch (error) {
        if (!isOnecopyError(error) || !hasCode(error, 'IMPORT_WOULD_COPY')) throw error;
        this.#canClone = false;
      }
    }
    if (sizeBytes > WHOLE_FILE_BYTES) return objects.importFile(file, sizeBytes, 'copy').id;
    const bytes = this.#readWhole(file, sizeBytes);
    const id = computeVerity(bytes, algorithm);
    objects.writer().publishBytes(id, bytes);
    return id;
  }

  /** @throws IntegrityError OBJECT_SIZE_MISMATCH if the size of the file changes while it is read */
  #readWhole(file: HostFile, expected: number): Uint8Array {
    let length = 0;
    while (length < expected) {
      const count = readAt(file, this.#buffer.subarray(length, expected), length);
      if (count === 0) break;
      length += count;
    }
    const found = statFd(file).sizeBytes;
    if (length === expected && found === expected) return this.#buffer.subarray(0, expected);
    throw new IntegrityError(
      'OBJECT_SIZE_MISMATCH',
      `Cannot commit "${file.label}": expected ${expected} bytes, found ${found}`,
      { id: file.label, expected, found },
    );
  }
}

/**
 * Merges a tree into another one: an existing directory keeps its children and gets the later metadata; other entries are replaced. Source:
 * OSTree spec 5.6.
 * @throws ConflictError OSTREE_OVERLAY_CONFLICT where a file meets a directory
 */
export function overlayTree(base: Tree, over: Tree): void {
  const indices = new Map<number, number>();
  const place = (inode: Inode): Inode => {
    if (!(inode instanceof Directory)) {
      const known = indices.get(inode);
      if (known !== undefined) return known;
      const index = base.addLeaf(leafAt(over, inode));
      indices.set(inode, index);
      return index;
    }
    const copy = new Directory(inode.stat);
    for (const [name, below] of inode.entries) copy.entries.set(name, place(below));
    return copy;
  };
  const merge = (into: Directory, from: Directory, path: string): void => {
    into.stat = from.stat;
    for (const [name, inode] of from.entries) {
      const known = into.entries.get(name);
      const isDirectory = inode instanceof Directory;
      if (known === undefined) into.entries.set(name, place(inode));
      else if (known instanceof Directory !== isDirectory)
        throw conflict(`${path}/${name}`, isDirectory);
      else if (known instanceof Directory && isDirectory) merge(known, inode, `${path}/${name}`);
      else into.entries.set(name, place(inode));
    }
  };
  merge(base.root, over.root, '');
}

function conflict(path: string, isDirectory: boolean): ConflictError {
  const shown = displayText(path as ByteString);
  const [old, fresh] = isDirectory ? ['file', 'directory'] : ['directory', 'file'];
  return new ConflictError(
    'OSTREE_OVERLAY_CONFLICT',
    `Cannot merge trees: "${shown}" is a ${old} in one tree and a ${fresh} in a later one`,
    { path: shown },
  );
}
