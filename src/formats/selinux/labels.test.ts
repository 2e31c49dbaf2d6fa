import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { ByteString } from '#base/bytes';
import { createLabeler, type InodeType, type Labeler, ROOT_NAME } from './index.ts';

const GOLDEN = new URL('../../../test/golden/selinux/', import.meta.url);
const CORNER = {
  main: golden('corner/file_contexts'),
  local: golden('corner/file_contexts.local'),
  homedirs: golden('corner/file_contexts.homedirs'),
  subs: golden('corner/file_contexts.subs'),
  subsDist: golden('corner/file_contexts.subs_dist'),
};
const DEBIAN = {
  main: gunzipSync(golden('debian/file_contexts.gz')),
  homedirs: gunzipSync(golden('debian/file_contexts.homedirs.gz')),
  subsDist: golden('debian/file_contexts.subs_dist'),
};
/** Columns of the tables. */
const LIBSELINUX = 2;
const COMPOSEFS = 4;

function golden(path: string): Buffer {
  return readFileSync(new URL(path, GOLDEN));
}

function rowsOf(table: Buffer): string[][] {
  const lines = table.toString('latin1').split('\n');
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'));
}

/** Looks up a path, as during a walk of a tree. */
function lookUp(labeler: Labeler, path: string, type: string): string {
  let name = ROOT_NAME;
  for (const part of path.split('/').filter((part) => part !== '')) {
    name = labeler.childName(name, part as ByteString);
  }
  return labeler.labelOf(name, type as InodeType) ?? '-';
}

async function labelerOf(main: string): Promise<Labeler> {
  return await createLabeler({ main: Buffer.from(main) }, 'composefs');
}

for (const [policy, texts, table] of [
  ['corner', CORNER, golden('corner/table.tsv')],
  ['debian', DEBIAN, gunzipSync(golden('debian/table.tsv.gz'))],
] as const) {
  test(`every path gets the label that libselinux and the synthesized commit give it: ${policy}`, async () => {
    const rows = rowsOf(table);
    for (const [precedence, column] of [
      ['libselinux', LIBSELINUX],
      ['composefs', COMPOSEFS],
    ] as const) {
      const labeler = await createLabeler(texts, precedence);
      const known = rows.filter((row) => row[column] !== '?');
      assert.ok(known.length > 20);
      const wrong = known.filter(
        ([type = '', path = '', ...labels]) =>
          lookUp(labeler, path, type) !== labels[column - LIBSELINUX],
      );
      assert.deepEqual(wrong, [], precedence);
    }
  });
}

test('a literal pattern with escapes matches one path, and the first of several rules applies', async () => {
  const text = [
    '/a\\.b x:1',
    '/a\\.b -- x:2',
    '/a\\.b x:3',
    '/a\\\\ x:4',
    '/\\d x:5',
    '/.* x:6',
  ].join('\n');
  const labeler = await createLabeler({ main: Buffer.from(text) }, 'libselinux');
  assert.equal(lookUp(labeler, '/a.b', '-'), 'x:2');
  assert.equal(lookUp(labeler, '/a.b', 'd'), 'x:1');
  assert.equal(lookUp(labeler, '/aXb', 'd'), 'x:6');
  assert.equal(lookUp(labeler, '/a\\', 'd'), 'x:4');
  assert.equal(lookUp(labeler, '/7', 'd'), 'x:6', 'of two patterns the last counts');
});

test('libselinux anchors the first alternative only at the start and the last only at the end', async () => {
  const main = Buffer.from('/o/(a|b)|c u:r:o:s0\n/usr/a|b.*|x u:r:usr:s0\n');
  const labeler = await createLabeler({ main }, 'libselinux');
  const label = (path: string) => labeler.labelOf(path as ByteString, '-');
  // As libselinux 3.4 and 3.11 answer.
  const found = ['/o/bxx', '/o/xc', '/c', '/usr/axx', '/usr/xbx', '/x/b1', '/usr/zx', '/usr/zxz'];
  assert.deepEqual(found.map(label), [
    ...['u:r:o:s0', 'u:r:o:s0', undefined, 'u:r:usr:s0', 'u:r:usr:s0', undefined, 'u:r:usr:s0'],
    undefined,
  ]);
  const whole = await createLabeler({ main }, 'composefs');
  assert.equal(whole.labelOf('/o/bxx' as ByteString, '-'), undefined);
});

test('names need not be UTF-8, and a dot in a pattern matches any byte', async () => {
  const labeler = await labelerOf('/a/. x:1\n/b/.* x:2\n');
  assert.equal(lookUp(labeler, '/a/\xff', '-'), 'x:1');
  assert.equal(lookUp(labeler, '/b/\xc3\x28\n', '-'), 'x:2');
  assert.equal(lookUp(labeler, '/a/\xff\xff', '-'), '-');
});

test('an invalid policy is refused, and the error gives the offset of the line', async () => {
  for (const [text, offset] of [
    ['/a', 0],
    ['/a x:1\n/b -x x:1\n', 7],
    ['# c\n\n/(a x:1', 5],
    ['/a)b x:1', 0],
    ['/[a x:1', 0],
    ['/a\\ x:1', 0],
    ['/(?=a) x:1', 0],
    ['/a*+ x:1', 0],
    ['/(a)\\1 x:1', 0],
    ['/a{2000} x:1', 0],
    [`/${'a'.repeat(4096)} x:1`, 0],
  ] as const) {
    const expected = { code: 'SELINUX_POLICY_INVALID', details: { offset } };
    await assert.rejects(labelerOf(text), (error: typeof expected) => {
      assert.deepEqual(
        [error.code, error.details.offset],
        ['SELINUX_POLICY_INVALID', offset],
        text,
      );
      return true;
    });
  }
  const large = { main: new Uint8Array(8 * 1024 * 1024 + 1) };
  await assert.rejects(createLabeler(large, 'composefs'), { code: 'SELINUX_POLICY_INVALID' });
});

test('a hostile policy is evaluated or refused in bounded time', async () => {
  const costly = { code: 'SELINUX_POLICY_TOO_COSTLY' };
  const many = Array.from({ length: 20_000 }, (_, index) => `/(a{9}b{9}c{9})+${index} x:1`);
  await assert.rejects(labelerOf(many.join('\n')), costly);
  await assert.rejects(labelerOf(`/${'(a{99}){9}'.repeat(300)} x:1`), costly);
  const paths = Array.from({ length: 50 }, (_, index) => `${'a'.repeat(200 + index)}!`);
  const nested = await labelerOf(
    '/(a*)*b x:1\n/((a+)+)+c x:1\n/(a|aa)+d x:1\n/(.*a){20} x:1\n/(a?){30}a{30} x:1',
  );
  const before = process.threadCpuUsage();
  for (const path of paths) assert.equal(lookUp(nested, `/${path}`, '-'), '-');
  assert.ok(process.threadCpuUsage(before).user < 2_000_000, 'two seconds of the processor');
  const stars = Array.from(
    { length: 3000 },
    (_, index) => `/(.*${(index % 26) + 10}.*)*x${index} x:1`,
  );
  const slow = await labelerOf(stars.join('\n'));
  const digits = paths.map((path) => path.replaceAll('aaaa', '1234'));
  assert.throws(() => {
    for (let round = 0; round < 600; round += 1) {
      for (const path of digits) lookUp(slow, `/${round}${path}`, '-');
    }
  }, costly);
});
