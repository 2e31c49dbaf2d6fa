import { FormatError } from '#base/errors';

/** Lower-case hex of bytes, two characters a byte. */
export function encodeHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Value of each character code that is a hex digit, of either case; -1 for all others. A table for hot loops. */
export const HEX_VALUES: Int8Array = Int8Array.from({ length: 256 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()),
);

/**
 * Parses hex of exactly `lengthBytes` bytes; upper and lower case are accepted.
 * @throws FormatError DIGEST_INVALID: odd length, wrong length, then wrong character, checked in that order (core spec 1.3).
 */
export function parseHex(text: string, lengthBytes: number, what = 'hex'): Uint8Array {
  if (text.length === lengthBytes * 2) {
    // Stops at the first character that is not a hex digit.
    const bytes = Buffer.from(text, 'hex');
    if (bytes.length === lengthBytes) return new Uint8Array(bytes);
  }
  return failHex(text, lengthBytes, what);
}

function failHex(text: string, lengthBytes: number, what: string): never {
  const fail = (reason: string, offset: number): never => {
    throw new FormatError(
      'DIGEST_INVALID',
      `Cannot parse ${what} "${text.slice(0, 200)}": ${reason}`,
      {
        offset,
        what,
      },
    );
  };
  if (text.length % 2 !== 0) fail(`odd length ${text.length}`, text.length);
  if (text.length !== lengthBytes * 2) {
    fail(`expected ${lengthBytes * 2} characters, found ${text.length}`, text.length);
  }
  const bad = text.search(/[^0-9a-fA-F]/);
  return fail(`invalid character "${text[bad]}" at ${bad}`, bad);
}
