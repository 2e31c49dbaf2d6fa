import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import { type RandomReader, readerOf } from '#base/flow';
import {
  type TestMember,
  testPaxRecord,
  testTar,
  testTarHeader,
  withTestChecksum,
} from '../../../test/support/tar-archive.ts';
import { readArchiveIndex } from './archive-index.ts';
import { EXTENSION_MAX_BYTES, MEMBER_LINKS_MAX } from './layout.ts';

const indexOf = (members: readonly TestMember[]) => readArchiveIndex(readerOf(testTar(members)));
const isInvalid = (error: unknown) => hasCode(error, 'ARCHIVE_INVALID');

test('readArchiveIndex finds members with and without ./ and reads headers only', () => {
  const bytes = testTar([
    { name: 'a', content: 'x'.repeat(5000) },
    { name: './b/c', content: 'yy' },
  ]);
  let readBytes = 0;
  const reader: RandomReader = {
    sizeBytes: bytes.length,
    read(offset, into) {
      readBytes += into.length;
      return readerOf(bytes).read(offset, into);
    },
  };
  const index = readArchiveIndex(reader);
  assert.deepEqual(index.find('a'), { kind: 'file', offsetBytes: 512, sizeBytes: 5000 });
  const found = index.find('./b/c');
  assert.ok(found !== undefined);
  assert.equal(bytes.toString('latin1', found.offsetBytes, found.offsetBytes + 2), 'yy');
  assert.equal(index.find('b'), undefined);
  assert.equal(readBytes, 3 * 512);
});

test('the last of two members with one name counts', () => {
  const index = indexOf([
    { name: 'a', content: 'first' },
    { name: './a', content: 'second!' },
  ]);
  assert.equal(index.find('a')?.sizeBytes, 7);
});

test('symbolic links are relative to their directory, hard links to the root', () => {
  const index = indexOf([
    { name: 'x/real', content: '123' },
    { name: 'l/soft', flag: '2', link: '../x/real' },
    { name: 'l/hard', flag: '1', link: 'x/real' },
    { name: 'l/chain', flag: '2', link: 'soft' },
  ]);
  for (const name of ['l/soft', 'l/hard', 'l/chain']) assert.equal(index.find(name)?.sizeBytes, 3);
});

test('links that leave the archive, dangle or go in circles lead nowhere', () => {
  const index = indexOf([
    { name: 'etc/passwd', content: 'inside' },
    { name: 'out', flag: '2', link: '../etc/passwd' },
    { name: 'absolute', flag: '2', link: '/etc/passwd' },
    { name: 'dangling', flag: '2', link: 'nothing' },
    { name: 'circle', flag: '2', link: 'circle' },
  ]);
  for (const name of ['out', 'absolute', 'dangling', 'circle', '../etc/passwd']) {
    assert.equal(index.find(name), undefined, name);
  }
});

test('a chain of links is followed to its limit and no further', () => {
  const chain = (length: number): TestMember[] => [
    { name: 'l0', content: 'end' },
    ...Array.from({ length }, (_, at) => ({ name: `l${at + 1}`, flag: '2', link: `l${at}` })),
  ];
  assert.equal(indexOf(chain(MEMBER_LINKS_MAX)).find(`l${MEMBER_LINKS_MAX}`)?.sizeBytes, 3);
  const tooFar = `l${MEMBER_LINKS_MAX + 1}`;
  assert.equal(indexOf(chain(MEMBER_LINKS_MAX + 1)).find(tooFar), undefined);
});

