import { FormatError } from '#base/errors';
import { PERMISSION_BITS, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../layout.ts';

/** True for the mode of a symbolic link. */
export function isLinkMode(mode: number): boolean {
  return typeBits(mode) === S_IFLNK;
}

/** True for the mode of a regular file. */
export function isRegularMode(mode: number): boolean {
  return typeBits(mode) === S_IFREG;
}

/** @throws FormatError OSTREE_MODE_INVALID unless the mode is a regular file or link and has no other bits */
export function requireFileMode(mode: number, what: string): void {
  if (!isRegularMode(mode) && !isLinkMode(mode)) failMode(mode, what, 'a regular file or link');
  requireKnownBits(mode, what);
}

/** @throws FormatError OSTREE_MODE_INVALID unless the mode is a directory and has no other bits */
export function requireDirectoryMode(mode: number, what: string): void {
  if (typeBits(mode) !== S_IFDIR) failMode(mode, what, 'a directory');
  requireKnownBits(mode, what);
}

function typeBits(mode: number): number {
  return mode & S_IFMT;
}

function requireKnownBits(mode: number, what: string): void {
  if ((mode & ~(S_IFMT | PERMISSION_BITS)) !== 0) failMode(mode, what, 'no bits outside 0177777');
}

function failMode(mode: number, what: string, expected: string): never {
  throw new FormatError(
    'OSTREE_MODE_INVALID',
    `Cannot read ${what}: expected the mode of ${expected}, found 0${mode.toString(8)}`,
    { offset: 0, what, expected, found: mode },
  );
}
