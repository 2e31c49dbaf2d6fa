import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStrictJson, type StrictValue } from './strict-json.ts';

class Fault extends Error {}
const parse = (text: string) =>
  parseStrictJson(text, (offset, expected, found) => {
    throw new Fault(`${offset}: expected ${expected}, found ${found}`);
  });

function plain(value: StrictValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test('strict JSON reads the output of JSON.stringify as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), fc.nat(3), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      assert.deepEqual(plain(parse(text)), JSON.parse(text));
    }),
    { numRuns: 50 },
  );
});

test('JSON.parse accepts every document that strict JSON accepts', () => {
  const word = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"',
    '\\u0061',
    '1',
    '-',
    '.',
    'e1',
    'true',
    'null',
    ' ',
    '\t',
    '0',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const text = words.join('');
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof Fault);
        return;
      }
      JSON.parse(text);
    }),
    { numRuns: 300 },
  );
});

for (const text of [
  '',
  ' ',
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '{"__proto__":1,"__proto__":1}',
  '"\\ud800"',
  '{"\\udc00x":1}',
  '"a\tb"',
  '"\\x41"',
  '"\\u00g0"',
  '\ufeff{}',
  '{} x',
  '{}{}',
  '[1,]',
  '{"a":1,}',
  '{a:1}',
  "{'a':1}",
  '01',
  '+1',
  '.5',
  '1.',
  'NaN',
  'tru',
  '// c\n{}',
  '\u00a0{}',
  `${'['.repeat(66)}${']'.repeat(66)}`,
]) {
  test(`strict JSON refuses ${JSON.stringify(text).slice(0, 40)}`, () => {
    assert.throws(() => parse(text), Fault);
  });
}

test('64 levels of nesting are accepted, and __proto__ is an ordinary key', () => {
  assert.ok(parse(`${'['.repeat(64)}${']'.repeat(64)}`));
  assert.deepEqual(parse('{"__proto__":{"x":1}}'), new Map([['__proto__', new Map([['x', 1]])]]));
});

test('a document of 4 MB is read within the time limit', { timeout: 10_000 }, () => {
  assert.equal((parse(`"${'a'.repeat(4_000_000)}"`) as string).length, 4_000_000);
  assert.throws(() => parse('{"a":'.repeat(800_000)), Fault);
});
