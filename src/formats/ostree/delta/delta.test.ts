import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ByteString, concatBytes } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { type ErrorCode, isOnecopyError, NotFoundError } from '#base/errors';
import { type RandomReader, readerOf } from '#base/flow';
import { encodeVariant } from '#formats/gvariant';
import { readTarFixture, readTarFolder } from '../../../../test/support/tar-fixture.ts';
import {
  applyDeltaPart,
  checksumBytes,
  computeFileChecksum,
  computeMetadataChecksum,
  createEd25519Verifier,
  DELTA_PART_MAX_BYTES,
  type DeltaFileSink,
  type DeltaObject,
  type DeltaPart,
  type DeltaPartBytes,
  type DeltaPartInfo,
  type DeltaTarget,
  encodeCommit,
  encodeDirtree,
  inflateContent,
  inlineCommitmetaOf,
  inlinePartOf,
  type MetadataKind,
  parseCommit,
  parseDelta,
  parseDeltaPart,
  parseDirtree,
  parseEd25519Keys,
  parseFilez,
  type SizedFileHeader,
  type Superblock,
  splitPartFile,
  verifyDeltaName,
  verifySignatures,
} from '../index.ts';
import { DELTA_PART_TYPE, SUPERBLOCK_TYPE } from '../layout.ts';
import { swap32, swap64 } from '../objects/swap.ts';
import { applyBspatch } from './bspatch.ts';

const MINI = 'ostree/mini.tar.gz';
const EXTRA = 'ostree/extra/delta.tar.gz';
const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;

/** A target in memory: counts committed and discarded objects. */
class MemoryTarget implements DeltaTarget {
  readonly files = new Map<string, { header: SizedFileHeader; content: Uint8Array }>();
  readonly metadata = new Map<string, Uint8Array>();
  openFiles = 0;

  openSource(checksum: OstreeChecksum): RandomReader {
    const file = this.files.get(checksum);
    if (file === undefined) {
      throw new NotFoundError('BLOB_NOT_FOUND', `Cannot find ${checksum}`, { digest: checksum });
    }
    return readerOf(file.content);
  }

  beginFile(checksum: OstreeChecksum, header: SizedFileHeader): DeltaFileSink {
    const pieces: Uint8Array[] = [];
    this.openFiles++;
    return {
      write: (piece) => void pieces.push(new Uint8Array(piece)),
      commit: () => {
        this.openFiles--;
        this.files.set(checksum, { header, content: concatBytes(pieces) });
      },
      discard: () => {
        this.openFiles--;
      },
    };
  }

  putMetadata(_kind: MetadataKind, checksum: OstreeChecksum, bytes: Uint8Array): void {
    this.metadata.set(checksum, new Uint8Array(bytes));
  }

  /** Adds every object of an archive repository below a folder of a golden tar. */
  addRepository(archive: string, folder: string): this {
    for (const [path, { bytes }] of readTarFolder(archive, folder)) {
      const match = /^objects\/(..)\/([0-9a-f]{62})\.(\w+)$/.exec(path);
      if (match === null) continue;
      const checksum = `${match[1]}${match[2]}`;
      if (match[3] === 'filez') {
        const { header, payload } = parseFilez(bytes);
        this.files.set(checksum, { header, content: inflateContent(header, payload) });
      } else this.metadata.set(checksum, bytes);
    }
    return this;
  }

  /** Keeps only objects that a commit reaches. */
  only(commit: OstreeChecksum): MemoryTarget {
    const target = new MemoryTarget();
    for (const { kind, checksum } of this.walk(commit)) {
      const file = this.files.get(checksum);
      const metadata = this.metadata.get(checksum);
      if (kind === 'file' && file !== undefined) target.files.set(checksum, file);
      if (kind !== 'file' && metadata !== undefined) target.metadata.set(checksum, metadata);
    }
    return target;
  }

  /** Every object that a commit reaches, with undefined content where it is missing. */
  walk(commit: OstreeChecksum): DeltaObject[] {
    const found: DeltaObject[] = [{ kind: 'commit', checksum: commit }];
    const bytes = this.metadata.get(commit);
    assert.ok(bytes, commit);
    const { rootTree, rootMeta } = parseCommit(bytes);
    const trees = [rootTree];
    found.push({ kind: 'dirmeta', checksum: rootMeta });
    for (let tree = trees.pop(); tree !== undefined; tree = trees.pop()) {
      found.push({ kind: 'dirtree', checksum: tree });
      const stored = this.metadata.get(tree);
      if (stored === undefined) continue;
      const { files, directories } = parseDirtree(stored);
      for (const { checksum } of files) found.push({ kind: 'file', checksum });
      for (const directory of directories) {
        trees.push(directory.tree);
        found.push({ kind: 'dirmeta', checksum: directory.meta });
      }
    }
    return found;
  }