test('PAX and GNU long names, link targets and sizes are applied', () => {
  const long = `${'d/'.repeat(80)}file`;
  const index = indexOf([
    { name: 'pax', flag: 'x', content: testPaxRecord('path', long) },
    { name: 'short', content: 'abc' },
    { name: '././@LongLink', flag: 'L', content: `gnu-${long}\0` },
    { name: 'short', content: 'abcd' },
    { name: '././@LongLink', flag: 'K', content: `${long}\0` },
    { name: 'link', flag: '1' },
    { name: 'pax', flag: 'x', content: testPaxRecord('size', '2') },
    { name: 'sized', content: 'xy', statedSize: 0 },
    { name: 'global', flag: 'g', content: testPaxRecord('path', 'ignored') },
    { name: 'after', content: '1' },
  ]);
  assert.equal(index.find(long)?.sizeBytes, 3);
  assert.equal(index.find(`gnu-${long}`)?.sizeBytes, 4);
  assert.equal(index.find('link')?.sizeBytes, 3);
  assert.equal(index.find('sized')?.sizeBytes, 2);
  assert.equal(index.find('after')?.sizeBytes, 1);
});

test('an archive without end blocks, or ended by one, is complete', () => {
  const whole = testTar([{ name: 'a', content: 'x'.repeat(512) }]);
  for (const length of [1024, 1536, whole.length]) {
    assert.equal(readArchiveIndex(readerOf(whole.subarray(0, length))).find('a')?.sizeBytes, 512);
  }
});

const header = (member: TestMember, change: (bytes: Buffer) => void): Buffer => {
  const bytes = testTarHeader(member);
  change(bytes);
  return withTestChecksum(bytes);
};
const HOSTILE: [string, Buffer][] = [
  ['a wrong checksum', Buffer.concat([Buffer.from(testTarHeader({ name: 'a' })).fill(0x62, 0, 1)])],
  ['a cut header', testTarHeader({ name: 'a' }).subarray(0, 511)],
  ['a payload past the end', testTarHeader({ name: 'a', statedSize: 1 })],
  ['a huge payload', testTarHeader({ name: 'a', statedSize: 0o77777777777 })],
  ['a size that is no octal', header({ name: 'a' }, (bytes) => bytes.write('9', 124))],
  ['a base-256 size beyond 2^53', header({ name: 'a' }, (bytes) => bytes.fill(0xff, 124, 136))],
  ['a name that leaves the archive', testTar([{ name: '../a', content: 'x' }])],
  ['a name that leaves it from below', testTar([{ name: 'a/../../b', content: 'x' }])],
  ['PAX records cut short', testTar([{ name: 'p', flag: 'x', content: '99 path=a\n' }])],
  ['PAX records without length', testTar([{ name: 'p', flag: 'x', content: 'path=a\n' }])],
  ['a PAX length of zero', testTar([{ name: 'p', flag: 'x', content: '0 path=a\n' }])],
  [
    'a PAX size that is negative',
    testTar([{ name: 'p', flag: 'x', content: testPaxRecord('size', '-1') }]),
  ],
  [
    'a PAX size beyond 2^53',
    testTar([{ name: 'p', flag: 'x', content: testPaxRecord('size', '9007199254740993') }]),
  ],
  [
    'an extension header beyond its limit',
    testTar([{ name: 'p', flag: 'L', content: new Uint8Array(EXTENSION_MAX_BYTES + 1) }]),
  ],
];

for (const [what, bytes] of HOSTILE) {
  test(`readArchiveIndex refuses ${what}`, () => {
    assert.throws(() => readArchiveIndex(readerOf(bytes)), isInvalid);
  });
}

test('any damage gives an index whose ranges lie inside the archive, or ARCHIVE_INVALID', () => {
  const whole = testTar([
    { name: 'p', flag: 'x', content: testPaxRecord('path', 'long') },
    { name: 'a', content: 'x'.repeat(700) },
    { name: 'l', flag: '2', link: 'long' },
  ]);
  fc.assert(
    fc.property(
      fc.nat(whole.length - 1),
      fc.nat(255),
      fc.nat(whole.length),
      (at, value, length) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        const cut = bytes.subarray(0, length);
        try {
          const index = readArchiveIndex(readerOf(cut));
          for (const name of ['a', 'long', 'l']) {
            const found = index.find(name);
            if (found !== undefined) assert.ok(found.offsetBytes + found.sizeBytes <= cut.length);
          }
        } catch (error) {
          assert.ok(isInvalid(error), String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});
