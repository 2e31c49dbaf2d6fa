import type { Dir, FileStat } from '#host';

/** Bits of a mode that let others write. */
const OTHERS_WRITE = 0o022;

/** True for directories that only this user or root can have put anything into. Links are not followed. */
export function isOursAlone(root: Dir, paths: readonly string[]): boolean {
  return paths.every((path) => {
    const stat = root.lstat(path);
    return stat?.type === 'directory' && isTrusted(stat);
  });
}

/** True for what only this user or root can have written. */
export function isTrusted({ uid, mode }: Pick<FileStat, 'uid' | 'mode'>): boolean {
  return (uid === 0 || uid === process.geteuid?.()) && (mode & OTHERS_WRITE) === 0;
}
