import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteStringFromText, concatBytes, encodeHex } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { type ErrorCode, FormatError, isOnecopyError } from '#base/errors';
import { encodeVariant, parseVariant, STRING, VARIANT_DICT, variantOf } from '#formats/gvariant';
import { tryOpenInflater } from '#host';
import { needs } from '../../../../test/support/capability.ts';
import { readTarFixture } from '../../../../test/support/tar-fixture.ts';
import {
  checksumBytes,
  checksumOf,
  computeContentChecksum,
  computeFileChecksum,
  computeMetadataChecksum,
  type Dirtree,
  encodeCommit,
  encodeDirmeta,
  encodeDirtree,
  encodeFileHeader,
  encodeFilez,
  encodeOstreemeta,
  encodeZlibHeader,
  FILEZ_WARNINGS,
  FileHasher,
  frameHeader,
  inflateContent,
  inflateSource,
  listFilezWarnings,
  METADATA_MAX_BYTES,
  ostreeObjectPath,
  parseCommit,
  parseDirmeta,
  parseDirtree,
  parseFilez,
  parseHeaderPrefix,
  parseOstreemeta,
  parseSummary,
  parseZlibHeader,
  refusedOnDisk,
  type SizedFileHeader,
  SUMMARY_MAX_BYTES,
  verifyMetadata,
  type WholeInflater,
  xattrsOnDisk,
} from '../index.ts';
import { DIRMETA_TYPE, DIRTREE_TYPE, FILE_HEADER_TYPE, ZLIB_HEADER_TYPE } from '../layout.ts';
import { swap32, swap64 } from './swap.ts';

/** Every archive with undamaged repositories. */
const ARCHIVES = [
  'ostree/mini.tar.gz',
  'ostree/extra/repos.tar.gz',
  'ostree/extra/delta.tar.gz',
  'ostree/r-collection.tar.gz',
  'ostree/r-flatpak.tar.gz',
  'ostree/r-tiny-archive.tar.gz',
] as const;

const OBJECT_PATH = /(?:^|\/)objects\/([0-9a-f]{2})\/([0-9a-f]{62})\.([a-z-]+)$/;

interface FixtureObject {
  readonly path: string;
  readonly checksum: OstreeChecksum;
  readonly extension: string;
  readonly bytes: Uint8Array;
}

function* fixtureObjects(): Generator<FixtureObject> {
  for (const archive of ARCHIVES) {
    for (const [path, { bytes }] of readTarFixture(archive)) {
      const match = OBJECT_PATH.exec(path);
      if (match === null) continue;
      const checksum = `${match[1]}${match[2]}` as OstreeChecksum;
      yield { path: `${archive}:${path}`, checksum, extension: match[3] ?? '', bytes };
    }
  }
}

function tinyObject(name: string): Uint8Array {
  for (const [path, { bytes }] of readTarFixture('ostree/r-tiny-archive.tar.gz')) {
    if (path.replaceAll('/', '').includes(`objects${name.slice(0, 2)}${name.slice(2)}`))
      return bytes;
  }
  throw new Error(`no tiny object ${name}`);
}

function refuses(run: () => unknown, code: ErrorCode): void {
  assert.throws(run, (error) => isOnecopyError(error) && error.code === code);
}

/** Flips every byte in three ways and cuts at every length. Expects a value that encodes to the same bytes, or an error of ours. */
function survivesDamage(bytes: Uint8Array, roundTrip: (damaged: Uint8Array) => Uint8Array): void {
  const inputs: Uint8Array[] = [];
  for (let length = 0; length < bytes.length; length++) inputs.push(bytes.slice(0, length));
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      inputs.push(damaged);
    }
  }
  for (const damaged of inputs) {
    try {
      assert.deepEqual(roundTrip(damaged), damaged);
    } catch (error) {
      assert.ok(isOnecopyError(error), String(error));
    }
  }
}

