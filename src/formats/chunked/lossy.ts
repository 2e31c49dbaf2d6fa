import { isUtf8 } from 'node:buffer';
import { type ByteString, bytesOf } from '#base/bytes';

/** U+FFFD in UTF-8, one character a byte. */
const REPLACEMENT = '\xef\xbf\xbd';
const ASCII = /^[\0-\x7f]*$/;

/**
 * A name as Go's JSON encoder writes it: every byte that is not part of valid UTF-8 becomes one U+FFFD.
 * Source: Go encoding/json and unicode/utf8.DecodeRune, which advances one byte after an invalid one.
 */
export function replaceInvalidUtf8(name: ByteString): ByteString {
  if (ASCII.test(name)) return name;
  const bytes = bytesOf(name);
  if (isUtf8(bytes)) return name;
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = validLength(bytes, at);
    text += length === 0 ? REPLACEMENT : name.slice(at, at + length);
    at += Math.max(length, 1);
  }
  return text as ByteString;
}

/** Length in bytes of the UTF-8 character at `at`; 0 when it is invalid. */
function validLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length += 1) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}
