import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { encodeVariant, UINT64, type VariantDict, variantOf } from '#formats/gvariant';
import { readTarFixture, readTarFolder } from '../../../test/support/tar-fixture.ts';
import {
  collectionMapOf,
  computeMetadataChecksum,
  decodeStreamRef,
  deltaFolder,
  deltaIndexPath,
  deltaPartPath,
  deltaSumsOf,
  encodeMetadataDict,
  encodeRefFile,
  encodeStreamRef,
  encodeSummary,
  encodeSummaryIndex,
  encodeTombstone,
  findSummaryRef,
  formatDeltaName,
  isRefName,
  objectSizesOf,
  parseCommit,
  parseDeltaName,
  parseFilez,
  parseMetadataDict,
  parseRefFile,
  parseSummary,
  parseSummaryIndex,
  parseTombstone,
  refTimestampOf,
  requireRefName,
  subsummaryPath,
  summaryFactsOf,
  superblockPath,
  verifyNotExpired,
} from './index.ts';
import { SUMMARY_TYPE } from './layout.ts';
import { swap64 } from './objects/swap.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;

function file(archive: string, path: string): Uint8Array {
  const member = readTarFixture(archive).get(path);
  assert.ok(member, path);
  return member.bytes;
}

const summaries = [
  ...[...readTarFixture('ostree/mini.tar.gz')],
  ...[...readTarFixture('ostree/r-collection.tar.gz')],
  ...[...readTarFixture('ostree/r-flatpak.tar.gz')],
  ...[...readTarFixture('ostree/extra/repos.tar.gz')],
].filter(([path]) => path.endsWith('/summary'));

test('every summary of the fixtures parses and encodes back to its bytes', () => {
  assert.ok(summaries.length >= 6, `${summaries.length} summaries`);
  for (const [path, { bytes }] of summaries) {
    assert.deepEqual(encodeSummary(parseSummary(bytes)), bytes, path);
  }
});

test('a parsed summary gives its refs, their commit sizes and its metadata', () => {
  const summary = parseSummary(file('ostree/mini.tar.gz', 'fxmini/r-deltas/summary'));
  const ref = findSummaryRef(summary, 'test/main');
  assert.equal(ref?.checksum, V2);
  assert.equal(ref?.commitBytes, 198n);
  assert.equal(refTimestampOf(ref as NonNullable<typeof ref>), 1706933106n);
  assert.equal(findSummaryRef(summary, 'test'), undefined);
  const facts = summaryFactsOf(summary.metadata);
  assert.equal(facts.mode, 'archive-z2');
  assert.equal(facts.hasIndexedDeltas, true);
  assert.equal(facts.hasTombstones, false);
  assert.equal(facts.expiresSec, undefined);
  assert.ok((facts.lastModifiedSec ?? 0n) > 1_700_000_000n);
});

test('a summary and a delta index list the checksums of superblocks', () => {
  const folder = readTarFolder('ostree/mini.tar.gz', 'fxmini/r-deltas');
  const sums = deltaSumsOf(parseSummary(folder.get('summary')?.bytes ?? new Uint8Array()).metadata);
  const index = folder.get(deltaIndexPath(V2))?.bytes;
  assert.ok(index);
  assert.deepEqual(deltaSumsOf(parseMetadataDict(index, 'delta index')), sums);
  assert.deepEqual(encodeMetadataDict(parseMetadataDict(index, 'delta index')), index);
  assert.deepEqual([...sums.keys()].sort(), [`${V1}-${V2}`, V2].sort());
  for (const [name, sum] of sums) {
    const superblock = folder.get(superblockPath(parseDeltaName(name)))?.bytes;
    assert.ok(superblock, name);
    assert.equal(computeMetadataChecksum(superblock), sum);
  }
});

test('a summary of a collection lists the refs of mirrored collections', () => {
  const { metadata } = parseSummary(file('ostree/r-collection.tar.gz', 'r-collection/summary'));
  assert.equal(summaryFactsOf(metadata).collectionId, 'org.example.Fixture');
  const mirrored = collectionMapOf(metadata).get('com.example.Other');
  assert.deepEqual(
    mirrored?.map(({ name }) => name),
    ['os/main'],
  );
});

test('a summary index parses, encodes back and names its subsummaries', () => {
  const folder = readTarFolder('ostree/r-flatpak.tar.gz', 'r-flatpak');
  const bytes = folder.get('summary.idx')?.bytes ?? new Uint8Array();
  const index = parseSummaryIndex(bytes);
  assert.deepEqual(encodeSummaryIndex(index), bytes);
  assert.deepEqual(
    index.subsets.map(({ name }) => name),
    ['aarch64', 'x86_64'],
  );
  for (const { current } of index.subsets) {
    const packed = folder.get(subsummaryPath(current))?.bytes;
    assert.ok(packed);
    const subsummary = new Uint8Array(gunzipSync(packed));
    assert.equal(computeMetadataChecksum(subsummary), current);
    assert.deepEqual(encodeSummary(parseSummary(subsummary)), subsummary);
  }
});

test('a summary truncated at any byte, or with a checksum of 31 bytes, is refused', () => {
  const bytes = file('ostree/mini.tar.gz', 'fxmini/r-deltas/summary');
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(
      () => parseSummary(bytes.slice(0, length)),
      (error) => isOnecopyError(error) && error.kind === 'format',
      `${length} bytes`,
    );
  }
  const short = encodeVariant([[['r', [1n, new Uint8Array(31), []]]], []], SUMMARY_TYPE);
  assert.throws(() => parseSummary(short), { code: 'OSTREE_CHECKSUM_LENGTH' });
});

