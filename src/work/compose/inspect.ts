import { type ByteString, byteStringOf } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import {
  backingFileOf,
  dumpImage,
  type ErofsImage,
  type ErofsInode,
  isEscapedWhiteout,
  isStubEntry,
  openImage,
  rootNameOf,
  walkImage,
} from '#formats/erofs';
import { Dir, measureVerityOr, openFileAt, readAll, statFd } from '#host';
import { hashFile } from './scan.ts';

/** Largest image read, in bytes. */
const IMAGE_LIMIT = 2 ** 32;

/** An opened image, with the selected names of its root (empty: all). */
export interface OpenedImage {
  readonly image: ErofsImage;
  readonly filter: readonly string[];
}

/** Opens an image file. @throws HostError SYSCALL_FAILED; FormatError EROFS_… */
export function openImageFile(path: string, filter: readonly string[] = []): OpenedImage {
  using file = openFileAt(path);
  const bytes = readAll(file, IMAGE_LIMIT);
  return { image: openImage(bytes, { limitBytes: IMAGE_LIMIT }), filter };
}

/** One line of a listing. */
export interface ListedEntry {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly target: ByteString | undefined;
  /** Backing path of an external file, for its first name only. */
  readonly backingPath: string | undefined;
}

/** Every name of an image except the root and the stubs, depth first in byte order. @throws FormatError EROFS_INVALID */
export function* listImage({ image, filter }: OpenedImage): Generator<ListedEntry> {
  for (const entry of walkImage(image)) {
    const { inode, depth, path, isRepeat } = entry;
    if (depth === 0 || isStubEntry(image, entry) || !isWanted(filter, rootNameOf(path))) continue;
    const hasTarget = inode.type === 'symlink' && !isRepeat;
    yield {
      path: `/${path}`,
      isDirectory: inode.type === 'directory',
      target: hasTarget ? byteStringOf(image.readInline(inode)) : undefined,
      backingPath: isRepeat ? undefined : backingPathOf(image, inode),
    };
  }
}

function isWanted(filter: readonly string[], rootName: string): boolean {
  return filter.length === 0 || filter.includes(rootName);
}

/** The lines of an image in the format of C. @throws FormatError EROFS_INVALID */
export function dumpImageFile({ image, filter }: OpenedImage): Generator<string> {
  return dumpImage(image, (name) => isWanted(filter, name));
}

/** Backing paths of the external files of images, each once, sorted. @throws FormatError EROFS_INVALID */
export function listBackingPaths(images: readonly OpenedImage[]): string[] {
  const paths = new Set<string>();
  for (const { image, filter } of images) {
    for (const { inode, isRepeat, depth, path: name } of walkImage(image)) {
      if (depth > 0 && !isWanted(filter, rootNameOf(name))) continue;
      const path = isRepeat ? undefined : backingPathOf(image, inode);
      if (path !== undefined) paths.add(path);
    }
  }
  return [...paths].sort();
}

/** A whiteout that is stored as a regular file has no content, even if it refers to an object. */
function backingPathOf(image: ErofsImage, inode: ErofsInode): string | undefined {
  if (inode.type !== 'regular') return undefined;
  const stored = new Map<string, Uint8Array>(image.rawXattrs(inode));
  return isEscapedWhiteout(inode, stored) ? undefined : backingFileOf(stored).path;
}

/** The backing paths that a directory does not hold. @throws HostError SYSCALL_FAILED */
export function listMissing(paths: readonly string[], baseDirectory: string | undefined): string[] {
  if (baseDirectory === undefined) return [...paths];
  using base = Dir.open(baseDirectory);
  return paths.filter((path) => {
    // A path that leaves the base directory is not followed, and counts as missing.
    const isInside = path !== '' && !path.split('/').includes('..') && !path.startsWith('/');
    return !isInside || base.stat(path) === undefined;
  });
}

/** The fs-verity digest of a file: measured by the kernel, or else computed. @throws HostError SYSCALL_FAILED */
export function measureFile(path: string): ObjectId {
  using file = openFileAt(path);
  return measureVerityOr(file, 'sha256', (opened) => hashFile(opened, statFd(opened).sizeBytes));
}
