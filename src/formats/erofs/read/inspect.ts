import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { atOnce, type RandomReader, type Steps } from '#base/flow';
import {
  BLOCK_SIZE,
  METACOPY_SUFFIX,
  REDIRECT_SUFFIX,
  STUB_NAMES,
  TRUSTED_INDEX,
} from '../layout.ts';
import { parseMetacopy, parseRedirect, WHITEOUT_MARKER } from '../xattr-names.ts';
import { type ErofsImage, openImage } from './reader.ts';
import { type DigestVisitor, RefReader } from './scan-refs.ts';
import { invalidImage, type OpenOptions } from './superblock.ts';
import { walkImage } from './walk.ts';

/** Code of a finding in the metadata of an image. */
export type ImageFindingCode =
  | 'symlink-crosses-block'
  | 'stub-missing'
  | 'whiteout-native'
  | 'whiteout-escaped'
  | 'unreadable';

/** One finding in an image. `path` has no leading slash; the path of the root is empty. */
export interface ImageFinding {
  readonly code: ImageFindingCode;
  readonly path: string;
  readonly message: string;
}

/**
 * Checks the metadata of an image beyond the checks of opening it: symlinks that kernels before 6.12 refuse, the stubs and
 * whiteouts of its version, and everything that cannot be read. The list is empty for a healthy image.
 * @throws FormatError as {@link openImage}. Source: core spec 6.4
 */
export function checkImage(bytes: Uint8Array, options: OpenOptions = {}): ImageFinding[] {
  return atOnce(checkImageInSteps(bytes, options));
}

/** As `checkImage`, in steps. */
export function checkImageInSteps(
  bytes: Uint8Array,
  options: OpenOptions = {},
): Steps<ImageFinding[]> {
  return inspect(openImage(bytes, options), () => {});
}

/** Checks an image and calls `visit` once for every readable inode. */
function* inspect(image: ErofsImage, visit: (inode: Inode) => void): Steps<ImageFinding[]> {
  const findings: ImageFinding[] = [];
  const add = (code: ImageFindingCode, path: string, message: string): void => {
    findings.push({ code, path, message });
  };
  const unreadable = (path: string, error: unknown): void => {
    if (!isOnecopyError(error)) throw error;
    add('unreadable', path, error.message);
  };
  const missing = new Set(image.header.composefsVersion <= 1 ? STUB_NAMES : []);
  try {
    for (const { path, name, inode, depth, isRepeat } of walkImage(image, unreadable)) {
      yield;
      if (depth === 1) missing.delete(name);
      if (isRepeat) continue;
      visit(inode);
      if (inode.type === 'symlink') checkSymlink(image, inode, path, add);
      else checkWhiteout(image, inode, { path, depth }, add);
    }
  } catch (error) {
    unreadable('', error);
  }
  for (const name of missing) add('stub-missing', name, `the root has no entry "${name}"`);
  return findings;
}

type Add = (code: ImageFindingCode, path: string, message: string) => void;
type Inode = ReturnType<ErofsImage['inode']>;

function checkSymlink(image: ErofsImage, inode: Inode, path: string, add: Add): void {
  const tail = inode.sizeBytes % BLOCK_SIZE;
  if (image.header.composefsVersion > 1 || inode.layout !== 'flatInline' || tail === 0) return;
  const end = (inode.offset % BLOCK_SIZE) + inode.headerBytes + inode.xattrBytes + tail;
  if (end > BLOCK_SIZE)
    add('symlink-crosses-block', path, `its target ends ${end - BLOCK_SIZE} bytes late`);
}

function checkWhiteout(
  image: ErofsImage,
  inode: Inode,
  at: { readonly path: string; readonly depth: number },
  add: Add,
): void {
  const { composefsVersion } = image.header;
  if (composefsVersion <= 1) {
    const isNative = inode.type === 'chr' && inode.rdev === 0;
    if (isNative && at.depth !== 1) add('whiteout-native', at.path, 'a whiteout outside the root');
    return;
  }
  if (composefsVersion !== 2 || inode.type !== 'regular') return;
  const isEscaped = image.rawXattrs(inode).some(([name]) => name === WHITEOUT_MARKER);
  if (isEscaped) add('whiteout-escaped', at.path, 'an escaped whiteout in V2');
}

/**
 * Returns the ids of all objects an image needs: every valid metacopy and redirect of every reachable inode. Malformed
 * values are ignored, as in upstream; an image that fails {@link checkImage} is refused as a whole.
 * @throws FormatError EROFS_INVALID, and as {@link openImage}. Source: core spec 6.5
 */
export function listObjectRefs(bytes: Uint8Array, options: OpenOptions = {}): Set<ObjectId> {
  return atOnce(listObjectRefsInSteps(bytes, options));
}

/** As `listObjectRefs`, in steps. */
export function* listObjectRefsInSteps(
  bytes: Uint8Array,
  options: OpenOptions = {},
): Steps<Set<ObjectId>> {
  const image = openImage(bytes, options);
  const ids = new Set<ObjectId>();
  const [finding] = yield* inspect(image, (inode) => addObjectRefs(image, inode, ids));
  if (finding !== undefined) throw invalidImage(0, `"${finding.path}"`, finding.message);
  return ids;
}

/**
 * As {@link listObjectRefs}, but passes digests of this size to the visitor as stored, some more than once; returns the ids of another
 * size. For images with tens of thousands of files.
 * @throws as {@link listObjectRefs}
 */
export function visitObjectRefs(
  source: Uint8Array | RandomReader,
  digestBytes: number,
  visit: DigestVisitor,
): Set<ObjectId> {
  return atOnce(visitObjectRefsInSteps(source, digestBytes, visit));
}

/** As {@link visitObjectRefs}, in steps. */
export function* visitObjectRefsInSteps(
  source: Uint8Array | RandomReader,
  digestBytes: number,
  visit: DigestVisitor,
): Steps<Set<ObjectId>> {
  const image = openImage(source);
  const others = new Set<ObjectId>();
  const refs = new RefReader(digestBytes, visit);
  const [finding] = yield* inspect(image, (inode) => {
    let isOdd = false;
    image.visitXattrs(inode, (offset, end) => {
      // Metadata, xattrs and the pieces of an image that are read are aligned to four bytes.
      const { buffer, at } = image.bytesAt(offset, end - offset);
      refs.image = buffer;
      if (refs.isRef(at / 4) && !refs.show(at / 4)) isOdd = true;
    });
    if (isOdd) addObjectRefs(image, inode, others);
  });
  if (finding !== undefined) throw invalidImage(0, `"${finding.path}"`, finding.message);
  const idLength = digestBytes * 2;
  return new Set([...others].filter((id) => id.length !== idLength));
}

function addObjectRefs(image: ErofsImage, inode: Inode, ids: Set<ObjectId>): void {
  for (const { index, suffix, value } of image.storedXattrs(inode)) {
    if (index !== TRUSTED_INDEX) continue;
    const id =
      suffix === METACOPY_SUFFIX
        ? parseMetacopy(value)
        : suffix === REDIRECT_SUFFIX
          ? parseRedirect(value)
          : undefined;
    if (id !== undefined) ids.add(id);
  }
}