test('every commit, dirtree and dirmeta of the fixtures parses, encodes back and has its checksum', () => {
  const counts = new Map<string, number>();
  for (const { path, checksum, extension, bytes } of fixtureObjects()) {
    counts.set(extension, (counts.get(extension) ?? 0) + 1);
    if (extension === 'commit') {
      verifyMetadata(bytes, checksum, 'commit');
      assert.deepEqual(encodeCommit(parseCommit(bytes)), new Uint8Array(bytes), path);
    }
    if (extension === 'dirtree') {
      verifyMetadata(bytes, checksum, 'dirtree');
      const tree = parseDirtree(bytes);
      assert.ok(tree.isSorted);
      assert.deepEqual(encodeDirtree(tree), new Uint8Array(bytes), path);
      assert.equal(parseVariant(bytes, DIRTREE_TYPE)[0].length, tree.files.length);
    }
    if (extension === 'dirmeta') {
      verifyMetadata(bytes, checksum, 'dirmeta');
      assert.deepEqual(encodeDirmeta(parseDirmeta(bytes)), new Uint8Array(bytes), path);
    }
  }
  assert.ok((counts.get('commit') ?? 0) > 60, `${counts.get('commit')} commits`);
  assert.ok((counts.get('dirtree') ?? 0) > 200, `${counts.get('dirtree')} dirtrees`);
});

test('every archived file of the fixtures inflates to its checksum, and its header encodes back', () => {
  let count = 0;
  for (const { path, checksum, extension, bytes } of fixtureObjects()) {
    if (extension !== 'filez') continue;
    count++;
    const { header, rawHeader, payload } = parseFilez(bytes);
    assert.deepEqual(frameHeader(encodeZlibHeader(header)), new Uint8Array(rawHeader), path);
    const content = inflateContent(header, payload);
    assert.equal(computeFileChecksum(header, content), checksum, path);
    const again = parseFilez(encodeFilez(header, content));
    assert.equal(
      computeFileChecksum(again.header, inflateContent(again.header, again.payload)),
      checksum,
    );
  }
  assert.ok(count > 390, `${count} files`);
});

test('a bare-user file has its header in user.ostreemeta', () => {
  let count = 0;
  for (const [path, { bytes, xattrs }] of readTarFixture('ostree/mini.tar.gz')) {
    const match = OBJECT_PATH.exec(path);
    const stored = xattrs.get('user.ostreemeta');
    if (match?.[3] !== 'file' || !path.includes('/r-bare-user/') || stored === undefined) continue;
    count++;
    const raw = new Uint8Array(Buffer.from(stored, 'latin1'));
    const meta = parseOstreemeta(raw);
    assert.deepEqual(encodeOstreemeta(meta), raw);
    const isLink = meta.mode === 0o120777;
    const target = isLink ? Buffer.from(bytes).toString('latin1').slice(0, -1) : '';
    const found = computeFileChecksum({ ...meta, target: target as ByteString }, bytes);
    assert.equal(found, `${match[1]}${match[2]}`, path);
  }
  assert.ok(count > 40, `${count} files`);
});

test('a parsed commit has the fields of the worked example', () => {
  const commit = parseCommit(tinyObject('c51efa'));
  assert.equal(commit.subject, 's');
  assert.equal(commit.body, '');
  assert.equal(commit.parent, undefined);
  assert.equal(commit.timestampSec, 1704164645n);
  assert.equal(commit.rootTree, '1ea02f58d8de1931cf002aa0a5dadf791ff99fa7fc6f03515153be032b8d3f9d');
  assert.equal(commit.rootMeta, '446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488');
  assert.equal(commit.metadata[0]?.[0], 'ostree.ref-binding');
});

test('computeContentChecksum gives the checksum that ostree show prints', () => {
  for (const { checksum, bytes } of fixtureObjects()) {
    if (!checksum.startsWith('79d9d05b') || bytes.length < 300) continue;
    assert.equal(
      computeContentChecksum(parseCommit(bytes)),
      '0aef844b93f1f9b2ed4e41006f76668169880a56fa7362c5a3f7c47bcb864916',
    );
    return;
  }
  assert.fail('the v1 commit is in the fixtures');
});

