import { FormatError } from '#base/errors';

/** Codes of malformed tars, with the details offset, what and reason. */
export type TarFault =
  | 'TAR_CONTENT_FORM'
  | 'TAR_DEVICE_INVALID'
  | 'TAR_EXTENSION_ORPHANED'
  | 'TAR_EXTENSION_TOO_LARGE'
  | 'TAR_FIELD_INVALID'
  | 'TAR_HEADER_CHECKSUM'
  | 'TAR_PATH_EMPTY'
  | 'TAR_PATH_ESCAPES'
  | 'TAR_PATH_INVALID'
  | 'TAR_PAX_MALFORMED'
  | 'TAR_SPARSE_INVALID'
  | 'TAR_TOO_MANY_MEMBERS'
  | 'TAR_TRUNCATED'
  | 'TAR_TYPE_UNKNOWN';

/** Refuses a tar; `offset` counts from its first byte. */
export function failTar(code: TarFault, what: string, offset: number, reason: string): never {
  throw new FormatError(code, `Cannot read tar: ${what} at ${offset}: ${reason}`, {
    offset,
    what,
    reason,
  });
}
