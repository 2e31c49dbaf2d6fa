import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPlainLine, plainJson, plainLine, plainText } from './plain-text.ts';

test('plainText escapes control and bidirectional characters as \\xHH or \\uHHHH and keeps all others', () => {
  equal(plainText('a\x1b[2Jb\x07\x7f\x9b\r\tc\nd'), 'a\\x1b[2Jb\\x07\\x7f\\x9b\\x0d\\x09c\nd');
  equal(plainLine('a\nb'), 'a\\x0ab');
  equal(plainText('\u202eabc\u2066\u200f\u061c\u2028'), '\\u202eabc\\u2066\\u200f\\u061c\\u2028');
  const shown = 'Grüße, 日本語, \u{1f469}\u200d\u{1f4bb}, \\x1b';
  equal(plainLine(shown), shown);
  deepEqual([isPlainLine(shown), isPlainLine('a\n'), isPlainLine('\u202e')], [true, false, false]);
});

test('plainJson escapes control characters without changing the parsed value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const json = plainJson(JSON.stringify({ text, '\x9b': '\u202e' }, null, 2));
      deepEqual(JSON.parse(json), { text, '\x9b': '\u202e' });
      return isPlainLine(json.replaceAll('\n', ''));
    }),
  );
});
