import type { ByteString } from '#base/bytes';

const BACKSLASH = 0x5c;
const NAMED: { readonly [letter: number]: string } = {
  92: '\\',
  110: '\n',
  114: '\r',
  116: '\t',
};

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return -1;
}

/**
 * Undoes the escapes of a dumpfile field: `\\ \n \r \t \xHH`. Calls `fail` with a reason on anything else after a
 * backslash. `signedHex` accepts `\x+f` as composefs-rs does. Source: core spec 4.1
 */
export function unescapeField(
  text: string,
  signedHex: boolean,
  fail: (reason: string) => never,
): ByteString {
  let from = 0;
  let out = '';
  for (;;) {
    const at = text.indexOf('\\', from);
    if (at < 0) return (out + text.slice(from)) as ByteString;
    out += text.slice(from, at);
    const letter = text.charCodeAt(at + 1);
    const named = NAMED[letter];
    if (named !== undefined) {
      out += named;
      from = at + 2;
      continue;
    }
    if (letter !== 0x78) fail(`unknown escape "${text.slice(at, at + 2)}"`);
    const first = text.charCodeAt(at + 2);
    const high = signedHex && first === 0x2b ? 0 : hexDigit(first);
    const low = hexDigit(text.charCodeAt(at + 3));
    if (high < 0 || low < 0) fail(`expected two hex digits after "\\x"`);
    out += String.fromCharCode(high * 16 + low);
    from = at + 4;
  }
}

function escapeByte(code: number): string {
  if (code === BACKSLASH) return '\\\\';
  if (code === 0x0a) return '\\n';
  if (code === 0x0d) return '\\r';
  if (code === 0x09) return '\\t';
  return `\\x${code.toString(16).padStart(2, '0')}`;
}

/** Bytes to escape: everything except graphic ASCII without the backslash. `=` is escaped only in xattrs. */
const UNSAFE = /[^\x21-\x5b\x5d-\x7e]/g;
const UNSAFE_OR_EQUALS = /[^\x21-\x3c\x3e-\x5b\x5d-\x7e]/g;

/** Escapes PATH, PAYLOAD or CONTENT: an empty value becomes `-`, a lone dash `\x2d`. Source: core spec 4.1 */
export function escapeField(value: string): string {
  if (value === '') return '-';
  if (value === '-') return '\\x2d';
  return value.replace(UNSAFE, (character) => escapeByte(character.charCodeAt(0)));
}

/** Escapes an xattr name or value: also escapes `=`; the dash rules do not apply. Source: core spec 4.1 */
export function escapeXattr(value: string): string {
  return value.replace(UNSAFE_OR_EQUALS, (character) => escapeByte(character.charCodeAt(0)));
}