  missing(commit: OstreeChecksum): DeltaObject[] {
    return this.walk(commit).filter(({ kind, checksum }) =>
      kind === 'file' ? !this.files.has(checksum) : !this.metadata.has(checksum),
    );
  }
}

/** Runs a whole delta; parts that are not inline come from `partFile`. */
function applyDelta(
  bytes: Uint8Array,
  target: MemoryTarget,
  partFile: (index: number) => Uint8Array | undefined = () => undefined,
): Superblock {
  const { superblock } = parseDelta(bytes);
  for (const info of superblock.parts) {
    const file = partFile(info.index);
    const part: DeltaPartBytes | undefined =
      inlinePartOf(superblock, info.index) ?? (file && splitPartFile(file));
    assert.ok(part, `part ${info.index}`);
    applyDeltaPart(parseDeltaPart(part, info), info, target);
  }
  target.putMetadata('commit', superblock.to, superblock.commitBytes);
  return superblock;
}

const v1 = new MemoryTarget().addRepository(MINI, 'fxmini/r-archive').only(V1);

function golden(archive: string, path: string): Uint8Array {
  const member = readTarFixture(archive).get(path);
  assert.ok(member, path);
  return member.bytes;
}

for (const name of ['', '-maxbsdiff0', '-nobsdiff', '-bigendian', '-signed']) {
  test(`v1-v2-inline${name}.delta completes the second commit`, () => {
    const target = v1.only(V1);
    const bytes = golden(MINI, `fxmini/deltafiles/v1-v2-inline${name}.delta`);
    const superblock = applyDelta(bytes, target);
    verifyDeltaName(superblock, { from: V1, to: V2 });
    assert.deepEqual(target.missing(V2), []);
    assert.ok(superblock.timestampSec > 1_795_000_000n && superblock.timestampSec < 1_796_000_000n);
  });
}

test('a delta from scratch completes the first commit, with the objects that the superblock lists', () => {
  const target = new MemoryTarget();
  const bytes = golden(MINI, 'fxmini/deltafiles/scratch-v1-inline.delta');
  const superblock = applyDelta(bytes, target);
  verifyDeltaName(superblock, { from: undefined, to: V1 });
  assert.deepEqual(target.missing(V1), []);
  assert.equal(superblock.parts.length, 1);
  assert.equal(superblock.parts[0]?.objects.length, 64);
  for (const [checksum, { header, content }] of target.files) {
    assert.equal(computeFileChecksum(header, content), checksum);
    assert.deepEqual(content, v1.files.get(checksum)?.content);
  }
});

test('the tiny delta contains the part of the worked example', () => {
  const { superblock } = parseDelta(golden(MINI, 'fxmini/deltafiles/tiny-scratch-inline.delta'));
  const [info] = superblock.parts;
  assert.ok(info);
  assert.equal(info.checksum, 'f59b49a13bd6fc88b97d19843cb56cf4895e8a856746649c1d8f5ea9ecdd0155');
  assert.deepEqual([info.sizeBytes, info.unpackedBytes, info.version], [265n, 158n, 0]);
  const bytes = inlinePartOf(superblock, 0);
  assert.ok(bytes);
  const part = parseDeltaPart(bytes, info);
  assert.deepEqual(part.modes, [
    { uid: 0, gid: 0, mode: 0o100644 },
    { uid: 0, gid: 0, mode: 0o120777 },
  ]);
  assert.deepEqual(part.xattrs, [[]]);
  assert.equal(part.payload.length, 159);
  assert.equal(
    Buffer.from(part.operations).toString('hex'),
    '538e0100530c8e01' + '53019a015300' + '00039b0153010001' + '9e01',
  );
});

test('a delta with part files gives the same result as one with inline parts', () => {
  const folder = readTarFolder(MINI, 'fxmini/deltafiles/dir');
  const target = v1.only(V1);
  const superblock = folder.get('superblock')?.bytes ?? new Uint8Array();
  const { parts } = applyDelta(superblock, target, (index) => folder.get(String(index))?.bytes);
  assert.ok(parts.length >= 1);
  assert.deepEqual(target.missing(V2), []);
});

