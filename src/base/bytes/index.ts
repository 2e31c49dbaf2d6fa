/**
 * Bytes: exact names, bounds-checked reading, hex, safe-integer arithmetic, xxHash32. Pure; no I/O.
 */

export { decodeBase64 } from './base64.ts';
export {
  type ByteString,
  byteStringFromText,
  byteStringOf,
  bytesOf,
  compareByteStrings,
  displayText,
} from './byte-string.ts';
export { roundUp, safeNumber } from './checked.ts';
export { concatBytes, equalBytes } from './concat.ts';
export { Crc64, type Crc64Polynomial, type Crc64Tables } from './crc64.ts';
export { ByteCursor } from './cursor.ts';
export { encodeHex, HEX_VALUES, parseHex } from './hex.ts';
export { isPlainLine, isUtf8, plainJson, plainLine, plainName, plainText } from './plain-text.ts';
export { xxh32 } from './xxh32.ts';
