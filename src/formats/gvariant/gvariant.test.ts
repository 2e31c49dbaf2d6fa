import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, FormatError } from '#base/errors';
import {
  arrayOf,
  BOOLEAN,
  BYTE,
  BYTES,
  chooseOffsetWidth,
  encodeVariant,
  INT32,
  lookupAny,
  lookupVariant,
  maybeOf,
  offsetWidth,
  parseVariant,
  parseVariantType,
  STRING,
  tupleOf,
  UINT16,
  UINT32,
  UINT64,
  VARIANT,
  VARIANT_DICT,
  type Variant,
  type VariantType,
  variantOf,
} from './index.ts';

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

function refuses(bytes: Uint8Array, type: VariantType, code: ErrorCode): void {
  assert.throws(
    () => parseVariant(bytes, type),
    (error) => error instanceof FormatError && error.code === code,
  );
}

/** Values with their bytes; from the worked examples and rules of the OSTree spec, section 1. */
const VECTORS: readonly [string, unknown, string][] = [
  ['(uuua(ayay))', [0, 0, 0xed410000, []], '00000000 00000000 000041ed'],
  ['as', ['one', 'two', 'three'], '6f6e6500 74776f00 746872656500 04080e'],
  ['as', [], ''],
  ['()', [], '00'],
  ['ms', { just: 'x' }, '7800 00'],
  ['mmi', { just: null }, '00'],
  ['mmi', null, ''],
  ['mi', { just: 5 }, '05000000'],
  ['(qsx)', [513, 's', -1n], '0102 7300 00000000 ffffffffffffffff 04'],
  ['(yu)', [1, 2], '01000000 02000000'],
  ['(uy)', [2, 1], '02000000 01000000'],
  ['v', variantOf(UINT32, 0x12345678), '78563412 00 75'],
  ['v', variantOf(UINT64, 0x0102030405060708n), '0807060504030201 00 74'],
  ['(sayay)', ['s', Uint8Array.of(1), Uint8Array.of(2)], '7300 01 02 03 02'],
  ['a(ayay)', [], ''],
];

for (const [signature, value, bytes] of VECTORS) {
  test(`the bytes of ${signature} ${bytes || 'nothing'} parse to the value and encode back`, () => {
    const type = parseVariantType(signature);
    assert.equal(type.signature, signature);
    assert.deepEqual(encodeVariant(value, type), hex(bytes));
    assert.deepEqual(parseVariant(hex(bytes), type), normalise(value));
  });
}

function normalise(value: unknown): unknown {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(normalise);
  return value;
}

const REFUSED: readonly [string, string, string, ErrorCode][] = [
  ['padding that is not zero', '(yu)', '01000100 02000000', 'GVARIANT_NOT_NORMAL'],
  ['trailing padding that is not zero', '(uy)', '02000000 01000001', 'GVARIANT_NOT_NORMAL'],
  ['a boolean of 2', 'b', '02', 'GVARIANT_NOT_NORMAL'],
  ['a string without NUL', 's', '61', 'GVARIANT_NOT_NORMAL'],
  ['an empty string', 's', '', 'GVARIANT_NOT_NORMAL'],
  ['a NUL inside a string', 's', '610061 00', 'GVARIANT_NOT_NORMAL'],
  ['a string that is not UTF-8', 's', 'ff00', 'GVARIANT_NOT_NORMAL'],
  ['end offsets that go back', 'as', '6100 6200 04 02', 'GVARIANT_NOT_NORMAL'],
  ['an end offset past the table', 'as', '6100 ff', 'GVARIANT_NOT_NORMAL'],
  ['a fixed array with a remainder', 'au', '0000000000', 'GVARIANT_NOT_NORMAL'],
  ['a fixed value of another size', 'u', '000000', 'GVARIANT_NOT_NORMAL'],
  ['a tuple too small for its offsets', '(ss)', '', 'GVARIANT_NOT_NORMAL'],
  ['a tuple with bytes left over', '(ayu)', '0000000000000000 00 00', 'GVARIANT_NOT_NORMAL'],
  ['a maybe whose marker is not NUL', 'ms', '7800 01', 'GVARIANT_NOT_NORMAL'],
  ['a variant without a type', 'v', '', 'GVARIANT_NOT_NORMAL'],
  ['a variant of an unknown type', 'v', '00 007a', 'GVARIANT_TYPE_INVALID'],
  ['a variant of two types', 'v', '00 007979', 'GVARIANT_TYPE_INVALID'],
  ['a bad object path', 'o', '6100', 'GVARIANT_NOT_NORMAL'],
  ['a bad signature', 'g', '7a00', 'GVARIANT_TYPE_INVALID'],
];

for (const [name, signature, bytes, code] of REFUSED) {
  test(`parseVariant refuses ${name}`, () =>
    refuses(hex(bytes), parseVariantType(signature), code));
}

test('parseVariant refuses end offsets that are wider than needed', () => {
  // 300 bytes would need two-byte offsets; here 100 bytes are padded by a table of two-byte offsets above 255.
  const body = new Uint8Array(256 - 2);
  body.fill(0x61);
  body[253] = 0;
  const wide = new Uint8Array([...body, 0xfe, 0x00]);
  assert.equal(wide.length, 256);
  refuses(wide, arrayOf(STRING), 'GVARIANT_NOT_NORMAL');
});