test('an expired summary is refused', () => {
  const metadata: VariantDict = [['ostree.summary.expires', variantOf(UINT64, swap64(1000n))]];
  verifyNotExpired({ metadata }, 1000n);
  verifyNotExpired({ metadata: [] }, 5000n);
  assert.throws(() => verifyNotExpired({ metadata }, 1001n), {
    code: 'OSTREE_SUMMARY_EXPIRED',
    message: /expired on 1970-01-01T00:16:40\.000Z/,
    details: { expected: '1000', found: '1001' },
  });
});

test('delta paths encode checksums in base64 with an underscore for a slash', () => {
  const from = '9572f2dc88a08ae5516e98cf5f018d3b73a1b0812c8b9bb22ecbb4a3a48978e4' as OstreeChecksum;
  const to = 'e62c1cdccfd6c4b475fa1d6154778eb2be4a5d0917c59b18a81f5e660d662fc0' as OstreeChecksum;
  assert.equal(
    deltaFolder({ from, to }),
    'deltas/lX/Ly3IigiuVRbpjPXwGNO3OhsIEsi5uyLsu0o6SJeOQ-5iwc3M_WxLR1+h1hVHeOsr5KXQkXxZsYqB9eZg1mL8A/',
  );
  assert.equal(
    deltaPartPath({ from: undefined, to: V2 }, 3),
    'deltas/_L/IBuvxq0MaXBXTMWiHU73sZ+AoUfg7+Fh3M7vEj4Zs/3',
  );
  for (const name of [V1, `${V1}-${V2}`]) assert.equal(formatDeltaName(parseDeltaName(name)), name);
  for (const name of ['', V1.slice(1), `${V1}-`, `${V1}-${V2}-${V1}`, V1.toUpperCase()]) {
    assert.throws(() => parseDeltaName(name), { code: 'OSTREE_DELTA_NAME_INVALID' });
  }
});

test('a parsed tombstone gives its commit and encodes to the stored bytes', () => {
  let count = 0;
  for (const [path, { bytes }] of readTarFolder('ostree/mini.tar.gz', 'fxmini/r-tombstone')) {
    if (!path.endsWith('.tombstone-commit')) continue;
    count++;
    const commit = parseTombstone(bytes);
    assert.equal(path.replaceAll('/', ''), `objects${commit}.tombstone-commit`);
    assert.deepEqual(encodeTombstone(commit), bytes);
  }
  assert.equal(count, 1);
  assert.throws(() => parseTombstone(new Uint8Array(0)), { code: 'OSTREE_METADATA_INVALID' });
});

test('a commit with sizes gives the archived and unpacked size of every object', () => {
  const folder = readTarFolder('ostree/mini.tar.gz', 'fxmini/r-extra');
  let count = 0;
  for (const [path, { bytes }] of folder) {
    if (!path.endsWith('.commit')) continue;
    for (const size of objectSizesOf(parseCommit(bytes).metadata) ?? []) {
      count++;
      const extension = size.kind === 'file' ? 'filez' : size.kind;
      const stored = folder.get(
        `objects/${size.checksum.slice(0, 2)}/${size.checksum.slice(2)}.${extension}`,
      )?.bytes;
      assert.equal(stored?.length, size.archivedBytes, `${path} ${size.checksum}`);
      if (stored !== undefined && size.kind === 'file') {
        const { sizeBytes, target } = parseFilez(stored).header;
        assert.equal(sizeBytes + target.length, size.unpackedBytes);
      }
    }
  }
  assert.ok(count > 50, `${count} sizes`);
});

test('damaged sizes are refused', () => {
  const sum = new Uint8Array(32);
  for (const tail of [[], [1], [0x80, 0x80, 0x80], [1, 0x80], new Array(12).fill(0xff)]) {
    const bytes = new Uint8Array([...sum, ...tail]);
    const type = { signature: 'aay' } as const;
    const metadata = [['ostree.sizes', { type, value: [bytes] }]] as unknown as VariantDict;
    assert.throws(() => objectSizesOf(metadata), { code: 'OSTREE_METADATA_INVALID' });
  }
  assert.equal(objectSizesOf([]), undefined);
});

test('ref names are words joined by slashes, and never a checksum', () => {
  for (const name of ['a', 'os/x86_64/main', 'ünï', '1.2-3/_x', 'a..b', 'test/v1']) {
    assert.ok(isRefName(name), name);
  }
  for (const name of ['', '/', 'a/', '/a', 'a//b', '.a', '-a', 'a b', 'a+b', 'a/.b', '../x', V1]) {
    assert.equal(isRefName(name), false, name);
    assert.throws(() => requireRefName(name), { code: 'OSTREE_REF_INVALID' });
  }
});

test('a ref file contains a checksum and optional white space', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  assert.equal(parseRefFile(encodeRefFile(V1)), V1);
  assert.equal(parseRefFile(bytes(V1)), V1);
  for (const text of [
    '',
    'hello\n',
    V1.toUpperCase(),
    `${V1}0`,
    V1.slice(1),
    `${V1}${' '.repeat(2000)}`,
  ]) {
    assert.throws(() => parseRefFile(bytes(text)), { code: 'OSTREE_REF_INVALID' }, text);
  }
});

test('encoding a ref as one file name is reversible', () => {
  assert.equal(encodeStreamRef('os/50%/main'), 'os%2F50%25%2Fmain');
  for (const name of ['os/50%/main', 'a%2Fb', '%', '%25', 't']) {
    assert.equal(decodeStreamRef(encodeStreamRef(name)), name);
  }
  for (const name of ['', '.', '..', 'x'.repeat(256), '/'.repeat(86)]) {
    assert.throws(() => encodeStreamRef(name), { code: 'OSTREE_REF_INVALID' });
  }
});
