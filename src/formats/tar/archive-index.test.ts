import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteStringFromText } from '#base/bytes';
import { isOnecopyError } from '#base/errors';
import { type RandomReader, readerOf } from '#base/flow';
import {
  type TestMember,
  testPaxRecord,
  testTar,
  testTarHeader,
  withTestChecksum,
} from '../../../test/support/tar-archive.ts';
import { readArchiveIndex } from './archive-index.ts';
import { ARCHIVE_LINKS_MAX, EXTENSION_BYTES_MAX } from './layout.ts';
import { encodeTarHeader } from './writer.ts';

const indexOf = (members: readonly TestMember[]) => readArchiveIndex(readerOf(testTar(members)));

test('readArchiveIndex finds members with and without ./ and reads only headers', () => {
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

test('the last of two members with one name applies', () => {
  const index = indexOf([
    { name: 'a', content: 'first' },
    { name: './a', content: 'second!' },
  ]);
  assert.equal(index.find('a')?.sizeBytes, 7);
});

test('symlink targets are relative to their directory, hard link targets to the root', () => {
  const index = indexOf([
    { name: 'x/real', content: '123' },
    { name: 'l/soft', flag: '2', link: '../x/real' },
    { name: 'l/hard', flag: '1', link: 'x/real' },
    { name: 'l/chain', flag: '2', link: 'soft' },
  ]);
  for (const name of ['l/soft', 'l/hard', 'l/chain']) assert.equal(index.find(name)?.sizeBytes, 3);
});

test('links that leave the archive, dangle or form a cycle have no target', () => {
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

test('a chain of links is followed up to the limit', () => {
  const chain = (length: number): TestMember[] => [
    { name: 'l0', content: 'end' },
    ...Array.from({ length }, (_, at) => ({ name: `l${at + 1}`, flag: '2', link: `l${at}` })),
  ];
  assert.equal(indexOf(chain(ARCHIVE_LINKS_MAX)).find(`l${ARCHIVE_LINKS_MAX}`)?.sizeBytes, 3);
  const tooFar = `l${ARCHIVE_LINKS_MAX + 1}`;
  assert.equal(indexOf(chain(ARCHIVE_LINKS_MAX + 1)).find(tooFar), undefined);
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

test('an archive without end blocks, or with one, is complete', () => {
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
const HOSTILE: [string, string, Buffer][] = [
  [
    'a wrong checksum',
    'TAR_HEADER_CHECKSUM',
    Buffer.concat([Buffer.from(testTarHeader({ name: 'a' })).fill(0x62, 0, 1)]),
  ],
  ['a cut header', 'TAR_TRUNCATED', testTarHeader({ name: 'a' }).subarray(0, 511)],
  ['a payload past the end', 'TAR_TRUNCATED', testTarHeader({ name: 'a', statedSize: 1 })],
  ['a huge payload', 'TAR_TRUNCATED', testTarHeader({ name: 'a', statedSize: 0o77777777777 })],
  [
    'a size that is no octal',
    'TAR_FIELD_INVALID',
    header({ name: 'a' }, (bytes) => bytes.write('9', 124)),
  ],
  [
    'a base-256 size beyond 2^53',
    'TAR_FIELD_INVALID',
    header({ name: 'a' }, (bytes) => bytes.fill(0xff, 124, 136)),
  ],
  ['a name that leaves the archive', 'TAR_PATH_ESCAPES', testTar([{ name: '../a', content: 'x' }])],
  [
    'a name that leaves it from below',
    'TAR_PATH_ESCAPES',
    testTar([{ name: 'a/../../b', content: 'x' }]),
  ],
  [
    'PAX records cut short',
    'TAR_PAX_MALFORMED',
    testTar([{ name: 'p', flag: 'x', content: '99 path=a\n' }]),
  ],
  [
    'PAX records without length',
    'TAR_PAX_MALFORMED',
    testTar([{ name: 'p', flag: 'x', content: 'path=a\n' }]),
  ],
  [
    'a PAX length of zero',
    'TAR_PAX_MALFORMED',
    testTar([{ name: 'p', flag: 'x', content: '0 path=a\n' }]),
  ],
  [
    'a PAX size that is negative',
    'TAR_PAX_MALFORMED',
    testTar([{ name: 'p', flag: 'x', content: testPaxRecord('size', '-1') }, { name: 'a' }]),
  ],
  [
    'a PAX size beyond 2^53',
    'TAR_PAX_MALFORMED',
    testTar([
      { name: 'p', flag: 'x', content: testPaxRecord('size', '9007199254740993') },
      { name: 'a' },
    ]),
  ],
  [
    'an extension header beyond its limit',
    'TAR_EXTENSION_TOO_LARGE',
    testTar([{ name: 'p', flag: 'L', content: new Uint8Array(EXTENSION_BYTES_MAX + 1) }]),
  ],
];

for (const [what, code, bytes] of HOSTILE) {
  test(`readArchiveIndex refuses ${what}`, () => {
    assert.throws(() => readArchiveIndex(readerOf(bytes)), { code });
  });
}

test('a damaged archive gives an index whose ranges lie inside it, or a FormatError', () => {
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
          assert.ok(isOnecopyError(error) && error.kind === 'format', String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('the headers of one member and the number of members are limited', () => {
  const extension = { name: 'p', flag: 'L', content: new Uint8Array(EXTENSION_BYTES_MAX) };
  const many = testTar([extension, extension, extension, extension, { name: 'a' }]);
  assert.throws(() => readArchiveIndex(readerOf(many)), { code: 'TAR_EXTENSION_TOO_LARGE' });
  const three = testTar(['a', 'b', 'c'].map((name) => ({ name, content: 'x' })));
  assert.equal(readArchiveIndex(readerOf(three), 3).find('c')?.sizeBytes, 1);
  assert.throws(() => readArchiveIndex(readerOf(three), 2), { code: 'TAR_TOO_MANY_MEMBERS' });
});

test('readArchiveIndex finds what encodeTarHeader writes, for short, long and huge members', () => {
  for (const [name, sizeBytes] of [
    ['a', 0],
    [`blobs/sha512/${'f'.repeat(128)}`, 7],
    ['x'.repeat(100), 1],
    ['x'.repeat(101), 1],
    ['huge', 8 ** 11],
    ['octal', 8 ** 11 - 1],
  ] as const) {
    const path = byteStringFromText(name);
    const header = encodeTarHeader({ type: 'file', path, sizeBytes, mode: 0o644 });
    const reader = { ...readerOf(header), sizeBytes: header.length + sizeBytes };
    assert.equal(readArchiveIndex(reader).find(name)?.sizeBytes, sizeBytes, name);
  }
});

test('a sparse file is not found by name', () => {
  const record = testPaxRecord('GNU.sparse.major', '1');
  const index = indexOf([
    { name: 'pax', flag: 'x', content: record },
    { name: 'holes', content: '1' },
  ]);
  assert.equal(index.find('holes'), undefined);
});
