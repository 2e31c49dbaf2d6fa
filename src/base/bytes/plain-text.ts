import { type ByteString, bytesOf, displayText } from './byte-string.ts';

/**
 * Characters that a terminal interprets instead of printing: control characters, which begin escape sequences, bidirectional controls, and
 * the separators that some programs treat as line ends. Source: Unicode 16 general category Cc, property Bidi_Control; ECMA-48 for what
 * terminals do with them.
 */
const OBEYED = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;
const OBEYED_BUT_LINE_FEED = /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Text for a terminal: characters that a terminal interprets are written as `\xHH` or `\uHHHH`. Line feeds are kept. */
export function plainText(text: string): string {
  return text.replace(OBEYED_BUT_LINE_FEED, escaped);
}

/** As `plainText`, on one line: line feeds are also written, as `\x0a`. */
export function plainLine(text: string): string {
  return text.replace(OBEYED, escaped);
}

/** True when a terminal prints every character of the text. */
export function isPlainLine(text: string): boolean {
  return text.search(OBEYED) < 0;
}

/** Equivalent JSON for a terminal: characters that a terminal interprets occur in strings only, and are escaped as `\uHHHH`. */
export function plainJson(json: string): string {
  return json.replace(OBEYED_BUT_LINE_FEED, (character) => `\\u${hex(character, 4)}`);
}

/** True when the bytes of a name are UTF-8, so that decoding loses nothing. */
export function isUtf8(name: ByteString): boolean {
  return Buffer.from(displayText(name), 'utf8').equals(bytesOf(name));
}

/** A name for a terminal: characters that a terminal interprets, and bytes that are not UTF-8, are written as `\xHH`. */
export function plainName(name: ByteString): string {
  const text = displayText(name);
  if (isUtf8(name) && isPlainLine(text)) return text;
  return [...name]
    .map((character) => {
      const code = character.charCodeAt(0);
      const isShown = code >= 0x20 && code < 0x7f && character !== '\\';
      return isShown ? character : `\\x${code.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

function escaped(character: string): string {
  const isShort = character.charCodeAt(0) <= 0xff;
  return isShort ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`;
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0');
}
