import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, concatBytes } from '#base/bytes';
import { type ErrorCode, FormatError, hasCode } from '#base/errors';
import type { Reading } from '#formats/tree';
import {
  checkTarEntry,
  encodeTarHeader,
  encodeTarPadding,
  TAR_END,
  type TarEntry,
  type TarMember,
  type TarSink,
  TarSplitter,
} from './index.ts';
import { FIELD } from './layout.ts';

/** All events that a sink received, with adjacent inline bytes joined. */
interface Heard {
  chunks: (string | { external: string; data: string })[];
  entries: { entry: TarEntry; content: string }[];
}

function splitTar(
  tar: Uint8Array,
  cuts: readonly number[] = [],
  reading: Reading = 'standard',
): Heard {
  const heard: Heard = { chunks: [], entries: [] };
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  let data = '';
  let path = '';
  let inline = '';
  const sink: TarSink = {
    inline: (bytes) => {
      assert.ok(bytes.length > 0, 'no empty inline call');
      inline += text(bytes);
    },
    externalStart: (entry) => {
      if (inline !== '') heard.chunks.push(inline);
      inline = '';
      path = entry.path;
      data = '';
    },
    externalData: (bytes) => {
      assert.ok(bytes.length > 0, 'no empty data call');
      data += text(bytes);
    },
    externalEnd: () => void heard.chunks.push({ external: path, data }),
    entry: (entry, content) => {
      const found =
        content.kind === 'inline' ? text(content.bytes) : `external ${content.sizeBytes}`;
      heard.entries.push({ entry, content: found });
    },
  };
  const splitter = new TarSplitter(reading);
  let at = 0;
  for (const cut of [...cuts, tar.length]) {
    const piece = Uint8Array.from(tar.subarray(at, at + cut));
    splitter.push(piece, sink);
    piece.fill(0xee);
    at += cut;
  }
  splitter.end();
  if (inline !== '') heard.chunks.push(inline);
  return heard;
}

/** One raw header block; `fields` overwrite the defaults, then the checksum is computed. */
function rawHeader(fields: Partial<Record<keyof typeof FIELD, string>> = {}): Buffer {
  const block = Buffer.alloc(512);
  const defaults = {
    name: 'file',
    mode: '0000644\0',
    uid: '0000000\0',
    gid: '0000000\0',
    size: '00000000000\0',
    mtime: '00000000000\0',
    typeFlag: '0',
    magic: 'ustar\0',
    version: '00',
  };
  for (const [name, value] of Object.entries({ ...defaults, ...fields })) {
    const [start] = FIELD[name as keyof typeof FIELD];
    block.write(value, start, 'latin1');
  }
  return fixChecksum(block);
}