test('the fallbacks of a superblock are exactly the objects missing after the delta is applied', () => {
  const folder = readTarFolder(MINI, 'fxmini/r-deltas-fallback');
  for (const [path, { bytes }] of folder) {
    if (!path.endsWith('/superblock')) continue;
    const { superblock } = parseDelta(bytes);
    const target = superblock.from === undefined ? new MemoryTarget() : v1.only(V1);
    applyDelta(bytes, target, (at) => folder.get(path.replace('superblock', String(at)))?.bytes);
    const missing = target.missing(superblock.to).map(({ checksum }) => checksum);
    const listed = superblock.fallbacks.map(({ checksum }) => checksum);
    assert.deepEqual([...new Set(missing)].sort(), listed.sort());
  }
  const { fallbacks } = parseDelta(superblockBytes({ fallbacks: true })).superblock;
  assert.deepEqual(fallbacks, [
    { kind: 'file', checksum: SUM, sizeBytes: 70n, unpackedBytes: 90n },
  ]);
});

test('the signature of a signed delta verifies over its superblock', async () => {
  const key = Buffer.from(golden(MINI, 'fxmini/ed25519.public')).toString('latin1');
  const verifier = createEd25519Verifier({ trusted: parseEd25519Keys(key) });
  const bytes = golden(MINI, 'fxmini/deltafiles/v1-v2-inline-signed.delta');
  const { signatures, superblockBytes } = parseDelta(bytes);
  assert.ok(signatures);
  await verifySignatures(superblockBytes, signatures, verifier, 'delta');
  const altered = superblockBytes.slice();
  altered[0] = (altered[0] ?? 0) ^ 1;
  await assert.rejects(verifySignatures(altered, signatures, verifier, 'delta'), {
    code: 'OSTREE_SIGNATURE_INVALID',
  });
  const plain = parseDelta(golden(MINI, 'fxmini/deltafiles/v1-v2-inline.delta'));
  assert.equal(plain.signatures, undefined);
  assert.equal(inlineCommitmetaOf(plain.superblock), undefined);
});

/** The hand-made deltas and their expected results, as in extra/delta-expected.tsv. */
const HAND_MADE: readonly [string, 'complete' | 'incomplete' | ErrorCode][] = [
  ['01-all-opcodes-raw', 'complete'],
  ['03-big-endian', 'complete'],
  ['05-splice-drops-source', 'complete'],
  ['07-second-part-empty', 'complete'],
  ['09-varint-padded', 'complete'],
  ['11-part-version-1', 'OSTREE_DELTA_UNSUPPORTED'],
  ['13-short-write', 'OSTREE_DELTA_INVALID'],
  ['15-write-beyond-source', 'OSTREE_DELTA_INVALID'],
  ['17-part-sum-wrong-inline', 'OSTREE_CHECKSUM_MISMATCH'],
  ['19-object-omitted', 'incomplete'],
  ['21-bspatch-negative-seek', 'complete'],
  ['23-source-set-and-unset-unused', 'complete'],
  ['25-commit-bytes-altered', 'OSTREE_CHECKSUM_MISMATCH'],
];

for (const [name, expected] of HAND_MADE) {
  test(`the hand-made delta ${name} has the outcome ${expected}`, () => {
    const target = new MemoryTarget().addRepository(EXTRA, 'delta/fromrepo');
    const bytes = golden(EXTRA, `delta/deltas/${name}.delta`);
    if (expected === 'complete' || expected === 'incomplete') {
      const { to } = applyDelta(bytes, target);
      assert.equal(target.missing(to).length, expected === 'complete' ? 0 : 1);
    } else {
      assert.throws(
        () => applyDelta(bytes, target),
        (error) => isOnecopyError(error) && error.code === expected,
      );
    }
    assert.equal(target.openFiles, 0);
  });
}

test('every delta of the fixtures is used by a test of this file', () => {
  const names = [...readTarFolder(EXTRA, 'delta/deltas').keys()].map((name) => name.slice(0, -6));
  assert.deepEqual(
    names.sort(),
    HAND_MADE.map(([name]) => name),
  );
});

test('verifyDeltaName refuses a superblock with another target or source commit', () => {
  const { superblock } = parseDelta(golden(MINI, 'fxmini/deltafiles/v1-v2-inline.delta'));
  const mismatch = { code: 'OSTREE_CHECKSUM_MISMATCH' };
  assert.throws(() => verifyDeltaName(superblock, { from: V1, to: V1 }), mismatch);
  assert.throws(() => verifyDeltaName(superblock, { from: V2, to: V2 }), mismatch);
  assert.throws(() => verifyDeltaName(superblock, { from: undefined, to: V2 }), mismatch);
});

