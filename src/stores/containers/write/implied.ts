import type { ByteString } from '#base/bytes';
import { type Dir, fchmod, fchown, futimens, hasErrno, readXattrs, setXattr } from '#host';

/** Attributes of overlayfs, which are specific to one layer. */
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;
const OPAQUE_XATTR = /^(?:trusted|user)\.overlay\.opaque$/;

/**
 * Sets the metadata of directories that have no entry in a layer to the metadata from the layers below, as in the merged tree. Directories
 * without entry below keep their metadata.
 * @param implied paths of such directories, without leading slash
 * @param below files of the layers below, the topmost first
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

/** The directory visible at a path: whiteouts, files and opaque directories hide lower layers. */
function findBelow(below: readonly Dir[], path: string): Dir | undefined {
  for (const files of below) {
    const { dir, isLast } = openWithin(files, path);
    if (dir !== undefined || isLast) return dir;
  }
  return undefined;
}

/** Opens a directory without following links; `isLast` when the layers further below cannot contribute to the path. */
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
    // Without root privileges, podman omits it too.
    if (!hasErrno(error, 'EPERM') && !hasErrno(error, 'EOPNOTSUPP')) throw error;
  }
}
