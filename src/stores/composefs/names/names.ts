import { type ByteString, byteStringFromText, bytesOf } from '#base/bytes';
import { FormatError } from '#base/errors';
import { NAME_BYTES_MAX } from '../layout.ts';

/**
 * The file name of an OCI tag below `streams/refs/oci/`: `%` becomes `%25`, then `/` becomes `%2F`.
 * Source: composefs-rs 0.9 composefs-oci `encode_tag`.
 */
export function encodeTag(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('/', '%2F');
}

/** The tag of a file name: a single pass that decodes only `%25` and `%2F`, in upper case. */
export function decodeTag(fileName: string): string {
  return fileName.replace(/%25|%2F/g, (code) => (code === '%25' ? '%' : '/'));
}

/**
 * Refuses tags that cannot be stored, listed or typed: empty, `.` and `..`, a leading `@` (reserved for digests), control characters, text
 * that is not well-formed, and more than 255 bytes once encoded.
 * @throws FormatError REF_NAME_INVALID
 */
export function checkTagName(name: string): void {
  if (name.startsWith('@')) {
    refuse('tag', name, "a leading '@' is reserved for digests");
  }
  checkFileName(encodeTag(name), 'tag');
}

/**
 * Refuses names that are not a valid file name: empty, `.`, `..`, with a slash, control characters or an unpaired surrogate, or longer than
 * 255 bytes.
 * @throws FormatError REF_NAME_INVALID
 */
export function checkFileName(name: string, what: string): void {
  if (name === '') refuse(what, name, 'it is empty');
  if (name === '.' || name === '..') refuse(what, name, 'it names a directory');
  if (name.includes('/')) refuse(what, name, "it contains '/'");
  if (hasControl(name)) refuse(what, name, 'it contains a control character');
  if (!name.isWellFormed()) refuse(what, name, 'it is not well-formed text');
  const sizeBytes = Buffer.byteLength(name, 'utf8');
  if (sizeBytes > NAME_BYTES_MAX) {
    refuse(what, name, `expected at most ${NAME_BYTES_MAX} bytes, found ${sizeBytes}`);
  }
}

/**
 * Splits the name of a reference into file names and checks each one.
 * @throws FormatError REF_NAME_INVALID
 */
export function splitRefName(name: string): readonly string[] {
  const parts = name.split('/');
  for (const part of parts) checkFileName(part, 'reference');
  return parts;
}

/** A text as the bytes of a file name. */
export function fileNameOf(text: string): ByteString {
  return byteStringFromText(text);
}

/** The text of a file name, or undefined when its bytes are not UTF-8. */
export function textOf(name: ByteString): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(name));
  } catch {
    return undefined;
  }
}

function hasControl(name: string): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charCodeAt(at);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}

function refuse(what: string, name: string, reason: string): never {
  throw new FormatError(
    'REF_NAME_INVALID',
    `Cannot use ${what} name ${JSON.stringify(name.slice(0, 80))}: ${reason}`,
    { offset: 0, what, found: name.slice(0, 300), reason },
  );
}