test('a superblock that is truncated or has a flipped bit is refused, or encodes another exact delta', () => {
  const bytes = golden(MINI, 'fxmini/deltafiles/tiny-scratch-inline.delta');
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x40;
    for (const input of [damaged, bytes.slice(0, at)]) {
      try {
        applyDelta(input, new MemoryTarget());
      } catch (error) {
        const isRefused = isOnecopyError(error) || error instanceof assert.AssertionError;
        assert.ok(isRefused, `byte ${at}: ${error}`);
      }
    }
  }
});

const SUM = 'ab'.repeat(32) as OstreeChecksum;
const NONE = new Uint8Array(0);

function superblockBytes(fields: {
  readonly recursion?: Uint8Array;
  readonly objects?: Uint8Array;
  readonly version?: number;
  readonly sizes?: readonly [bigint, bigint];
  readonly fallbacks?: true;
}): Uint8Array {
  const commit = {
    metadata: [],
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec: 5n,
    rootTree: SUM,
    rootMeta: SUM,
  };
  const frame = [[], NONE, [], '', '', swap64(5n), checksumBytes(SUM), checksumBytes(SUM)] as const;
  const to = checksumBytes(computeMetadataChecksum(encodeCommit(commit)));
  const { recursion = NONE, objects = NONE, version = 0, sizes = [10n, 10n] } = fields;
  const part = [version, checksumBytes(SUM), ...sizes, objects] as const;
  const fallbacks = fields.fallbacks ? [[1, checksumBytes(SUM), 70n, 90n] as const] : [];
  return encodeVariant([[], 0n, NONE, to, frame, recursion, [part], fallbacks], SUPERBLOCK_TYPE);
}

test('a superblock with recursion, a torn object list or an unknown object kind is refused', () => {
  assert.throws(() => parseDelta(superblockBytes({ recursion: new Uint8Array(64) })), {
    code: 'OSTREE_DELTA_UNSUPPORTED',
  });
  for (const objects of [new Uint8Array(32), new Uint8Array(33), new Uint8Array(33).fill(7)]) {
    assert.throws(() => parseDelta(superblockBytes({ objects })), { code: 'OSTREE_DELTA_INVALID' });
  }
});

test('a superblock without byte order is read in the byte order that gives plausible sizes', () => {
  const plain = parseDelta(superblockBytes({ sizes: [100n, 300n] })).superblock.parts[0];
  assert.equal(plain?.unpackedBytes, 300n);
  const swapped = superblockBytes({ sizes: [swap64(0x0201n), swap64(0x0304n)] });
  const part = parseDelta(swapped).superblock.parts[0];
  assert.deepEqual([part?.sizeBytes, part?.unpackedBytes], [0x0201n, 0x0304n]);
});

const SOURCE = new Uint8Array(Buffer.from('the old content of a file'));
const HEADER: SizedFileHeader = {
  uid: 0,
  gid: 0,
  mode: 0o100644,
  target: '' as ByteString,
  xattrs: [],
  sizeBytes: SOURCE.length,
};
const SOURCE_ID = computeFileChecksum(HEADER, SOURCE);

/** Runs operations on a payload that begins with the id of SOURCE; modes: file, link, device. */
function execute(
  operations: readonly number[],
  objects: readonly DeltaObject[],
  payload = '',
): MemoryTarget {
  const target = new MemoryTarget();
  target.files.set(SOURCE_ID, { header: HEADER, content: SOURCE });
  const part: DeltaPart = {
    modes: [0o100644, 0o120777, 0o020644].map((mode) => ({ uid: 0, gid: 0, mode })),
    xattrs: [[]],
    payload: concatBytes([checksumBytes(SOURCE_ID), Buffer.from(payload, 'latin1')]),
    operations: Uint8Array.from(operations),
  };
  const info: DeltaPartInfo = {
    index: 0,
    version: 0,
    checksum: SUM,
    sizeBytes: 0n,
    unpackedBytes: 0n,
    objects,
  };
  try {
    applyDeltaPart(part, info, target);
  } finally {
    assert.equal(target.openFiles, 0);
  }
  return target;
}

function fileOf(content: string): DeltaObject {
  const checksum = computeFileChecksum(HEADER, new Uint8Array(Buffer.from(content, 'latin1')));
  return { kind: 'file', checksum };
}

