import { type ByteString, bytesOf } from '#base/bytes';

/** Characters that Go escapes in JSON, and controls above ASCII, which Go does not escape. Source: Go encoding/json, HTML-safe form. */
const SPECIAL = /["\\<>&\p{Cc}\u2028\u2029]/gu;

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** Encodes a text as a JSON string with the escapes of Go's encoder. */
export function encodeGoString(text: string): string {
  return `"${text.replace(SPECIAL, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  if (code >= 0x7f && code < 0x2028) return character;
  return SHORT[character] ?? `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Returns the text of a name, or undefined when its bytes are not UTF-8. */
export function utf8Text(name: ByteString): string | undefined {
  const bytes = bytesOf(name);
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