test('damaged metadata or a damaged file header is refused, or encodes another exact value', () => {
  survivesDamage(tinyObject('c51efa'), (bytes) => encodeCommit(parseCommit(bytes)));
  survivesDamage(tinyObject('1ea02f'), (bytes) => encodeDirtree(parseDirtree(bytes)));
  survivesDamage(tinyObject('446a0e'), (bytes) => encodeDirmeta(parseDirmeta(bytes)));
  survivesDamage(tinyObject('fbf7cf').slice(8, 8 + 0x1a), (bytes) =>
    encodeZlibHeader(parseZlibHeader(bytes)),
  );
});

test('parseDirtree accepts exactly the bytes that the general GVariant parser accepts', () => {
  const bytes = tinyObject('1ea02f');
  for (let at = 0; at < bytes.length; at++) {
    for (let flip = 1; flip < 256; flip += 7) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      const general = codeOf(() => parseVariant(damaged, DIRTREE_TYPE));
      const direct = codeOf(() => parseDirtree(damaged));
      if (general === 'GVARIANT_NOT_NORMAL') assert.equal(direct === undefined, false);
      else assert.notEqual(direct, 'GVARIANT_NOT_NORMAL', `byte ${at} ^ ${flip}`);
    }
  }
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return isOnecopyError(error) ? error.code : String(error);
  }
}

const SUM = 'ab'.repeat(32) as OstreeChecksum;

function tree(files: readonly string[], directories: readonly string[] = []): Dirtree {
  return {
    files: files.map((name) => ({ name: name as ByteString, checksum: SUM })),
    directories: directories.map((name) => ({ name: name as ByteString, tree: SUM, meta: SUM })),
    isSorted: true,
  };
}

test('parseDirtree refuses names that are invalid for a directory entry', () => {
  for (const name of ['', '.', '..', 'a/b', '/', 'n'.repeat(256)]) {
    refuses(() => parseDirtree(encodeDirtree(tree([name]))), 'OSTREE_NAME_INVALID');
    refuses(() => parseDirtree(encodeDirtree(tree([], [name]))), 'OSTREE_NAME_INVALID');
  }
  assert.equal(parseDirtree(encodeDirtree(tree(['n'.repeat(255), '...']))).files.length, 2);
});

test('parseDirtree refuses duplicate names, sorted or not', () => {
  for (const [files, directories] of [
    [['a', 'a'], []],
    [[], ['a', 'a']],
    [
      ['a', 'b'],
      ['b', 'c'],
    ],
    [['b', 'a', 'b'], []],
    [
      ['z', 'a'],
      ['y', 'a'],
    ],
  ] as const) {
    refuses(() => parseDirtree(encodeDirtree(tree(files, directories))), 'OSTREE_NAME_DUPLICATE');
  }
});

test('parseDirtree accepts unsorted entries and reports them', () => {
  assert.equal(parseDirtree(encodeDirtree(tree(['b', 'a']))).isSorted, false);
  assert.equal(parseDirtree(encodeDirtree(tree(['a'], ['c', 'b']))).isSorted, false);
  assert.equal(parseDirtree(encodeDirtree(tree(['a', 'b'], ['0']))).isSorted, true);
});

test('parseDirtree refuses a checksum of 31 bytes and a name that is not UTF-8', () => {
  const short = encodeVariant([[['a', new Uint8Array(31)]], []], DIRTREE_TYPE);
  refuses(() => parseDirtree(short), 'OSTREE_CHECKSUM_LENGTH');
  const long = encodeVariant([[], [['a', new Uint8Array(32), new Uint8Array(33)]]], DIRTREE_TYPE);
  refuses(() => parseDirtree(long), 'OSTREE_CHECKSUM_LENGTH');
  const bytes = encodeDirtree(tree(['a']));
  bytes[0] = 0xff;
  refuses(() => parseDirtree(bytes), 'GVARIANT_NOT_NORMAL');
});