function fixChecksum(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(value: number): string {
  return `${value.toString(8).padStart(11, '0')}\0`;
}

/** An extension header with its payload, padded. */
function extension(typeFlag: string, payload: string): Buffer {
  const bytes = Buffer.from(payload, 'latin1');
  const header = rawHeader({ name: 'ext', typeFlag, size: octal(bytes.length) });
  return Buffer.concat([header, bytes, encodeTarPadding(bytes.length)]);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}${rest}`.length !== length) length += 1;
  return `${length}${rest}`;
}

function pax(...records: [string, string][]): Buffer {
  return extension('x', records.map(([key, value]) => paxRecord(key, value)).join(''));
}

function file(name: string, content: string | number): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.alloc(content, 'data');
  const header = rawHeader({ name, size: octal(bytes.length) });
  return Buffer.concat([header, bytes, encodeTarPadding(bytes.length)]);
}

function only(tar: Uint8Array, reading: Reading = 'standard'): TarEntry {
  const { entries } = splitTar(tar, [], reading);
  assert.equal(entries.length, 1);
  return (entries[0] as { entry: TarEntry }).entry;
}

function refuses(tar: Uint8Array, code: ErrorCode): void {
  assert.throws(
    () => splitTar(tar),
    (error) => {
      assert.ok(error instanceof FormatError, `${error}`);
      assert.equal(error.code, code, error.message);
      assert.ok(Number(error.details['offset']) >= 0);
      return true;
    },
  );
}

test('payloads of up to 64 bytes stay inline, larger ones are external', () => {
  for (const sizeBytes of [0, 1, 63, 64, 65, 511, 512, 513]) {
    const tar = Buffer.concat([file('f', sizeBytes), TAR_END]);
    const { chunks, entries } = splitTar(tar);
    if (sizeBytes <= 64) {
      assert.deepEqual(chunks, [tar.toString('latin1')]);
      assert.equal(entries[0]?.content.length, sizeBytes);
    } else {
      const header = tar.toString('latin1', 0, 512);
      const data = tar.toString('latin1', 512, 512 + sizeBytes);
      const rest = tar.toString('latin1', 512 + sizeBytes);
      assert.deepEqual(chunks, [header, { external: '/f', data }, rest]);
      assert.equal(entries[0]?.content, `external ${sizeBytes}`);
    }
  }
});

test('links, directories, devices and fifos have no data, whatever size their header states', () => {
  for (const typeFlag of ['1', '2', '3', '4', '5', '6']) {
    for (const size of [rawHeader({ typeFlag, size: octal(1000) }), rawHeader({ typeFlag })]) {
      const stated = size.readUInt8(124 + 8) !== 0x30;
      const sized = stated ? size : Buffer.concat([pax(['size', '512']), size]);
      const tar = Buffer.concat([sized, file('next', 100), TAR_END]);
      const { entries } = splitTar(tar);
      assert.deepEqual(
        entries.map(({ entry, content }) => [
          entry.path,
          entry.sizeBytes,
          content,
          entry.difference,
        ]),
        [
          ['/file', 0, '', 'size-without-data'],
          ['/next', 100, 'external 100', undefined],
        ],
      );
    }
  }
});

test('composefs-rs skips data of the size of a link, and unknown types have data in both readings', () => {
  for (const [typeFlag, reading] of [
    ...['1', '2', '3', '4', '5', '6'].map((flag) => [flag, 'cfsctl'] as const),
    ...['Z', 'V', 'D'].flatMap((flag) => [[flag, 'cfsctl'] as const, [flag, 'standard'] as const]),
  ]) {
    const header = rawHeader({ typeFlag, size: octal(1000), linkName: 'x' });
    const tar = Buffer.concat([header, Buffer.alloc(1024, 1), file('next', 'n'), TAR_END]);
    const { chunks, entries } = splitTar(tar, [], reading);
    assert.equal(chunks.length, 1);
    assert.deepEqual(
      entries.map(({ content }) => content),
      ['', 'n'],
    );
  }
});

test('type flags 0, NUL and 7 are regular files, and other flags give their type', () => {
  const types = ['\0', '0', '7', '1', '2', '3', '4', '5', '6', 'S', 'D', 'A', '8'].map(
    (typeFlag) => {
      const rest = typeFlag === 'S' ? { magic: 'ustar ', version: ' \0' } : {};
      return only(rawHeader({ typeFlag, linkName: 't', ...rest })).type;
    },
  );
  const files = ['file', 'file', 'file'];
  const others = ['hardlink', 'symlink', 'chr', 'blk', 'directory', 'fifo', 'file'];
  assert.deepEqual(types, [...files, ...others, 'unknown', 'unknown', 'unknown']);
});

const anyMember: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.nat({ max: 1500 }))
    .map(([name, size]) => file(name.replace(/[^a-z]/g, 'q'), size)),
  fc.constant(rawHeader({ typeFlag: '5', name: 'dir/' })),
  fc.constant(Buffer.concat([extension('L', `${'long/'.repeat(40)}\0`), file('x', 100)])),
  fc.constant(Buffer.concat([pax(['mtime', '1.5'], ['SCHILY.xattr.user.a', 'v']), file('y', 10)])),
  fc.constant(Buffer.concat([extension('g', paxRecord('comment', 'abc')), file('z', 65)])),
  fc.constant(Buffer.concat([Buffer.alloc(512), file('after-zero', 65)])),
);

test('any split into pieces gives the same chunks and entries, and the chunks make up the tar', () => {
  fc.assert(
    fc.property(
      fc.array(anyMember, { maxLength: 6 }),
      fc.constantFrom(Buffer.alloc(0), TAR_END, Buffer.concat([TAR_END, Buffer.from('junk')])),
      fc.array(fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 700 }), fc.constant(512)), {
        maxLength: 30,
      }),
      (members, end, cuts) => {
        const tar = Buffer.concat([...members, end]);
        const whole = splitTar(tar);
        assert.deepEqual(splitTar(tar, cuts), whole);
        const rebuilt = whole.chunks.map((chunk) =>
          typeof chunk === 'string' ? chunk : chunk.data,
        );
        assert.equal(rebuilt.join(''), tar.toString('latin1'));
      },
    ),
    { numRuns: 150 },
  );
});

test('a tar fed byte by byte gives the same result as in one piece', () => {
  const tar = Buffer.concat([pax(['path', 'p/q']), file('x', 70), file('y', 'z'), TAR_END]);
  assert.deepEqual(splitTar(tar, new Array(tar.length).fill(1)), splitTar(tar));
});

test('two zero blocks end the tar, and all bytes after them are inline', () => {
  const tar = Buffer.concat([file('a', 100), TAR_END, file('b', 100)]);
  const { chunks, entries } = splitTar(tar);
  assert.equal(entries.length, 1);
  assert.equal(chunks.at(-1), tar.toString('latin1', 612));
});

test('a tar may end after a member or after one zero block, and may be empty', () => {
  assert.equal(splitTar(file('a', 1)).entries.length, 1);
  assert.equal(splitTar(Buffer.concat([file('a', 1), Buffer.alloc(512)])).entries.length, 1);
  assert.deepEqual(splitTar(Buffer.alloc(0)), { chunks: [], entries: [] });
});

test('one zero block between members is skipped, and two separate ones do not end the tar', () => {
  const zero = Buffer.alloc(512);
  const tar = Buffer.concat([zero, file('a', 1), zero, file('b', 1), TAR_END]);
  assert.equal(splitTar(tar).entries.length, 2);
});

test('a PAX path overrides the GNU long name, which overrides prefix and name', () => {
  const header = rawHeader({ name: 'name', prefix: 'prefix' });
  const long = extension('L', 'long\0rest');
  assert.equal(only(header).path, '/prefix/name');
  assert.equal(only(Buffer.concat([long, header])).path, '/long');
  assert.equal(only(Buffer.concat([long, pax(['path', 'pax']), header])).path, '/pax');
});

test('a PAX linkpath overrides the GNU long link, which overrides the link name', () => {
  const header = rawHeader({ typeFlag: '2', linkName: 'short' });
  const long = extension('K', 'long\0');
  assert.equal(only(header).linkTarget, 'short');
  assert.equal(only(Buffer.concat([long, header])).linkTarget, 'long');
  assert.equal(only(Buffer.concat([long, pax(['linkpath', 'pax']), header])).linkTarget, 'pax');
});

const GNU = { magic: 'ustar ', version: ' \0' };

test('GNU headers with times in the place of the prefix, and V7 headers, have no prefix', () => {
  for (const prefix of [
    '14650000000\x0014650000000\0',
    '14650000000 ',
    '           \0',
    '\x80\0\0\0\0',
  ]) {
    const entry = only(rawHeader({ name: 'n', ...GNU, prefix }));
    assert.deepEqual([entry.path, entry.difference], ['/n', undefined], JSON.stringify(prefix));
  }
  assert.equal(only(rawHeader({ name: 'n', magic: '', version: '', prefix: 'p' })).path, '/n');
  assert.equal(only(rawHeader({ name: 'n', ...GNU, prefix: 'caf\xe9/x' })).path, '/n');
});

test('GNU headers with text in the prefix, and POSIX headers of another version, have a prefix that composefs-rs ignores', () => {
  for (const fields of [GNU, { version: '\0\0' }, { version: '  ' }]) {
    const header = rawHeader({ name: 'n', ...fields, prefix: 'usr/long' });
    const entry = only(header);
    assert.deepEqual([entry.path, entry.difference], ['/usr/long/n', 'prefix']);
    assert.equal(only(header, 'cfsctl').path, '/n');
    assert.equal(only(Buffer.concat([pax(['path', 'p']), header])).difference, undefined);
  }
});

test('an old-type member with a trailing slash is a directory, and a file to composefs-rs', () => {
  const header = rawHeader({ typeFlag: '\0', name: 'old/', magic: '', version: '' });
  assert.deepEqual([only(header).type, only(header).difference], ['directory', 'old-directory']);
  assert.equal(only(header, 'cfsctl').type, 'file');
  assert.equal(only(rawHeader({ name: 'new/' })).type, 'file');
});

test('the last extension header of each kind applies, as in every tar reader', () => {
  const tar = [
    pax(['path', 'a'], ['uid', '5']),
    extension('K', 'k'),
    pax(['mtime', '3']),
    extension('K', 'l'),
  ];
  const entry = only(Buffer.concat([...tar, rawHeader({ typeFlag: '2' })]));
  assert.deepEqual([entry.path, entry.uid, entry.mtimeSec], ['/file', 0, 3n]);
  assert.equal(entry.linkTarget, 'l');
});

test('checksums summed as signed bytes are accepted', () => {
  const header = rawHeader({ name: 'caf\xe9\xff' });
  const high = header.reduce((count, byte) => (byte > 127 ? count + 1 : count), 0);
  const sum = Number.parseInt(header.toString('latin1', 148, 154), 8) - 256 * high;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  assert.equal(only(header).path, '/caf\xe9\xff');
  header.write(`${(sum + 256).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  refuses(header, 'TAR_HEADER_CHECKSUM');
});

