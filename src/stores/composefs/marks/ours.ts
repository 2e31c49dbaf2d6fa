import type { Dir, FileStat } from '#host';

/** Mode bits that allow others to write. */
const OTHERS_WRITE = 0o022;

/** True for directories in which only this user or root can have created entries. Links are not followed. */
export function isOursAlone(root: Dir, paths: readonly string[]): boolean {
  return paths.every((path) => {
    const stat = root.lstat(path);
    return stat?.type === 'directory' && isTrusted(stat);
  });
}

/** True for a file that only this user or root can have written. */
export function isTrusted({ uid, mode }: Pick<FileStat, 'uid' | 'mode'>): boolean {
  return (uid === 0 || uid === process.geteuid?.()) && (mode & OTHERS_WRITE) === 0;
}