test('parseDirtree reads all of a directory of 70,000 entries', () => {
  const names = Array.from({ length: 70_000 }, (_, at) => `file-${String(at).padStart(6, '0')}`);
  const bytes = encodeDirtree(tree(names));
  assert.deepEqual(encodeDirtree(parseDirtree(bytes)), bytes);
});

test('parseCommit refuses a checksum that is not 32 bytes long', () => {
  const commit = parseCommit(tinyObject('c51efa'));
  const bytes = encodeCommit({ ...commit, rootTree: 'ab' as OstreeChecksum });
  refuses(() => parseCommit(bytes), 'OSTREE_CHECKSUM_LENGTH');
  const parent = encodeCommit({ ...commit, parent: 'ab'.repeat(31) as OstreeChecksum });
  refuses(() => parseCommit(parent), 'OSTREE_CHECKSUM_LENGTH');
  refuses(() => checksumOf(new Uint8Array(33), 'x'), 'OSTREE_CHECKSUM_LENGTH');
});

test('parsing a commit keeps duplicate keys, their order, a parent and a time before 1970', () => {
  const commit = {
    metadata: [
      ['k', variantOf(STRING, '1')],
      ['a', variantOf(STRING, '2')],
      ['k', variantOf(STRING, '3')],
    ],
    parent: SUM,
    related: [],
    subject: 'ü',
    body: 'b\n',
    timestampSec: 2n ** 64n - 86400n,
    rootTree: SUM,
    rootMeta: SUM,
  } as const;
  assert.deepEqual(parseCommit(encodeCommit(commit)), commit);
});

const XATTRS_UNSORTED = [
  [new Uint8Array(Buffer.from('user.zz\0')), Uint8Array.of(1)],
  [new Uint8Array(Buffer.from('user.aa\0')), Uint8Array.of(2)],
] as const;

function dirmetaBytes(mode: number, xattrs: readonly (readonly [Uint8Array, Uint8Array])[] = []) {
  return encodeVariant([0, 0, swap32(mode), xattrs], DIRMETA_TYPE);
}

test('parseDirmeta refuses modes of other file types or with unknown bits', () => {
  for (const mode of [0o100755, 0o755, 0o120777, 0o20040755]) {
    refuses(() => parseDirmeta(dirmetaBytes(mode)), 'OSTREE_MODE_INVALID');
  }
  assert.equal(parseDirmeta(dirmetaBytes(0o47777)).mode, 0o47777);
});

test('parseDirmeta refuses xattrs that are unsorted, duplicate, without name or without NUL', () => {
  const [zz, aa] = XATTRS_UNSORTED;
  const value = Uint8Array.of(1);
  const named = (name: string) => [new Uint8Array(Buffer.from(name, 'latin1')), value] as const;
  for (const xattrs of [
    [zz, aa],
    [zz, zz],
    [named('\0')],
    [named('')],
    [named('user.x')],
    [named('user\0x\0')],
  ]) {
    refuses(() => parseDirmeta(dirmetaBytes(0o40755, xattrs)), 'OSTREE_XATTR_INVALID');
  }
  assert.equal(parseDirmeta(dirmetaBytes(0o40755, [aa, zz])).xattrs[0]?.name, 'user.aa');
});

test('parseDirmeta with acceptUnterminated keeps an xattr name without NUL', () => {
  const bytes = dirmetaBytes(0o40755, [[new Uint8Array(Buffer.from('user.x')), Uint8Array.of(1)]]);
  const meta = parseDirmeta(bytes, { acceptUnterminated: true });
  assert.deepEqual(meta.xattrs[0]?.name, 'user.x');
  assert.deepEqual(encodeDirmeta(meta), bytes);
});

function zlibHeaderBytes(
  fields: Partial<{ size: bigint; mode: number; rdev: number; target: string }>,
  xattrs: readonly (readonly [Uint8Array, Uint8Array])[] = [],
): Uint8Array {
  const { size = 3n, mode = 0o100644, rdev = 0, target = '' } = fields;
  return encodeVariant(
    [swap64(size), 0, 0, swap32(mode), swap32(rdev), target, xattrs],
    ZLIB_HEADER_TYPE,
  );
}