const [S, O, W, R, U, C, B] = [...Buffer.from('SowrRcB')] as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

test('delta operations are accepted in any legal order', () => {
  const abc = fileOf('abc');
  const cases: readonly [string, readonly number[], readonly DeltaObject[]][] = [
    ['spliced', [S, 0, 0, 3, 32], [abc]],
    ['written in pieces', [O, 0, 0, 3, W, 1, 32, W, 0, 32, W, 2, 33, C], [abc]],
    ['an empty file', [O, 0, 0, 0, C], [fileOf('')]],
    ['an empty patch', [R, 0, O, 0, 0, 0, B, 32, 0, C], [fileOf('')]],
    ['from the source', [O, 0, 0, 3, R, 0, W, 3, 4, U, C], [fileOf('old')]],
    ['source set twice', [R, 0, R, 0, O, 0, 0, 3, W, 3, 4, C], [fileOf('old')]],
    ['close drops the source', [R, 0, O, 0, 0, 0, C, O, 0, 0, 3, W, 3, 32, C], [fileOf(''), abc]],
    ['nothing at all', [], []],
  ];
  for (const [name, operations, objects] of cases) {
    const target = execute(operations, objects, 'abc');
    for (const { checksum } of objects) assert.ok(target.files.has(checksum), name);
  }
});

test('a symlink target ends at its first NUL', () => {
  const link = { ...HEADER, mode: 0o120777, target: 'ab' as ByteString, sizeBytes: 0 };
  const checksum = computeFileChecksum(link);
  const target = execute([S, 1, 0, 4, 32], [{ kind: 'file', checksum }], 'ab\0c');
  assert.equal(target.files.get(checksum)?.header.target, 'ab');
});

test('illegal delta operations are refused, and leave no file behind', () => {
  const abc = fileOf('abc');
  const cases: readonly [string, readonly number[], readonly DeltaObject[], ErrorCode?][] = [
    ['an unknown operation', [0x58], []],
    ['an object more than listed', [S, 0, 0, 3, 32], []],
    ['an object fewer than listed', [], [abc]],
    ['a file left open', [O, 0, 0, 3, W, 3, 32], [abc]],
    ['a file opened twice', [O, 0, 0, 3, O, 0, 0, 3], [abc, abc]],
    ['a splice inside a file', [O, 0, 0, 3, S, 0, 0, 3, 32], [abc, abc]],
    ['a write outside a file', [W, 1, 32], [abc]],
    ['a close outside a file', [C], [abc]],
    ['a patch outside a file', [R, 0, B, 32, 0], [abc]],
    ['a patch without a source', [O, 0, 0, 3, B, 32, 3], [abc]],
    ['a patch after a write', [R, 0, O, 0, 0, 3, W, 1, 0, B, 32, 0], [abc]],
    ['more than the size', [O, 0, 0, 2, W, 3, 32], [abc]],
    ['less than the size', [O, 0, 0, 4, W, 3, 32, C], [abc]],
    ['other content', [S, 0, 0, 3, 33], [abc], 'OSTREE_CHECKSUM_MISMATCH'],
    ['a payload range past the end', [S, 0, 0, 5, 32], [abc]],
    ['a payload offset past the end', [S, 0, 0, 0, 37], [fileOf('')]],
    ['a source range past the end', [R, 0, O, 0, 0, 3, W, 3, 24], [abc]],
    ['a source id past the end', [R, 5], []],
    ['a mode past the table', [S, 3, 0, 3, 32], [abc]],
    ['xattrs past the table', [S, 0, 1, 3, 32], [abc]],
    ['a device', [S, 2, 0, 3, 32], [abc], 'OSTREE_MODE_INVALID'],
    ['an opened link', [O, 1, 0, 3], [abc]],
    ['opened metadata', [O, 0, 0, 3], [{ kind: 'dirtree', checksum: SUM }]],
    ['a number cut off', [S, 0, 0, 0x83], [abc]],
    ['a number of 11 bytes', [S, ...new Array(10).fill(0x80), 0], [abc]],
    ['a number above 2^53', [S, ...new Array(8).fill(0xff), 1], [abc]],
    ['a source that is not there', [R, 4, O, 0, 0, 1, W, 1, 0], [abc], 'BLOB_NOT_FOUND'],
    [
      'other metadata',
      [S, 3, 32],
      [{ kind: 'dirmeta', checksum: SUM }],
      'OSTREE_CHECKSUM_MISMATCH',
    ],
  ];
  for (const [name, operations, objects, code = 'OSTREE_DELTA_INVALID'] of cases) {
    assert.throws(
      () => execute(operations, objects, 'abcd'),
      (error) => isOnecopyError(error) && error.code === code,
      name,
    );
  }
});

