import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DiffId } from '#base/digest';
import { hasCode } from '#base/errors';
import {
  bigDataFileName,
  computeLayerId,
  joinRecords,
  makeStamp,
  parseImageRecord,
  parseLayerRecord,
  STAMP,
  splitRecords,
} from './index.ts';

const ID = 'ab'.repeat(32);
const bytes = (text: string) => Buffer.from(text, 'utf8');

for (const [key, name] of [
  ['manifest', 'manifest'],
  ['abcX', 'abcX'],
  ['foo-', 'foo-'],
  ['A', 'A'],
  ['é', '\xc3\xa9'],
  ['UP', '=VVA='],
  ['a:b', '=YTpi'],
  ['zstd-chunked-manifest', '=enN0ZC1jaHVua2VkLW1hbmlmZXN0'],
  ['/', undefined],
  ['.', undefined],
  ['..', undefined],
  ['', undefined],
  ['\0', undefined],
] as const) {
  test(`the file of the big data item ${JSON.stringify(key)} is ${JSON.stringify(name)}`, () => {
    assert.equal(bigDataFileName(key), name);
  });
}

test('a layer id is derived as podman derives it: from diff id, parent or TOC', () => {
  const base = '25b43ebe2af0cf7101eb6c4d51f201e6a4c1fac7356efcabf4f9789bca235906';
  const upper = 'sha256:be8b95f04da69c48f35e458930d52c19f3ae3f091b8586d5d2f13b44dc4bae4b' as DiffId;
  assert.equal(computeLayerId(undefined, { diffId: `sha256:${base}` as DiffId }), base);
  assert.equal(
    computeLayerId(base, { diffId: upper }),
    'bb44c30a0652a5d7d385af4fa5f8457ce7677f7917b3fb2e4c7280e9fc548897',
  );
  const ofToc = computeLayerId(undefined, { tocHex: 'cd'.repeat(32) });
  assert.notEqual(ofToc, 'cd'.repeat(32), 'hashed, base or not');
});

test('splitRecords keeps the exact text of each record', () => {
  const texts = [
    '{"id":"1","x":12345678901234567890}',
    '{"a":["]},{","\\"]"],"b":{"c":[1]}}',
    '{}',
  ];
  const { records, problem } = splitRecords(bytes(` [ ${texts.join(' ,\n')} ]\n`), 'layers.json');
  assert.equal(problem, undefined);
  assert.deepEqual(
    records.map(({ text }) => text),
    texts,
  );
  assert.equal(Buffer.from(joinRecords(texts)).toString(), `[${texts.join(',')}]`);
});

test('splitting after joining gives back any objects', () => {
  const json = fc.json().map((text) => `{"v":${text}}`);
  fc.assert(
    fc.property(fc.array(json, { maxLength: 5 }), (texts) => {
      const { records, problem } = splitRecords(joinRecords(texts), 'x');
      assert.equal(problem, undefined);
      assert.deepEqual(
        records.map(({ text }) => text.trim()),
        texts.map((text) => text.trim()),
      );
    }),
  );
});

test('no file, null and an empty array give no records; any other document is refused', () => {
  for (const text of ['', 'null', '[]', ' [ ] ']) {
    assert.deepEqual(splitRecords(bytes(text), 'x'), { records: [], problem: undefined });
  }
  for (const text of ['{}', '7', 'garbage']) {
    assert.throws(
      () => splitRecords(bytes(text), 'x'),
      (error) => hasCode(error, 'CONTAINERS_RECORDS_INVALID'),
    );
  }
});

test('a file truncated anywhere gives the records before the cut, and a problem that states the cut', () => {
  const whole = `[{"id":"${ID}"},{"id":"${'cd'.repeat(32)}","names":["a"]}]`;
  for (let length = 1; length < whole.length; length += 1) {
    const { records, problem } = splitRecords(bytes(whole.slice(0, length)), 'x');
    assert.ok(problem !== undefined, `cut at ${length}`);
    const ids = records.flatMap((raw) => parseLayerRecord(raw).record?.id ?? []);
    assert.equal(
      ids.length,
      length > whole.indexOf('},') ? (length === whole.length - 1 ? 2 : 1) : 0,
    );
  }
});

test('a record with one wrong field gives a problem that names it, and never throws', () => {
  const damages: [string, string][] = [
    ['{"id":7}', 'id'],
    ['{"id":"short"}', 'id'],
    [`{"id":"${ID}","parent":["a"]}`, 'parent'],
    [`{"id":"${ID}","diff-digest":"sha256:00"}`, 'diff-digest'],
    [`{"id":"${ID}","diff-size":1.5}`, 'diff-size'],
    [`{"id":"${ID}","flags":[]}`, 'flags'],
    [`{"id":"${ID}","big-data-names":[1]}`, 'big-data-names'],
    ['{}', 'id'],
    ['[]', 'object'],
    ['{"id":', 'object'],
  ];
  for (const [text, what] of damages) {
    const [raw = assert.fail()] = splitRecords(bytes(`[${text}]`), 'x').records;
    const { problem } = parseLayerRecord(raw);
    assert.ok(problem?.includes(what), `${text}: ${problem}`);
  }
});

test('absent, empty and null fields are read as equal', () => {
  for (const text of [`{"id":"${ID}"}`, `{"id":"${ID}","digest":"","layer":null,"names":null}`]) {
    const [raw = assert.fail()] = splitRecords(bytes(`[${text}]`), 'x').records;
    const { record } = parseImageRecord(raw);
    assert.deepEqual([record?.digest, record?.layer, record?.names], [undefined, undefined, []]);
  }
});

test('stamps are 64 bytes of time, counter and process, and all differ', () => {
  const stamp = Buffer.from(makeStamp(77n, 4321));
  assert.equal(stamp.length, STAMP.bytes);
  assert.equal(stamp.readBigUInt64LE(0), 77n);
  assert.equal(stamp.readUInt32LE(16), 4321);
  assert.notDeepEqual(Buffer.from(makeStamp(77n, 4321)), stamp);
});