test('parseZlibHeader refuses devices, other file types, rdev and sizes above the limit', () => {
  for (const mode of [0o20644, 0o60644, 0o10644, 0o644, 0o40755, 0o140644, 0o1100644]) {
    refuses(() => parseZlibHeader(zlibHeaderBytes({ mode })), 'OSTREE_MODE_INVALID');
  }
  refuses(() => parseZlibHeader(zlibHeaderBytes({ rdev: 5 })), 'OSTREE_HEADER_INVALID');
  refuses(() => parseZlibHeader(zlibHeaderBytes({ size: 2n ** 63n })), 'OSTREE_HEADER_INVALID');
  refuses(
    () => parseZlibHeader(zlibHeaderBytes({ size: 2n ** 40n + 1n })),
    'OSTREE_HEADER_INVALID',
  );
  assert.equal(parseZlibHeader(zlibHeaderBytes({ size: 2n ** 40n })).sizeBytes, 2 ** 40);
});

test('file xattrs are accepted in any order, and are hashed in sorted or in stored order', () => {
  const stored = parseZlibHeader(zlibHeaderBytes({}, XATTRS_UNSORTED));
  assert.equal(stored.xattrs[0]?.name, 'user.zz');
  assert.deepEqual(encodeZlibHeader(stored), zlibHeaderBytes({}, XATTRS_UNSORTED));
  const sorted = { ...stored, xattrs: [...stored.xattrs].reverse() };
  assert.equal(computeFileChecksum(stored), computeFileChecksum(sorted));
  assert.notEqual(new FileHasher(stored, true).finish(), computeFileChecksum(stored));
  refuses(
    () => parseZlibHeader(zlibHeaderBytes({}, [XATTRS_UNSORTED[0], XATTRS_UNSORTED[0]])),
    'OSTREE_XATTR_INVALID',
  );
});

test('the hashed bytes of the tiny file equal those of the worked example', () => {
  const { header } = parseFilez(tinyObject('fbf7cf'));
  const hashed = concatBytes([frameHeader(encodeFileHeader(header)), Buffer.from('hi\n')]);
  assert.equal(
    encodeHex(hashed),
    '000000120000000000000000000000000000' + '81a4000000000011' + '68690a',
  );
  assert.equal(computeMetadataChecksum(hashed), computeFileChecksum(header, Buffer.from('hi\n')));
});

test('for a header without xattrs, the fast encoder gives the bytes of the general one for targets of any length', () => {
  for (const length of [1, 3, 237, 238, 239, 240, 4095]) {
    const target = 'ü'.repeat(length);
    const header = { uid: 5, gid: 2 ** 32 - 1, mode: 0o120777, target, xattrs: [], sizeBytes: 0 };
    const bytes = byteStringFromText(target);
    const general = encodeVariant(
      [swap32(5), 2 ** 32 - 1, swap32(0o120777), 0, target, []],
      FILE_HEADER_TYPE,
    );
    assert.deepEqual(encodeFileHeader({ ...header, target: bytes }), general);
  }
});

test('the checksum covers neither the target of a regular file nor the content of a symlink', () => {
  const base = parseZlibHeader(zlibHeaderBytes({}));
  const targeted = parseZlibHeader(zlibHeaderBytes({ target: 'x' }));
  assert.equal(computeFileChecksum(targeted), computeFileChecksum(base));
  const link = parseZlibHeader(zlibHeaderBytes({ mode: 0o120777, target: 'x', size: 0n }));
  assert.equal(computeFileChecksum(link, Uint8Array.of(1)), computeFileChecksum(link));
  assert.notEqual(
    computeFileChecksum(link),
    computeFileChecksum({ ...link, target: 'y' as ByteString }),
  );
});

