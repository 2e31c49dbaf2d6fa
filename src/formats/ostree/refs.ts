import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { FormatError } from '#base/errors';

/** Longest ref file that is read, in bytes: 64 hex digits and white space. */
export const REF_FILE_MAX_BYTES = 1024;

/** Components joined by `/`: a word character, then word characters, `-` or `.`; words are Unicode. OSTree spec 2.8. */
const REF_PATTERN = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*(?:\/[\p{L}\p{N}_][\p{L}\p{N}_.-]*)*$/u;
const CHECKSUM_PATTERN = /^[0-9a-f]{64}$/;

/** True when a text is a valid ref name; 64 hex digits are not. */
export function isRefName(name: string): boolean {
  return REF_PATTERN.test(name) && !CHECKSUM_PATTERN.test(name);
}

/** @throws FormatError OSTREE_REF_INVALID */
export function requireRefName(name: string): void {
  if (!isRefName(name)) failRef('ref name', name, 'words joined by "/"');
}

/**
 * The checksum in a ref file: 64 lower-case hex digits, then at most white space.
 * @throws FormatError OSTREE_REF_INVALID
 */
export function parseRefFile(bytes: Uint8Array): OstreeChecksum {
  const text = Buffer.from(bytes.subarray(0, REF_FILE_MAX_BYTES)).toString('latin1');
  const trimmed = text.replace(/[ \t\r\n]+$/, '');
  if (bytes.length > REF_FILE_MAX_BYTES || !CHECKSUM_PATTERN.test(trimmed)) {
    failRef('ref file', trimmed.slice(0, 100), '64 lower-case hex digits');
  }
  return parseOstreeChecksum(trimmed);
}

/** The content of a ref file. */
export function encodeRefFile(checksum: OstreeChecksum): Uint8Array {
  return new Uint8Array(Buffer.from(`${checksum}\n`, 'latin1'));
}

/**
 * Name of a ref below `streams/refs/ostree/` of a composefs repository: one flat directory, so `%` and `/` are
 * escaped. Source: OSTree spec 3.1.
 * @throws FormatError OSTREE_REF_INVALID when the result is not a valid file name
 */
export function encodeStreamRef(name: string): string {
  const encoded = name.replaceAll('%', '%25').replaceAll('/', '%2F');
  const sizeBytes = Buffer.byteLength(encoded);
  if (encoded === '' || encoded === '.' || encoded === '..' || sizeBytes > 255) {
    failRef('ref name', name.slice(0, 300), 'at most 255 bytes after escaping');
  }
  return encoded;
}

/** The ref name of a file name below `streams/refs/ostree/`. */
export function decodeStreamRef(encoded: string): string {
  return encoded.replaceAll('%2F', '/').replaceAll('%25', '%');
}

function failRef(what: string, found: string, expected: string): never {
  throw new FormatError(
    'OSTREE_REF_INVALID',
    `Cannot read ${what} "${found}": expected ${expected}`,
    { offset: 0, what, expected, found },
  );
}