test('device numbers that the kernel cannot represent are refused', () => {
  const device = (major: string, minor: string) =>
    only(rawHeader({ typeFlag: '3', deviceMajor: major, deviceMinor: minor }));
  checkTarEntry(device('0007777\0', '3777777\0'));
  for (const entry of [device('0010000\0', '0000000\0'), device('0000000\0', '4000000\0')]) {
    assert.throws(
      () => checkTarEntry(entry),
      (error) => hasCode(error, 'TAR_DEVICE_INVALID'),
    );
  }
});

test('ids above 32 bits are refused, and truncated in the reading of composefs-rs', () => {
  const over = '\x80\0\0\x01\0\0\0\x05';
  const withPax = (key: string, value: string) => Buffer.concat([pax([key, value]), rawHeader()]);
  for (const [tar, cut] of [
    [rawHeader({ uid: over }), [5, 0]],
    [rawHeader({ gid: over }), [0, 5]],
    [withPax('uid', '4294967296'), [0, 0]],
    [withPax('gid', '18446744073709551615'), [0, 4_294_967_295]],
  ] as const) {
    const [standard, cfsctl] = (['standard', 'cfsctl'] as const).map(
      (reading) => splitTar(tar, [], reading).entries[0]?.entry,
    );
    assert.ok(standard !== undefined && cfsctl !== undefined);
    assert.throws(
      () => checkTarEntry(standard),
      (error) => hasCode(error, 'TAR_FIELD_INVALID'),
    );
    checkTarEntry(cfsctl);
    assert.deepEqual([cfsctl.uid, cfsctl.gid], cut);
  }
  checkTarEntry(only(withPax('uid', '4294967295')));
});

