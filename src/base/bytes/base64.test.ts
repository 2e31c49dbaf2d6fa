import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64 } from './base64.ts';

test('decodeBase64 reverses encoding, with or without line breaks', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(), (bytes, at) => {
      const text = Buffer.from(bytes).toString('base64');
      const cut = at % (text.length + 1);
      for (const written of [text, `${text.slice(0, cut)}\r\n${text.slice(cut)}\n`]) {
        assert.deepEqual(Buffer.from(decodeBase64(written) ?? 'none'), Buffer.from(bytes));
      }
    }),
  );
});

for (const text of [
  'A',
  'AA',
  'AAA',
  'AA=',
  'AAA==',
  'AA==AA==',
  '=',
  'A A=',
  'AA-_',
  ' AAAA',
  'AAAA\t',
  'ÀAAA',
]) {
  test(`decodeBase64 refuses ${JSON.stringify(text)}`, () => {
    assert.equal(decodeBase64(text), undefined);
  });
}