test('metadata with the right checksum that breaks the rules of its type is refused', () => {
  const tree = encodeDirtree({
    files: [{ name: 'a/b' as ByteString, checksum: SUM }],
    directories: [],
  });
  const checksum = computeMetadataChecksum(tree);
  assert.throws(
    () => execute([S, tree.length, 32], [{ kind: 'dirtree', checksum }], latin1(tree)),
    { code: 'OSTREE_NAME_INVALID' },
  );
});

test('a symlink target that is not UTF-8 is refused', () => {
  assert.throws(() => execute([S, 1, 0, 1, 32], [{ kind: 'file', checksum: SUM }], '\xff'), {
    code: 'OSTREE_DELTA_INVALID',
  });
});

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function patchStep(x: number, y: number, z: number, data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(24 + data.length);
  const view = new DataView(bytes.buffer);
  [x, y, z].forEach((value, i) => {
    view.setBigUint64(i * 8, BigInt(Math.abs(value)), true);
    if (value < 0) view.setUint8(i * 8 + 7, view.getUint8(i * 8 + 7) + 0x80);
  });
  bytes.set(data, 24);
  return bytes;
}

function patched(patch: Uint8Array, sizeBytes: number): number[] {
  const pieces: number[] = [];
  applyBspatch(patch, readerOf(Uint8Array.of(10, 20, 30)), sizeBytes, (piece) => {
    pieces.push(...piece);
  });
  return pieces;
}

test('a patch adds to the source, inserts, seeks both ways, and reads zeros outside the source', () => {
  assert.deepEqual(patched(patchStep(3, 1, 0, [1, 0, 255, 9]), 4), [11, 20, 29, 9]);
  const back = concatBytes([patchStep(2, 0, -2, [0, 0]), patchStep(3, 0, 0, [0, 0, 0])]);
  assert.deepEqual(patched(back, 5), [10, 20, 10, 20, 30]);
  const before = concatBytes([patchStep(0, 0, -2, []), patchStep(6, 0, 0, [1, 1, 1, 1, 1, 1])]);
  assert.deepEqual(patched(before, 6), [1, 1, 11, 21, 31, 1]);
  assert.deepEqual(patched(concatBytes([patchStep(1, 0, 0, [0]), Uint8Array.of(9)]), 1), [10]);
  assert.deepEqual(patched(NONE, 0), []);
});

test('a patch that ends early or exceeds the size is refused', () => {
  for (const [patch, size] of [
    [NONE, 1],
    [patchStep(1, 0, 0, [0]).subarray(0, 23), 1],
    [patchStep(2, 0, 0, [0]), 2],
    [patchStep(2, 0, 0, [0, 0]), 1],
    [patchStep(0, 2, 0, [0, 0]), 1],
    [patchStep(-1, 0, 0, []), 1],
    [patchStep(0, -1, 0, []), 1],
    [patchStep(2 ** 53 + 2, 0, 0, []), 1],
    [patchStep(1, 0, 0, [0]), 2],
  ] as const) {
    assert.throws(() => patched(patch, size), { code: 'OSTREE_DELTA_INVALID' });
  }
});

test('a part with unknown compression, too many bytes or no bytes is refused', () => {
  const { superblock } = parseDelta(golden(MINI, 'fxmini/deltafiles/tiny-scratch-inline.delta'));
  const info = superblock.parts[0] as DeltaPartInfo;
  const data = encodeVariant([[[0, 0, swap32(1)]], [], NONE, NONE], DELTA_PART_TYPE);
  const checksum = computeMetadataChecksum(concatBytes([Uint8Array.of(0x67), data]));
  assert.throws(() => parseDeltaPart({ compression: 0x67, data }, { ...info, checksum }), {
    code: 'OSTREE_DELTA_UNSUPPORTED',
  });
  const large = new Uint8Array(DELTA_PART_MAX_BYTES);
  assert.throws(() => parseDeltaPart({ compression: 0, data: large }, info), {
    code: 'OSTREE_DELTA_TOO_LARGE',
  });
  assert.throws(() => splitPartFile(NONE), { code: 'OSTREE_DELTA_INVALID' });
});
