import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTocTime, parseTocTime } from './time.ts';

test('parsing a formatted time gives the same instant', () => {
  const sec = fc.bigInt({ min: -62_167_219_200n, max: 253_402_300_799n });
  fc.assert(
    fc.property(sec, fc.nat(999_999_999), (seconds, nsec) => {
      const time = { sec: seconds, nsec };
      assert.deepEqual(parseTocTime(formatTocTime(time) ?? ''), time);
    }),
  );
});

for (const [text, sec, nsec] of [
  ['2023-11-14T22:13:20Z', 1_700_000_000n, 0],
  ['2023-11-15T07:13:20+09:00', 1_700_000_000n, 0],
  ['2023-11-14T20:43:20-01:30', 1_700_000_000n, 0],
  ['1969-12-30T23:59:59.75Z', -86_401n, 750_000_000],
  ['1970-01-01T00:00:00,000000001Z', 0n, 1],
  ['0001-01-01T00:00:00Z', -62_135_596_800n, 0],
  ['2242-03-16T12:56:32Z', 8_589_934_592n, 0],
] as const) {
  test(`${text} is ${sec} s and ${nsec} ns`, () => {
    assert.deepEqual(parseTocTime(text), { sec, nsec });
  });
}

for (const text of [
  '',
  '2023-11-14',
  '2023-11-14t22:13:20Z',
  '2023-11-14T22:13:20z',
  '2023-11-14T22:13:20',
  '2023-13-14T22:13:20Z',
  '2023-02-29T00:00:00Z',
  '2023-11-14T24:00:00Z',
  '2023-11-14T22:60:00Z',
  '2023-11-14T22:13:61Z',
  '2023-11-14T22:13:20.Z',
  '2023-11-14T22:13:20+24:00',
  '02023-11-14T22:13:20Z',
]) {
  test(`"${text}" is refused as a time`, () => {
    assert.equal(parseTocTime(text), undefined);
  });
}

test('a year without exactly four digits cannot be written', () => {
  assert.equal(formatTocTime({ sec: 253_402_300_800n, nsec: 0 }), undefined);
  assert.equal(formatTocTime({ sec: -62_167_219_201n, nsec: 0 }), undefined);
  assert.equal(formatTocTime({ sec: 2n ** 62n, nsec: 0 }), undefined);
});