test('parseFilez refuses a header longer than the object, and a symlink with payload', () => {
  const bytes = tinyObject('fbf7cf');
  for (let length = 0; length < 8 + 0x1a; length++) {
    refuses(() => parseFilez(bytes.slice(0, length)), 'OSTREE_HEADER_INVALID');
  }
  const long = bytes.slice();
  new DataView(long.buffer).setUint32(0, long.length - 7);
  refuses(() => parseFilez(long), 'OSTREE_HEADER_INVALID');
  refuses(
    () => parseHeaderPrefix(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), 2 ** 33),
    'OSTREE_HEADER_INVALID',
  );
  const link = concatBytes([tinyObject('438802'), Uint8Array.of(0)]);
  refuses(() => parseFilez(link), 'OSTREE_PAYLOAD_INVALID');
});

/** The inflaters: every test of inflateContent runs with both. */
const INFLATERS = [
  { name: 'zlib', open: () => undefined, isHere: () => true },
  {
    name: "the host's inflater",
    open: tryOpenInflater,
    isHere: (t: TestContext) => needs(t, 'fast-inflate'),
  },
];

for (const { name, open, isHere } of INFLATERS) {
  test(`inflateContent refuses content longer or shorter than the size in the header, with ${name}`, (t) => {
    if (!isHere(t)) return;
    using inflater = open();
    const { header, payload } = parseFilez(tinyObject('fbf7cf'));
    for (const sizeBytes of [0, 2, 4, 1000, 5_000_000]) {
      const other = { ...header, sizeBytes };
      refuses(() => inflateContent(other, payload, inflater), 'OSTREE_PAYLOAD_INVALID');
    }
    const wrapped = concatBytes([Uint8Array.of(0x78, 0x9c), payload]);
    refuses(() => inflateContent(header, wrapped, inflater), 'OSTREE_PAYLOAD_INVALID');
  });

  test(`inflateContent ignores bytes after the stream and a missing end of stream, with ${name}`, (t) => {
    if (!isHere(t)) return;
    using inflater = open();
    const { header, payload } = parseFilez(tinyObject('fbf7cf'));
    const expected = new Uint8Array(Buffer.from('hi\n'));
    const trailing = concatBytes([payload, Uint8Array.of(1, 2, 3)]);
    assert.deepEqual(new Uint8Array(inflateContent(header, trailing, inflater)), expected);
    const cut = payload.subarray(0, payload.length - 1);
    assert.deepEqual(new Uint8Array(inflateContent(header, cut, inflater)), expected);
    const empty = { ...header, sizeBytes: 0 };
    assert.equal(inflateContent(empty, new Uint8Array(0), inflater).length, 0);
    assert.equal(inflateContent(empty, Uint8Array.of(3, 0), inflater).length, 0);
  });
}

test('inflateContent gives the same result with both inflaters for whole, truncated and damaged payloads', (t) => {
  if (!needs(t, 'fast-inflate')) return;
  using inflater = tryOpenInflater();
  assert(inflater !== undefined);
  const { header: usual } = parseFilez(tinyObject('fbf7cf'));
  const outcome = (header: SizedFileHeader, payload: Uint8Array, other?: WholeInflater) => {
    try {
      return Buffer.from(inflateContent(header, payload, other)).toString('hex');
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const cause = error.cause instanceof Error ? error.cause.message : '';
      return `${error.code} ${error.message} ${cause}`;
    }
  };
  const contents = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.nat({ max: 100_000 }).map((length) => new Uint8Array(length).map((_, at) => at % 199)),
  );
  const damage = fc.constantFrom('none', 'cut', 'tail', 'bit', 'size');
  fc.assert(
    fc.property(contents, fc.nat({ max: 9 }), damage, fc.nat(), (content, level, kind, where) => {
      const header = { ...usual, sizeBytes: content.length };
      const payload = Buffer.from(parseFilez(encodeFilez(header, content, level)).payload);
      const at = where % payload.length;
      if (kind === 'bit') payload[at] = (payload[at] ?? 0) ^ (2 ** (where % 8));
      const given =
        kind === 'cut'
          ? payload.subarray(0, at)
          : kind === 'tail'
            ? Buffer.concat([payload, payload])
            : payload;
      if (kind === 'size') header.sizeBytes = Math.max(0, content.length + (where % 2) * 2 - 1);
      const expected = outcome(header, given);
      // zlib rejects incomplete codes even where the unused bit patterns do not occur; the checksum decides about those.
      if (/invalid (distances|literal\/lengths|code lengths) set/.test(expected)) return;
      assert.equal(outcome(header, given, inflater), expected);
      if (kind === 'none') assert.equal(expected, Buffer.from(content).toString('hex'));
    }),
    { numRuns: 400 },
  );
});

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of source) all.push(piece);
  return concatBytes(all);
}