test('a signature that is not one definite type is refused', () => {
  for (const text of ['', 'z', 'ii', '(', '(i', 'a', '{s}', '{vs}', '{asi}', '*', 'r', ')']) {
    assert.throws(
      () => parseVariantType(text),
      (error) => error instanceof FormatError && error.code === 'GVARIANT_TYPE_INVALID',
      text,
    );
  }
});

test('the nesting depth of types and of variants is limited', () => {
  assert.throws(() => parseVariantType(`${'a'.repeat(64)}y`), { code: 'GVARIANT_TYPE_INVALID' });
  let nested: Variant = variantOf(BYTE, 1);
  for (let i = 0; i < 70; i++) nested = variantOf(VARIANT, nested);
  refuses(encodeVariant(nested, VARIANT), VARIANT, 'GVARIANT_NOT_NORMAL');
});

test('the number of values is limited', () => {
  const units = new Uint8Array(1000);
  assert.throws(() => parseVariant(units, parseVariantType('a()'), { valuesMax: 500 }), {
    code: 'GVARIANT_TOO_LARGE',
  });
});

test('offset widths change at 255, 65535 and 4294967295 bytes', () => {
  assert.deepEqual(
    [0, 1, 255, 256, 65535, 65536, 0xffffffff, 0x100000000].map(offsetWidth),
    [0, 1, 1, 2, 2, 4, 4, 8],
  );
  assert.deepEqual(
    [chooseOffsetWidth(254, 1), chooseOffsetWidth(255, 1), chooseOffsetWidth(65533, 1)],
    [1, 2, 2],
  );
  assert.equal(chooseOffsetWidth(65534, 1), 4);
});

test('lookupVariant gives the first of repeated keys, and only if the type matches', () => {
  const dict = [
    ['k', variantOf(STRING, 'first')],
    ['k', variantOf(STRING, 'second')],
  ] as const;
  assert.equal(lookupVariant(dict, 'k', STRING), 'first');
  assert.equal(lookupVariant(dict, 'k', UINT32), undefined);
  assert.equal(lookupAny(dict, 'absent'), undefined);
});

/** A type and a fast-check arbitrary of its values. */
type Typed = { readonly type: VariantType; readonly value: fc.Arbitrary<unknown> };

function typed<T>(type: VariantType<T>, value: fc.Arbitrary<T>): Typed {
  return { type, value };
}

const TEXT = fc.string({ unit: 'grapheme', maxLength: 300 }).filter((text) => !text.includes('\0'));
const LEAVES: readonly Typed[] = [
  typed(BYTE, fc.nat(255)),
  typed(BOOLEAN, fc.boolean()),
  typed(UINT16, fc.nat(65535)),
  typed(INT32, fc.integer()),
  typed(UINT64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  typed(STRING, TEXT),
  typed(BYTES, fc.uint8Array({ maxLength: 300 })),
];

const TYPED: fc.Arbitrary<Typed> = fc.letrec<{ node: Typed }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(...LEAVES),
    tie('node').map(({ type, value }) =>
      type.kind === 'y'
        ? typed(BYTES, fc.uint8Array())
        : typed(arrayOf(type), fc.array(value, { maxLength: 40 })),
    ),
    tie('node').map(({ type, value }) =>
      typed(maybeOf(type), fc.option(value.map((just) => ({ just })))),
    ),
    fc
      .array(tie('node'), { maxLength: 5 })
      .map((all) =>
        typed(tupleOf(...all.map((one) => one.type)), fc.tuple(...all.map((one) => one.value))),
      ),
    tie('node').map(({ type, value }) =>
      typed(
        VARIANT,
        value.map((v) => variantOf(type, v)),
      ),
    ),
  ),
})).node;

const SAMPLE = TYPED.chain(({ type, value }) => value.map((v) => ({ type, value: v })));

test('parsing an encoded value gives it back, and encoding it again gives the same bytes', () => {
  fc.assert(
    fc.property(SAMPLE, ({ type, value }) => {
      const bytes = encodeVariant(value, type);
      const found = parseVariant(bytes, type);
      assert.deepEqual(encodeVariant(found, type), bytes);
      assert.equal(parseVariantType(type.signature).signature, type.signature);
    }),
    { numRuns: 300 },
  );
});

test('arbitrary bytes give a value that encodes to the same bytes, or a FormatError', () => {
  const types = ['a{sv}', '(a{sv}aya(say)sstayay)', 'a(say)', 'v', 'aas', '(ymsmmiaa{sv})'].map(
    parseVariantType,
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...types), (bytes, type) => {
      try {
        assert.deepEqual(encodeVariant(parseVariant(bytes, type), type), bytes);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a dict that is damaged at any byte is refused or parses to another normal value', () => {
  const dict = [
    ['version', variantOf(STRING, '1.0')],
    ['list', variantOf(arrayOf(STRING), ['a', 'b'])],
    ['number', variantOf(UINT64, 7n)],
  ] as const;
  const bytes = encodeVariant(dict, VARIANT_DICT);
  for (let length = 1; length < bytes.length; length++) {
    refuses(bytes.subarray(0, length), VARIANT_DICT, 'GVARIANT_NOT_NORMAL');
  }
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      try {
        assert.deepEqual(encodeVariant(parseVariant(damaged, VARIANT_DICT), VARIANT_DICT), damaged);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }
  }
});
