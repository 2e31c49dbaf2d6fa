import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import {
  ByteCursor,
  byteStringOf,
  bytesOf,
  compareByteStrings,
  concatBytes,
  encodeHex,
  equalBytes,
  parseHex,
  roundUp,
  safeNumber,
  xxh32,
} from './index.ts';

test('a ByteString keeps every byte and sorts like memcmp', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.ok(equalBytes(bytesOf(byteStringOf(a)), a));
      const order = compareByteStrings(byteStringOf(a), byteStringOf(b));
      assert.equal(order, Math.sign(Buffer.compare(a, b)));
    }),
  );
});

test('hex parses what it encodes, in either case', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const hex = encodeHex(bytes);
      assert.ok(equalBytes(parseHex(hex.toUpperCase(), bytes.length), bytes));
    }),
  );
});

for (const [text, length, reason] of [
  ['lol', 32, /odd length 3/],
  ['lolo', 32, /expected 64 characters, found 4/],
  ['zz', 1, /invalid character "z" at 0/],
] as const) {
  test(`parseHex refuses "${text}" and states the reason`, () => {
    assert.throws(
      () => parseHex(text, length),
      (error) => hasCode(error, 'DIGEST_INVALID') && reason.test(error.message),
    );
  });
}

test('a cursor reads little-endian fields and refuses to pass the end', () => {
  const cursor = new ByteCursor(Uint8Array.of(1, 2, 0, 3, 0, 0, 0, 4), 'sample');
  assert.deepEqual([cursor.u8(), cursor.u16(), cursor.u32()], [1, 2, 3]);
  assert.throws(
    () => cursor.u64(),
    (error) => hasCode(error, 'BYTES_OUT_OF_RANGE') && error.details['offset'] === 7,
  );
  assert.equal(cursor.u8(), 4);
  assert.equal(cursor.remaining, 0);
});

test('a cursor refuses lengths that are negative, fractional or unsafe', () => {
  for (const length of [-1, 0.5, Number.NaN, 2 ** 53]) {
    const cursor = new ByteCursor(new Uint8Array(8), 'sample');
    assert.throws(
      () => cursor.take(length),
      (error) => hasCode(error, 'BYTES_OUT_OF_RANGE'),
    );
  }
});

test('a cursor refuses a 64-bit size above 2^53 - 1', () => {
  assert.equal(safeNumber(2n ** 53n - 1n, 'size'), Number.MAX_SAFE_INTEGER);
  for (const value of [2n ** 53n, -1n]) {
    assert.throws(
      () => safeNumber(value, 'size'),
      (error) => hasCode(error, 'NUMBER_UNSAFE'),
    );
  }
  const cursor = new ByteCursor(new Uint8Array(8).fill(255), 'sample');
  assert.throws(
    () => cursor.size64('length'),
    (error) => hasCode(error, 'NUMBER_UNSAFE'),
  );
});

test('roundUp stays exact beyond 32 bits', () => {
  assert.equal(roundUp(2 ** 40 + 1, 4096), 2 ** 40 + 4096);
  assert.equal(roundUp(8192, 4096), 8192);
});

test('concatBytes keeps the order of its arguments, and equalBytes detects every difference', () => {
  const whole = concatBytes([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)]);
  assert.deepEqual([...whole], [1, 2, 3]);
  assert.ok(!equalBytes(whole, Uint8Array.of(1, 2, 4)));
  assert.ok(!equalBytes(whole, Uint8Array.of(1, 2)));
});

test('xxh32 equals the published values', () => {
  assert.equal(xxh32(Buffer.from(''), 0), 0x02cc5d05);
  assert.equal(xxh32(Buffer.from('abc'), 0), 0x32d153ff);
  assert.equal(xxh32(Buffer.from('abcdefghijklmnopqrstuvwxyz'), 0), 0x63a14d5f);
});