test('V7 headers have no extensions: extension flags are unknown types there', () => {
  for (const typeFlag of ['L', 'K', 'x', 'g', 'S']) {
    const header = rawHeader({ typeFlag, magic: '', version: '', size: octal(5) });
    const tar = Buffer.concat([header, Buffer.alloc(512), file('next', 'n')]);
    assert.deepEqual(
      splitTar(tar).entries.map(({ entry }) => entry.type),
      ['unknown', 'file'],
    );
  }
});

for (const [name, path, written] of [
  ['a/b', '/a/b', '/a/b'],
  ['/a/b', '/a/b', '/a/b'],
  ['./a/b/', '/a/b', '/./a/b'],
  ['a//b', '/a/b', '/a//b'],
  ['a/./b/.', '/a/b', '/a/./b/.'],
  ['/', '/', '/'],
  ['./', '/', '/.'],
  ['.', '/', '/.'],
  ['a/../b', '/a/../b', '/a/../b'],
  ['.hidden/..b', '/.hidden/..b', '/.hidden/..b'],
  ['//a', '/a', '//a'],
] as const) {
  test(`the name "${name}" is normalised to ${path}`, () => {
    const entry = only(rawHeader({ name }));
    assert.equal(entry.path, path);
    assert.equal(entry.writtenPath, written);
  });
}

