import { type ByteString, bytesOf, displayText } from '#base/bytes';
import { FormatError, UnsupportedError } from '#base/errors';
import { isUtf8, requireEntryName } from '#formats/ostree';

/** @throws FormatError OSTREE_NAME_INVALID for a name that no dirtree can hold; `path` is that of the directory */
export function requireName(name: ByteString, path: string): void {
  requireEntryName(name);
  if (isUtf8(bytesOf(name))) return;
  throw new FormatError(
    'OSTREE_NAME_INVALID',
    `Cannot commit a name in "${displayText(path as ByteString)}": expected UTF-8, found ${JSON.stringify(name)}`,
    { offset: 0, what: 'file name', found: name },
  );
}

/**
 * libostree stores such a target as the text "[Invalid UTF-8]", which loses it. Source: OSTree spec 2.5.
 * @throws FormatError OSTREE_NAME_INVALID
 */
export function requireTarget(target: ByteString, path: string): void {
  if (target !== '' && !target.includes('\0') && isUtf8(bytesOf(target))) return;
  throw new FormatError(
    'OSTREE_NAME_INVALID',
    `Cannot commit link "${displayText(path as ByteString)}": expected a target in UTF-8, found ${JSON.stringify(target)}`,
    { offset: 0, what: 'link target', found: target },
  );
}

/** UnsupportedError OSTREE_NOT_COMMITTABLE: a type of file that OSTree cannot store. */
export function notCommittable(path: string, kind: string): UnsupportedError {
  const shown = displayText(path as ByteString);
  return new UnsupportedError(
    'OSTREE_NOT_COMMITTABLE',
    `Cannot commit "${shown}": OSTree holds regular files, links and directories, found ${kind}`,
    { path: shown, found: kind },
    { hint: 'Omit the path with --skip-list' },
  );
}