const BIG: SizedFileHeader = {
  uid: 0,
  gid: 0,
  mode: 0o100644,
  target: '' as ByteString,
  xattrs: [],
  sizeBytes: 3_000_000,
};

test('inflateSource gives the content however it is split, and refuses more or less than the size', async () => {
  const content = new Uint8Array(BIG.sizeBytes).map((_, at) => at % 251);
  const { payload } = parseFilez(encodeFilez(BIG, content));
  for (const length of [997, 65536, payload.length]) {
    assert.deepEqual(await collect(inflateSource(pieces(payload, length), BIG.sizeBytes)), content);
  }
  for (const sizeBytes of [0, BIG.sizeBytes - 1, BIG.sizeBytes + 1]) {
    await assert.rejects(collect(inflateSource(pieces(payload, 5000), sizeBytes)), {
      code: 'OSTREE_PAYLOAD_INVALID',
    });
  }
  await assert.rejects(collect(inflateSource(pieces(Uint8Array.of(0xff, 0xff), 1), 5)), {
    code: 'OSTREE_PAYLOAD_INVALID',
  });
});

test('inflateSource leaves no listeners behind after waiting for the inflater to drain', async () => {
  const noise = randomBytes(BIG.sizeBytes);
  const { payload } = parseFilez(encodeFilez(BIG, noise, 1));
  const warnings: string[] = [];
  const note = (warning: Error) => void warnings.push(warning.message);
  process.on('warning', note);
  try {
    await collect(inflateSource(pieces(payload, 100_000), BIG.sizeBytes));
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off('warning', note);
  }
  assert.deepEqual(warnings, []);
});

test('inflateSource passes on an error of its source, and stops reading when its consumer stops', async () => {
  const { payload } = parseFilez(encodeFilez(BIG, new Uint8Array(BIG.sizeBytes)));
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield payload.subarray(0, 100);
    throw new RangeError('the wire broke');
  }
  await assert.rejects(collect(inflateSource(failing(), BIG.sizeBytes)), RangeError);
  let isReleased = false;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield new Uint8Array(65536);
    } finally {
      isReleased = true;
    }
  }
  await assert.rejects(collect(inflateSource(watched(), 10)), { code: 'OSTREE_PAYLOAD_INVALID' });
  assert.ok(isReleased);
});

test('object paths split after two hexadecimal digits', () => {
  assert.equal(ostreeObjectPath(SUM, 'file', true), `objects/ab/${'ab'.repeat(31)}.filez`);
  assert.equal(ostreeObjectPath(SUM, 'file'), `objects/ab/${'ab'.repeat(31)}.file`);
  assert.equal(
    ostreeObjectPath(SUM, 'tombstone'),
    `objects/ab/${'ab'.repeat(31)}.tombstone-commit`,
  );
});

test('the error of verifyMetadata names both checksums', () => {
  assert.throws(() => verifyMetadata(Uint8Array.of(1), SUM, 'dirtree'), {
    code: 'OSTREE_CHECKSUM_MISMATCH',
    details: {
      expected: SUM,
      found: '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
      what: 'dirtree',
    },
  });
});