test('hard link targets become absolute, and symlink targets are kept', () => {
  assert.equal(only(rawHeader({ typeFlag: '1', linkName: './a//b' })).linkTarget, '/a/b');
  assert.equal(only(rawHeader({ typeFlag: '2', linkName: './a//b' })).linkTarget, './a//b');
});

test('numbers are octal with leading spaces, or base-256', () => {
  const big = '\x80\0\0\0\xee\x6b\x28\0';
  const entry = only(rawHeader({ uid: '   17 \0', gid: big, mode: '  755  ' }));
  assert.deepEqual([entry.uid, entry.gid, entry.mode], [15, 4_000_000_000, 0o755]);
  const before1970 = only(rawHeader({ mtime: '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe' }));
  assert.deepEqual([before1970.mtimeSec, before1970.mtimeNsec], [-2n, 0]);
});

test('a NUL ends a number, and a negative id keeps its low 32 bits', () => {
  const entry = only(rawHeader({ uid: '\0\x3755', gid: '\xff'.repeat(8) }));
  assert.deepEqual([entry.uid, entry.gid], [0, 2 ** 32 - 1]);
});

test('mode bits above 0o7777 are removed', () => {
  assert.equal(only(rawHeader({ mode: '0100755\0' })).mode, 0o755);
  assert.equal(only(rawHeader({ mode: '0104755\0' })).mode, 0o4755);
});

for (const [text, sec, nsec] of [
  ['5', 5n, 0],
  ['5.', 5n, 0],
  ['5.25', 5n, 250_000_000],
  ['5.1234567899', 5n, 123_456_789],
  ['-1.5', -2n, 500_000_000],
  ['-5', -5n, 0],
  ['-0.000000001', -1n, 999_999_999],
  ['-0.0000000001', -1n, 999_999_999],
  ['-1.9999999999', -2n, 0],
  ['18446744073709551615', -1n, 0],
] as const) {
  test(`the PAX time ${text} is ${sec} s and ${nsec} ns`, () => {
    const entry = only(Buffer.concat([pax(['mtime', text]), rawHeader()]));
    assert.deepEqual([entry.mtimeSec, entry.mtimeNsec], [sec, nsec]);
  });
}

test('xattrs keep their raw bytes, and the last of two records applies', () => {
  const header = pax(
    ['SCHILY.xattr.user.a', 'first'],
    ['SCHILY.xattr.user.a', '\0\xff=\n'],
    ['SCHILY.xattr.user.empty', ''],
    ['LIBARCHIVE.xattr.user.b', 'eA=='],
  );
  const { xattrs } = only(Buffer.concat([header, rawHeader()]));
  assert.deepEqual(
    [...xattrs],
    [
      ['user.a', Uint8Array.of(0, 255, 0x3d, 10)],
      ['user.empty', new Uint8Array(0)],
    ],
  );
});

test('a global PAX header sets nothing and discards the extension headers before it', () => {
  const tar = Buffer.concat([
    pax(['path', 'dropped'], ['size', '700']),
    extension('g', paxRecord('path', 'wrong')),
    pax(['path', 'right']),
    rawHeader({ name: 'short' }),
    rawHeader({ name: 'second' }),
    extension('L', 'orphan'),
    extension('g', ''),
  ]);
  assert.deepEqual(
    splitTar(tar).entries.map(({ entry }) => entry.path),
    ['/right', '/second'],
  );
});

