import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeVariant, parseVariantText, type Variant } from './index.ts';

/** Type and serialised hex of a text; tests of work/make-commit compare whole commits with such values. */
function hexOf(text: string): string {
  const { type, value }: Variant = parseVariantText(text);
  return `${type.signature} ${Buffer.from(encodeVariant(value, type)).toString('hex')}`;
}

const CASES: readonly (readonly [string, string])[] = [
  ['true', 'b 01'],
  ['byte 0xff', 'y ff'],
  ['int16 -2', 'n feff'],
  ['-3', 'i fdffffff'],
  ['010', 'i 08000000'],
  ['uint32 7', 'u 07000000'],
  ['uint64 18446744073709551615', 't ffffffffffffffff'],
  ['1.5', 'd 000000000000f83f'],
  ['double 1', 'd 000000000000f03f'],
  ['"str"', 's 73747200'],
  ["'a\\u00e9\\n'", 's 61c3a90a00'],
  ['objectpath "/a"', 'o 2f6100'],
  ['b"a\\377"', 'ay 61ff00'],
  ['@ay []', 'ay '],
  ['[byte 1, 2]', 'ay 0102'],
  ['@as []', 'as '],
  ['[1.0, 2]', 'ad 000000000000f03f0000000000000040'],
  ['[uint64 1, 2]', 'at 01000000000000000200000000000000'],
  ['()', '() 00'],
  ['(byte 1,)', '(y) 01'],
  ['("a", byte 2)', '(sy) 61000202'],
  ['<<"in">>', 'v 696e0000730076'],
  ['@mi just 4', 'mi 04000000'],
  ['@mi 4', 'mi 04000000'],
  ['@ms nothing', 'ms '],
  ['@mmi just nothing', 'mmi 00'],
  ['{uint32 1: "x", 2: "y"}', 'a{us} 0100000078000000020000007900060e'],
  ['@a{sv} {}', 'a{sv} '],
  ['{"k", true}', '{sb} 6b000102'],
  [' [ nothing , just 1 ] ', 'ami 010000000004'],
];

for (const [text, expected] of CASES) {
  test(`${text.trim()} parses to the value that GLib reads`, () => {
    assert.equal(hexOf(text), expected);
  });
}

const REFUSED = [
  '',
  '1 2',
  '[1, "a"]',
  '[]',
  'nothing',
  'byte 256',
  'byte -1',
  '2147483648',
  '"open',
  '{1: 2',
  '@q "x"',
  'uint32 "x"',
  '<1',
  'constructor 1',
  '08x',
  '"\\UFFFFFFFF"',
  '['.repeat(200),
];

for (const text of REFUSED) {
  test(`${text.slice(0, 20)} is refused`, () => {
    assert.throws(() => parseVariantText(text), { code: 'GVARIANT_TEXT_INVALID' });
  });
}