test('swap functions reverse the bytes of numbers', () => {
  assert.equal(swap32(0x000041ed), 0xed410000);
  assert.equal(swap32(0xffffffff), 0xffffffff);
  assert.equal(swap64(0x0000000065937d25n), 0x257d936500000000n);
  assert.equal(encodeHex(checksumBytes(SUM)), SUM);
  assert.equal(FILE_HEADER_TYPE.signature, '(uuuusa(ayay))');
  assert.equal(encodeVariant([], VARIANT_DICT).length, 0);
});

test('metadata above its limit is refused before it is read', () => {
  const bytes = new Uint8Array(METADATA_MAX_BYTES + 1);
  for (const parse of [parseCommit, parseDirtree, parseDirmeta]) {
    refuses(() => parse(bytes), 'OSTREE_METADATA_TOO_LARGE');
  }
  refuses(() => parseSummary(new Uint8Array(SUMMARY_MAX_BYTES + 1)), 'OSTREE_METADATA_TOO_LARGE');
});

test('deviations of an accepted file object are listed as warnings', () => {
  const good = tinyObject('fbf7cf');
  const padded = good.slice();
  padded[5] = 1;
  const unsorted = frameHeader(zlibHeaderBytes({ size: 0n }, XATTRS_UNSORTED));
  for (const [bytes, warnings] of [
    [good, []],
    [tinyObject('438802'), []],
    [padded, ['PREFIX_PADDING']],
    [concatBytes([good, Uint8Array.of(1)]), ['TRAILING_BYTES']],
    [good.subarray(0, good.length - 1), ['STREAM_UNFINISHED']],
    [unsorted, ['STREAM_UNFINISHED', 'XATTRS_UNSORTED']],
  ] as const) {
    assert.deepEqual(listFilezWarnings(bytes), warnings);
  }
  assert.deepEqual(Object.keys(FILEZ_WARNINGS).length, 4);
});

test('xattrsOnDisk sorts xattrs, omits empty values, and removes a zero root id from capabilities', () => {
  const name = (text: string) => text as ByteString;
  const capability = (version: number, rootId: number) =>
    Uint8Array.of(1, 0, 0, version, 2, ...new Array(15).fill(0), rootId, 0, 0, 0);
  const xattrs = [
    { name: name('user.b'), value: Uint8Array.of(1) },
    { name: name('user.a'), value: new Uint8Array(0) },
    { name: name('security.capability'), value: capability(3, 0) },
  ];
  assert.deepEqual(xattrsOnDisk(xattrs), [
    { name: 'security.capability', value: capability(2, 0).slice(0, 20) },
    { name: 'user.b', value: Uint8Array.of(1) },
  ]);
  assert.equal(xattrs[2]?.value[3], 3, 'what was given stays');
  for (const value of [capability(3, 7), capability(2, 0), capability(3, 0).slice(0, 20)]) {
    const kept = [{ name: name('security.capability'), value }];
    assert.equal(xattrsOnDisk(kept)[0]?.value, value);
    assert.equal(xattrsOnDisk([{ name: name('user.x'), value }])[0]?.value, value);
  }
});

test('refusedOnDisk recognises capabilities that the kernel refuses', () => {
  const capability = (flags: number, revision: number, sizeBytes: number, rest = 0) =>
    Uint8Array.of(flags, 0, 0, revision, ...new Array(sizeBytes - 4).fill(rest));
  const refuses = (value: Uint8Array, name = 'security.capability') =>
    refusedOnDisk([{ name: name as ByteString, value }]) !== undefined;
  for (const value of [capability(0, 2, 20), capability(1, 2, 20, 255), capability(1, 3, 24, 1)]) {
    assert.equal(refuses(value), false);
  }
  for (const value of [
    capability(1, 1, 12),
    capability(2, 2, 20),
    capability(1, 2, 24),
    capability(1, 3, 20),
    capability(1, 3, 24, 255),
    capability(1, 4, 24),
    Uint8Array.of(1),
  ]) {
    assert.equal(refuses(value), true, Buffer.from(value).toString('hex'));
    assert.equal(refuses(value, 'user.capability'), false);
  }
});