test('NULs after the PAX records, a plus sign and an empty key are accepted', () => {
  const records = `${paxRecord('uid', '+5')}${paxRecord('', 'x')}\0\0\0`;
  assert.equal(only(Buffer.concat([extension('x', records), rawHeader()])).uid, 5);
});

test('a PAX size overrides the size of the header', () => {
  const tar = Buffer.concat([pax(['size', '70']), rawHeader(), Buffer.alloc(512, 'd'), TAR_END]);
  const { entries, chunks } = splitTar(tar);
  assert.equal(entries[0]?.content, 'external 70');
  assert.equal(chunks.length, 3);
});

test('the offset of an entry is the start of its first extension header', () => {
  const tar = Buffer.concat([file('a', 100), pax(['mtime', '1']), file('b', 1)]);
  assert.deepEqual(
    splitTar(tar).entries.map(({ entry }) => entry.offset),
    [0, 1024],
  );
});

test('device numbers are read for devices only', () => {
  const fields = { deviceMajor: '0000010\0', deviceMinor: '0000021\0' };
  const device = only(rawHeader({ typeFlag: '4', ...fields }));
  assert.deepEqual([device.rdevMajor, device.rdevMinor], [8, 17]);
  const plain = only(rawHeader({ ...fields, deviceMajor: 'garbage!' }));
  assert.deepEqual([plain.rdevMajor, plain.rdevMinor], [0, 0]);
});

for (const [what, code, tar] of [
  ['a wrong checksum', 'TAR_HEADER_CHECKSUM', () => Buffer.from(rawHeader()).fill('x', 0, 1)],
  ['a checksum without digits', 'TAR_HEADER_CHECKSUM', () => rawHeader().fill(0, 148, 156)],
  ['bytes that are no header', 'TAR_FIELD_INVALID', () => Buffer.alloc(512, 'z')],
  ['a size that is no number', 'TAR_FIELD_INVALID', () => rawHeader({ size: '12x' })],
  ['a size over 2^53', 'TAR_FIELD_INVALID', () => rawHeader({ size: `\x80${'\xff'.repeat(11)}` })],
  ['a negative size', 'TAR_FIELD_INVALID', () => rawHeader({ size: '\xff'.repeat(12) })],
  [
    'a time over 64 bits',
    'TAR_FIELD_INVALID',
    () => rawHeader({ mtime: `\x80\x01${'\0'.repeat(10)}` }),
  ],
  ['an empty name', 'TAR_PATH_EMPTY', () => rawHeader({ name: '\0\0\0\0' })],
  ['an empty long name', 'TAR_PATH_EMPTY', () => Buffer.concat([extension('L', ''), rawHeader()])],
  ['a PAX record without length', 'TAR_PAX_MALFORMED', () => extension('x', 'path=x\n')],
  ['a PAX length over the payload', 'TAR_PAX_MALFORMED', () => extension('x', '99 path=x\n')],
  ['a PAX length that cuts the record', 'TAR_PAX_MALFORMED', () => extension('x', '8 path=x\n')],
  ['a PAX length of zero', 'TAR_PAX_MALFORMED', () => extension('x', '0 path=x\n')],
  ['an endless PAX length', 'TAR_PAX_MALFORMED', () => extension('x', '1'.repeat(100))],
  ['a PAX record without =', 'TAR_PAX_MALFORMED', () => extension('x', '8 pathx\n')],
  [
    'bytes after the last PAX record',
    'TAR_PAX_MALFORMED',
    () => extension('x', `${paxRecord('uid', '5')}\0x`),
  ],
  ['digits after a space in a number', 'TAR_FIELD_INVALID', () => rawHeader({ uid: '07 55' })],
  ['a base-256 checksum', 'TAR_FIELD_INVALID', () => rawHeader().fill(0x80, 148, 149)],
  ['a PAX size that is no number', 'TAR_PAX_MALFORMED', () => pax(['size', '-1'])],
  ['a PAX size over 2^53', 'TAR_PAX_MALFORMED', () => pax(['size', '9007199254740992'])],
  ['a PAX uid that is no number', 'TAR_PAX_MALFORMED', () => pax(['uid', '1.0'])],
  ['a PAX uid over 64 bits', 'TAR_PAX_MALFORMED', () => pax(['uid', '18446744073709551616'])],
  ['a PAX time that is no number', 'TAR_PAX_MALFORMED', () => pax(['mtime', '1e9'])],
  ['a PAX time over 64 bits', 'TAR_PAX_MALFORMED', () => pax(['mtime', '18446744073709551616'])],
  [
    'a large extension',
    'TAR_EXTENSION_TOO_LARGE',
    () => rawHeader({ typeFlag: 'x', size: octal(2 ** 20 + 1) }),
  ],
  [
    'many large extensions',
    'TAR_EXTENSION_TOO_LARGE',
    () => Buffer.concat(Array.from({ length: 4 }, () => extension('L', 'l'.repeat(2 ** 20)))),
  ],
  [
    'a large global header',
    'TAR_EXTENSION_TOO_LARGE',
    () => rawHeader({ typeFlag: 'g', size: octal(2 ** 20 + 1) }),
  ],
  ['an extension before the end', 'TAR_EXTENSION_ORPHANED', () => Buffer.concat([pax(), TAR_END])],
  ['an extension at the end', 'TAR_EXTENSION_ORPHANED', () => extension('L', 'a')],
] as const) {
  test(`a tar with ${what} is refused as ${code}`, () => refuses(tar(), code));
}

