/**
 * A byte sequence as a JavaScript string with one byte per UTF-16 code unit (latin1). Linux names need not be UTF-8. This form stores them
 * exactly, plain `<` compares them in memcmp order, and they are fast Map keys.
 */
export type ByteString = string & { readonly __brand: 'ByteString' };

/** Decodes raw bytes into a ByteString. Lossless for every input. */
export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
    'latin1',
  ) as ByteString;
}

const ASCII = /^[\0-\x7f]*$/;

/** The UTF-8 bytes of a text as a ByteString. */
export function byteStringFromText(text: string): ByteString {
  if (ASCII.test(text)) return text as ByteString;
  return Buffer.from(text, 'utf8').toString('latin1') as ByteString;
}

/** The raw bytes of a ByteString. */
export function bytesOf(value: ByteString): Buffer {
  return Buffer.from(value, 'latin1');
}

/** The text for display: UTF-8 where valid, else with replacement characters. Use it for output only, never to open a file. */
export function displayText(value: ByteString): string {
  return bytesOf(value).toString('utf8');
}

/** Compares two ByteStrings as unsigned bytes, shorter prefix first: -1, 0 or 1. */
export function compareByteStrings(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
