import type { ByteString } from '#base/bytes';
import { type Dir, fchmod, fchown, futimens, hasErrno, readXattrs, setXattr } from '#host';

/** Attributes of overlayfs itself, which belong to one layer. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;
const OPAQUE_XATTR = /^(?:trusted|user)\.overlay\.opaque$/;

/**
 * Gives directories that a layer does not state the metadata that the layers below state, as the tree of all layers has it. Others keep what they were
 * made with.
 * @param implied paths of such directories, without leading slash
 * @param below files of the layers below, the nearest first
 * @throws HostError SYSCALL_FAILED
 */
export function describeImplied(
  files: Dir,
  implied: Iterable<string>,
  below: readonly Dir[],
): void {
  for (const path of implied) {
    using found = findBelow(below, path);
    if (found === undefined) continue;
    using own = openWithin(files, path).dir;
    if (own !== undefined) copyMetadata(found, own);
  }
}

/** The directory that shows through at a path: whiteouts, files and opaque directories hide what is further below. */
function findBelow(below: readonly Dir[], path: string): Dir | undefined {
  for (const files of below) {
    const { dir, isLast } = openWithin(files, path);
    if (dir !== undefined || isLast) return dir;
  }
  return undefined;
}

/** Opens a directory without following links; `isLast` when the layers below have nothing to say about the path. */
function openWithin(
  files: Dir,
  path: string,
): { readonly dir: Dir | undefined; readonly isLast: boolean } {
  let dir = files;
  let isLast = false;
  for (const name of path.split('/')) {
    let below: Dir | undefined;
    try {
      below = dir.tryOpenDir(name, { noFollow: true });
    } catch (error) {
      if (!hasErrno(error, 'ENOTDIR') && !hasErrno(error, 'ELOOP')) throw error;
      isLast = true;
    }
    if (dir !== files) dir[Symbol.dispose]();
    if (below === undefined) return { dir: undefined, isLast };
    dir = below;
    isLast ||= isOpaque(dir);
  }
  return { dir, isLast };
}

function isOpaque(dir: Dir): boolean {
  return [...readXattrs(dir).keys()].some((name) => OPAQUE_XATTR.test(name));
}

function copyMetadata(from: Dir, to: Dir): void {
  const stat = from.statSelf();
  if (process.geteuid?.() === 0) fchown(to, stat.uid, stat.gid);
  for (const [name, value] of readXattrs(from)) {
    if (!OVERLAY_XATTR.test(name)) trySetXattr(to, name, value);
  }
  fchmod(to, stat.mode);
  const time = { sec: stat.mtimeSec, nsec: stat.mtimeNsec };
  futimens(to, time, time);
}

function trySetXattr(dir: Dir, name: ByteString, value: Uint8Array): void {
  try {
    setXattr(dir, name, value);
  } catch (error) {
    // Without the rights of root podman leaves it out, too.
    if (!hasErrno(error, 'EPERM') && !hasErrno(error, 'EOPNOTSUPP')) throw error;
  }
}