test('an extension of exactly 1 MiB is accepted', () => {
  const value = 'v'.repeat(2 ** 20 - 100);
  const record = paxRecord('comment', value);
  const padded = record + paxRecord('c', 'x'.repeat(2 ** 20 - record.length - 6));
  assert.equal(padded.length, 2 ** 20);
  assert.equal(only(Buffer.concat([extension('x', padded), rawHeader()])).path, '/file');
});

test('a tar truncated inside a member is refused, and one that ends between members or in padding is complete', () => {
  const members = [file('a', 100), Buffer.concat([pax(['mtime', '-1']), file('b', 5)])];
  const tar = Buffer.concat([...members, TAR_END]);
  const whole = new Set([0, 1024, tar.length - 1024, tar.length - 512, tar.length]);
  for (let length = 0; length < tar.length; length += 1) {
    const cut = tar.subarray(0, length);
    const isPadding = (length > 612 && length < 1024) || (length > 2565 && length < 3072);
    if (whole.has(length) || isPadding || length === 612 || length === 2565) splitTar(cut);
    else if (length === 2048) refuses(cut, 'TAR_EXTENSION_ORPHANED');
    else refuses(cut, 'TAR_TRUNCATED');
  }
});

test('any changed byte gives a value or a format error', () => {
  const good = Buffer.concat([
    pax(['mtime', '1.5'], ['SCHILY.xattr.user.a', 'v']),
    file('a', 100),
    rawHeader({ typeFlag: '1', linkName: 'a' }),
    TAR_END,
  ]);
  for (let at = 0; at < good.length; at += 1) {
    for (const change of [1, 0x80, 0xff]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ change;
      for (const tar of [bad, withChecksums(bad)]) {
        try {
          splitTar(tar);
        } catch (error) {
          assert.ok(error instanceof FormatError, `byte ${at}: ${error}`);
        }
      }
    }
  }
});

/** The same bytes with valid checksums in the three headers, so that the other fields are parsed. */
function withChecksums(tar: Buffer): Buffer {
  const copy = Buffer.from(tar);
  for (const at of [0, 1024, 2048]) fixChecksum(copy.subarray(at, at + 512));
  return copy;
}

test('reading back a written header keeps every field', () => {
  const member: TarMember = {
    type: 'file',
    path: '/dir/file' as ByteString,
    mode: 0o4755,
    uid: 5,
    gid: 6,
    mtimeSec: 7n,
  };
  const tar = concatBytes([encodeTarHeader(member), TAR_END]);
  const entry = only(tar);
  for (const key of ['type', 'path', 'mode', 'uid', 'gid', 'mtimeSec'] as const) {
    assert.equal(entry[key], member[key]);
  }
});
