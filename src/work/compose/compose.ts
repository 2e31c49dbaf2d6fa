import type { ObjectId } from '#base/digest';
import { ConflictError } from '#base/errors';
import { dumpImage, encodeImage } from '#formats/erofs';
import { DumpfileParser, type ImageOverrides, isWhiteout, type Tree } from '#formats/tree';
import { Dir, hashContent, OPEN, openFileAt, readSome, writeAll } from '#host';
import { openDigestStore } from './digest-store.ts';
import { openImageFile } from './inspect.ts';
import { type ScanOptions, scanDirectory } from './scan.ts';

/** Range of versions of an image; C raises 0 to 1 if there is a whiteout. Source: composefs core spec 4.5, 5.1 */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** Versions that C mkcomposefs supports. */
const VERSION_MAX = 1;
/** Size of one read of a dumpfile, in bytes. */
const PIECE_BYTES = 1 << 20;
const STDIN = 0;
const STDOUT = 1;

/** A tree with the additional fields of its dumpfile. */
export interface ComposeSource {
  readonly tree: Tree;
  readonly overrides?: ImageOverrides;
}

/** Reads a dumpfile (`-`: standard input) by the rules of C mkcomposefs, piece by piece. @throws FormatError DUMPFILE_INVALID, HostError */
export function readDumpfile(path: string): ComposeSource {
  const parser = new DumpfileParser({ dialect: 'c' });
  using file = path === '-' ? undefined : openFileAt(path);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (;;) {
    const count = readSome(file ?? STDIN, piece);
    if (count === 0) return parser.end();
    parser.push(piece.subarray(0, count));
  }
}

/** Options for reading a directory; `digestStore` is a directory that receives the contents of large files. */
export interface DirectoryOptions extends Omit<ScanOptions, 'storeObject'> {
  readonly digestStore?: string;
}

/** Reads a directory of the host. @throws HostError, IntegrityError FILE_CHANGED */
export function readDirectory(path: string, options: DirectoryOptions): ComposeSource {
  using root = Dir.open(path);
  const { digestStore, ...scan } = options;
  if (digestStore === undefined) return { tree: scanDirectory(root, scan) };
  using store = openDigestStore(digestStore);
  const storeObject = store.store.bind(store);
  return { tree: scanDirectory(root, { ...scan, storeObject }) };
}

/**
 * Builds the same image as C mkcomposefs: in the lowest version of the range, or V1 if the tree holds a whiteout and the range allows it.
 * @throws ConflictError IMAGE_VERSION_RANGE; FormatError TREE_INVALID
 */
export function composeImage(source: ComposeSource, range: VersionRange): Uint8Array {
  const { tree, overrides } = source;
  const raised = range.min === 0 && range.max >= 1 && tree.leaves.some(isWhiteout) ? 1 : range.min;
  if (raised > VERSION_MAX || range.max > VERSION_MAX) {
    throw new ConflictError(
      'IMAGE_VERSION_RANGE',
      `Cannot write an image of version ${range.min} to ${range.max}: expected at most ${VERSION_MAX}`,
      { min: range.min, max: range.max },
    );
  }
  const version = raised === 0 ? 0 : 1;
  const options = { version, algorithm: 'sha256', likeC: true } as const;
  return encodeImage(tree, overrides === undefined ? options : { ...options, overrides });
}

/** The fs-verity digest of an image, which is its id. */
export function computeImageId(image: Uint8Array): ObjectId {
  return hashContent(image, 'sha256');
}

/**
 * Writes an image to a path, replacing an existing file, or to standard output (`-`).
 * @throws ConflictError IMAGE_OUTPUT_IS_TERMINAL; HostError SYSCALL_FAILED, NO_SPACE
 */
export function writeImage(
  image: Uint8Array,
  path: string,
  isTerminal: () => boolean = () => process.stdout.isTTY === true,
): void {
  if (path !== '-') {
    using file = openFileAt(path, OPEN.write | OPEN.create | OPEN.truncate, 0o644);
    writeAll(file, image);
    return;
  }
  if (isTerminal()) {
    throw new ConflictError(
      'IMAGE_OUTPUT_IS_TERMINAL',
      'Cannot write the image: standard output is a terminal',
      {},
    );
  }
  writeAll(STDOUT, image);
}

/**
 * Reads an image of C mkcomposefs and writes it again, in its version: a canonical image comes out byte for byte.
 * @throws FormatError EROFS_…; ConflictError IMAGE_VERSION_RANGE for an image of version 2; HostError
 */
export function rewriteImage(source: string, target: string): void {
  const { image } = openImageFile(source);
  const parser = new DumpfileParser({ dialect: 'c' });
  for (const line of dumpImage(image)) parser.push(Buffer.from(line, 'latin1'));
  const version = image.header.composefsVersion;
  // Whole before the target is opened, which may be the source.
  const bytes = composeImage(parser.end(), { min: version, max: version });
  using file = openFileAt(target, OPEN.write | OPEN.create | OPEN.truncate, 0o644);
  writeAll(file, bytes);
}
