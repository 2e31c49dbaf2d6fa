import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readChunkedImage, readChunkedImages } from '../../../test/support/chunked-layers.ts';
import {
  contentEnd,
  type EditableMetadata,
  judge,
  metadataOf,
  type Verdict,
  withMetadata,
} from '../../../test/support/chunked-metadata.ts';
import { TOC_ENTRIES_MAX } from './layout.ts';

/**
 * The tables of test/golden/chunked/README.md and extra/README.md, column "ours". `baddigest` and `zeros-lie` are wrong only
 * in contents: their metadata is sound, and the digest of the file rejects them.
 */
const GOLDEN: Readonly<Record<string, Verdict>> = {
  'neg/neg-ok': 'usable',
  'neg/neg-baddigest': 'usable',
  'neg/neg-bomb-toc': 'refused: CHUNKED_METADATA_TOO_LARGE',
  'neg/neg-dotdot': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-dupname': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-endlt': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-filedir': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-hlout': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-hugehole': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-missing': 'refused: CHUNKED_TOC_MISMATCH',
  'neg/neg-negoff': 'refused: CHUNKED_TOC_INVALID',
  'neg/neg-sizemismatch': 'refused: CHUNKED_TOC_MISMATCH',
  'neg/neg-symtrav': 'refused: CHUNKED_TOC_INVALID',
  'extra/neg/neg-both-toc-kinds': 'refused: CHUNKED_ANNOTATION_CONFLICT',
  'extra/neg/neg-chunk-name': 'refused: CHUNKED_TOC_INVALID',
  'extra/neg/neg-chunk-sum-short': 'refused: CHUNKED_TOC_INVALID',
  'extra/neg/neg-chunk-type-unknown': 'whole: kind',
  'extra/neg/neg-claimed-length-too-small': 'whole: length',
  'extra/neg/neg-no-digest': 'refused: CHUNKED_TOC_INVALID',
  'extra/neg/neg-position-trailing-text': 'whole: annotation',
  'extra/neg/neg-tarsplit-length-2e63': 'whole: annotation',
  'extra/neg/neg-tarsplit-name-differs': 'refused: CHUNKED_TOC_MISMATCH',
  'extra/neg/neg-tarsplit-size-wrong': 'refused: CHUNKED_TOC_MISMATCH',
  'extra/neg/neg-toc-keys-uppercase': 'usable',
  'extra/neg/neg-toc-order-differs': 'usable',
  'extra/neg/neg-toc-size-float': 'whole: json',
  'extra/neg/neg-toc-time-offset': 'usable',
  'extra/neg/neg-toc-trailing-object': 'whole: json',
  'extra/neg/neg-toc-version-2': 'whole: version',
  'extra/neg/neg-trailer-odd-segments': 'usable',
  'extra/neg/neg-zeros-lie': 'usable',
  'extra/oci/empty-tar': 'usable',
  'extra/oci/holes': 'usable',
  'extra/oci/late-dir': 'usable',
  'extra/oci/meta': 'usable',
  'extra/oci/nonutf8': 'usable',
  'extra/oci/trailer-8-bytes': 'usable',
  'oci/es-v1': 'whole: estargz',
  'oci/gz-v1': 'whole: no TOC',
  'oci/prefix-of-big': 'usable',
  'oci/zc-v1': 'usable',
  'oci/zc-v2': 'usable',
  'oci/zs-v1': 'whole: no TOC',
};

for (const fixture of ['neg', 'extra/neg', 'extra/oci', 'oci'].flatMap(readChunkedImages)) {
  test(`${fixture.name} gets the verdict of the table`, async () => {
    const before = process.memoryUsage().rss;
    assert.equal(await judge(fixture), GOLDEN[fixture.image]);
    assert.ok(process.memoryUsage().rss - before < 100 * 2 ** 20, 'memory is bounded');
  });
}

/** The small layer of the table: `d/`, `d/f` of 11 bytes, `d/g` of 90,000 bytes in two chunks. */
const [OK = assert.fail('no fixture')] = readChunkedImage('neg/neg-ok');
/** With a hole: `d/g` in three chunks, the middle one zeros. */
const [HOLE = assert.fail('no fixture')] = readChunkedImage('extra/neg/neg-toc-order-differs');

type Change = (metadata: EditableMetadata) => void;

const entry = (metadata: EditableMetadata, at: number) =>
  metadata.toc.entries[at] ?? assert.fail('no entry');
const set = (at: number, fields: Record<string, unknown>): Change => {
  return (metadata) => Object.assign(entry(metadata, at), fields);
};
const without = (at: number, key: string): Change => {
  return (metadata) => delete entry(metadata, at)[key];
};
const text = (rewrite: (text: string) => string | Buffer): Change => {
  return (metadata) => Object.assign(metadata, { rewrite });
};

/** Each change of a sound layer and its verdict. The first rows are cases of the table without a golden layer. */
const CHANGES: readonly (readonly [name: string, change: Change, verdict: Verdict])[] = [
  ['swapoff: the ranges of two files changed places', swapFiles, 'refused: CHUNKED_TOC_MISMATCH'],
  ['swapped chunks', swapChunks, 'refused: CHUNKED_TOC_INVALID'],
  ['farrange', set(1, { offset: 2 ** 40, endOffset: 2 ** 40 + 9 }), 'refused: CHUNKED_TOC_INVALID'],
  ['mode', set(1, { mode: 493 }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['type', set(0, { type: 'fifo' }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['a type that does not exist', set(0, { type: 'sock' }), 'refused: CHUNKED_TOC_INVALID'],
  ['extra', addEntry, 'refused: CHUNKED_TOC_MISMATCH'],
  [
    'chunkfirst',
    (m) => m.toc.entries.unshift(m.toc.entries.pop() ?? {}),
    'refused: CHUNKED_TOC_INVALID',
  ],
  ['a chunk after a directory', chunkAfterDirectory, 'refused: CHUNKED_TOC_INVALID'],
  ['bomb-ts', bombTarSplit, 'refused: CHUNKED_METADATA_TOO_LARGE'],
  ['uid', set(1, { uid: 7 }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['gid', set(1, { gid: 7 }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['mtime', set(1, { modtime: '2023-11-14T22:13:21Z' }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['mtime absent', without(1, 'modtime'), 'refused: CHUNKED_TOC_MISMATCH'],
  ['atime', set(1, { accesstime: '2023-11-14T22:13:21Z' }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['atime of no instant', set(1, { accesstime: '0001-01-01T00:00:00Z' }), 'usable'],
  ['device numbers', set(1, { devMinor: 1 }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['link name', set(1, { linkName: 'x' }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['xattrs', set(1, { xattrs: { 'user.a': 'MQ==' } }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['no xattrs', set(1, { xattrs: {} }), 'usable'],
  ['name', set(1, { name: 'd/x' }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['digest of another form', set(1, { digest: 'sha256:null' }), 'refused: CHUNKED_TOC_INVALID'],
  ['no range', without(1, 'offset'), 'refused: CHUNKED_TOC_INVALID'],
  ['no end', without(1, 'endOffset'), 'refused: CHUNKED_TOC_INVALID'],
  ['an end in the TOC', set(3, {}), 'usable'],
  ['a range that ends in the TOC', endInToc, 'refused: CHUNKED_TOC_INVALID'],
  ['chunk offset with a gap', set(3, { chunkOffset: 83906 }), 'refused: CHUNKED_TOC_INVALID'],
  ['chunk without digest', without(3, 'chunkDigest'), 'refused: CHUNKED_TOC_INVALID'],
  ['chunk without size', without(3, 'chunkSize'), 'refused: CHUNKED_TOC_INVALID'],
  [
    'an only chunk with another digest',
    set(1, { chunkDigest: `sha256:${'0'.repeat(64)}` }),
    'refused: CHUNKED_TOC_INVALID',
  ],
  ['a size beyond 2^53', set(1, { size: 2 ** 60 }), 'refused: CHUNKED_TOC_INVALID'],
  ['a number as text', set(1, { size: '11' }), 'whole: json'],
  ['null for a text', set(1, { linkName: null, xattrs: null, chunkType: null }), 'usable'],
  ['null for a number', set(1, { uid: null }), 'whole: json'],
  ['a time in lower case', set(1, { modtime: '2023-11-14t22:13:20z' }), 'whole: json'],
  ['a time with a comma', set(1, { modtime: '2023-11-14T22:13:20,0Z' }), 'usable'],
  ['an unknown key', set(1, { other: { a: [1, { b: 'x"]}' }] } }), 'usable'],
  ['entries null', (m) => Object.assign(m.toc, { entries: null }), 'refused: CHUNKED_TOC_MISMATCH'],
  ['entries of another kind', (m) => Object.assign(m.toc, { entries: 7 }), 'whole: json'],
  ['an entry that is not an object', (m) => m.toc.entries.push(7 as never), 'whole: json'],
  ['no digest of the tar-split', (m) => delete m.toc.tarSplitDigest, 'whole: no-tar-split'],
  ['a byte-order mark', text((t) => `\ufeff${t}`), 'whole: json'],
  ['a NUL after the document', text((t) => `${t}\0`), 'whole: json'],
  ['blanks around the document', text((t) => ` \n${t}\r\n\t `), 'usable'],
  ['an empty key', text((t) => t.replace('"mode"', '""')), 'whole: json'],
  ['a key twice', text((t) => t.replace('"mode"', '"MODE":420,"mode"')), 'whole: json'],
  ['a document cut short', text((t) => t.slice(0, -1)), 'whole: json'],
  ['an exponent', text((t) => t.replace('"size":11', '"size":1e1')), 'whole: json'],
  [
    'text that is not UTF-8',
    text((t) => Buffer.from(t.replace('d/f', 'd/\xe9'), 'latin1')),
    'whole: json',
  ],
  [
    'no tar-split position',
    (m) => Object.assign(m.annotations, { 'tarsplit-position': undefined }),
    'whole: no-tar-split',
  ],
  [
    'another type of TOC',
    position('manifest-position', (p) => p.replace(/1$/, '2')),
    'whole: annotation',
  ],
  ['a position with a blank', position('manifest-position', (p) => ` ${p}`), 'whole: annotation'],
  ['a position with a sign', position('tarsplit-position', (p) => `+${p}`), 'whole: annotation'],
  [
    'a TOC claimed over 150 MiB',
    (m) => Object.assign(m.claims, { toc: 150 * 2 ** 20 + 1 }),
    'whole: too-large',
  ],
  ['a claim one too many', (m) => Object.assign(m.claims, { tarSplit: 1e6 }), 'whole: length'],
  ['a tar-split cut short', cutTarSplit, 'whole: json'],
  ['a record without its header', (m) => m.records.splice(2, 1), 'refused: CHUNKED_TOC_MISMATCH'],
  ['a header without its record', (m) => m.records.splice(3, 1), 'refused: CHUNKED_TOC_MISMATCH'],
  [
    'a record too many',
    (m) => m.records.push({ type: 1, name: 'x', payload: null }),
    'refused: CHUNKED_TOC_MISMATCH',
  ],
  ['two headers in a segment', mergeSegments, 'refused: CHUNKED_TOC_MISMATCH'],
  [
    'a segment of another type',
    (m) => Object.assign(m.records[0] ?? {}, { type: 9 }),
    'refused: TAR_SPLIT_INVALID',
  ],
  ['a damaged header', damageHeader, 'refused: TAR_HEADER_CHECKSUM'],
  ['a digest of the TOC that is another', digestOfToc, 'refused: BLOB_DIGEST_MISMATCH'],
  [
    'a digest of the TOC in another spelling',
    (m) => Object.assign(m.annotations, { 'manifest-checksum': 'md5:1' }),
    'whole: annotation',
  ],
];

for (const [name, change, verdict] of CHANGES) {
  test(`the changed layer "${name}" gets the verdict ${verdict}`, async () => {
    const metadata = metadataOf(OK);
    change(metadata);
    assert.equal(await judge(withMetadata(OK, metadata)), verdict);
  });
}

test('reading a TOC stops at the entry limit, and the layer is pulled whole', async () => {
  const metadata = metadataOf(OK);
  const names = Array.from(
    { length: TOC_ENTRIES_MAX },
    (_, at) => `{"type":"dir","name":"${at}"},`,
  );
  metadata.rewrite = (text) => text.replace('"entries":[', `"entries":[${names.join('')}`);
  assert.equal(await judge(withMetadata(OK, metadata)), 'whole: too-large');
});

test('a layer whose metadata is recompressed without a change is usable', async () => {
  assert.equal(await judge(withMetadata(OK, metadataOf(OK))), 'usable');
  assert.equal(await judge(withMetadata(HOLE, metadataOf(HOLE))), 'usable');
});

test('a tar-split whose digest differs from the one in the TOC is refused', async () => {
  const good = withMetadata(OK, metadataOf(OK));
  const position = good.annotations['io.github.containers.zstd-chunked.tarsplit-position'] ?? '';
  const blob = Buffer.from(good.blob);
  const at = Number(position.split(':')[0]) + 20;
  blob[at] = (blob[at] ?? 0) ^ 1;
  assert.equal(await judge({ ...good, blob }), 'refused: BLOB_DIGEST_MISMATCH');
});

function swapFiles(metadata: EditableMetadata): void {
  const [first, second] = [entry(metadata, 1), entry(metadata, 2)];
  metadata.toc.entries.splice(3, 1);
  for (const key of ['chunkSize', 'chunkDigest']) delete second[key];
  const { offset, endOffset } = first;
  Object.assign(first, { offset: second['offset'], endOffset: second['endOffset'] });
  Object.assign(second, { offset, endOffset });
}

function swapChunks(metadata: EditableMetadata): void {
  const [first, second] = [entry(metadata, 2), entry(metadata, 3)];
  const { offset } = first;
  first['offset'] = second['offset'];
  second['offset'] = offset;
}

function addEntry(metadata: EditableMetadata): void {
  metadata.toc.entries.push({
    type: 'dir',
    name: 'e/',
    mode: 493,
    modtime: '2023-11-14T22:13:20Z',
  });
}

function chunkAfterDirectory(metadata: EditableMetadata): void {
  const chunk = metadata.toc.entries.pop() ?? {};
  metadata.toc.entries.splice(1, 0, { ...chunk, name: 'd/' });
}

function endInToc(metadata: EditableMetadata): void {
  Object.assign(entry(metadata, 2), { endOffset: contentEnd(OK) + 9 });
}

/** 2^31 bytes: a zstd frame of a header and run-length blocks of one stored byte each, which inflate to 128 KiB. */
function bombTarSplit(metadata: EditableMetadata): void {
  const block = Buffer.from([((128 * 1024) << 3) & 0xff, 0, 0x10, 0x20]);
  block.writeUIntLE((128 * 1024 * 8) | 2, 0, 3);
  const last = Buffer.from(block);
  last.writeUIntLE((128 * 1024 * 8) | 3, 0, 3);
  const head = Buffer.from('28b52ffd0058', 'hex');
  metadata.tarSplitBytes = Buffer.concat([head, ...Array(16383).fill(block), last]);
}

function position(name: string, change: (text: string) => string): Change {
  return (metadata) => {
    const written = withMetadata(OK, metadata).annotations;
    const text = written[`io.github.containers.zstd-chunked.${name}`] ?? '';
    metadata.annotations[name] = change(text);
  };
}

function cutTarSplit(metadata: EditableMetadata): void {
  const whole = withMetadata(OK, metadata);
  const text = whole.annotations['io.github.containers.zstd-chunked.tarsplit-position'] ?? '';
  const [offset = 0, length = 0, claim = 0] = text.split(':').map(Number);
  metadata.tarSplitBytes = whole.blob.subarray(offset, offset + length - 5);
  metadata.claims.tarSplit = claim;
}

function mergeSegments(metadata: EditableMetadata): void {
  const payload = (at: number) => Buffer.from(String(metadata.records[at]?.['payload']), 'base64');
  const merged = Buffer.concat([payload(0), payload(2)]).toString('base64');
  metadata.records.splice(0, 3, { type: 2, payload: merged });
}

function damageHeader(metadata: EditableMetadata): void {
  const header = Buffer.from(String(metadata.records[0]?.['payload']), 'base64');
  header[100] = 0x31;
  metadata.records[0] = { type: 2, payload: header.toString('base64') };
}

function digestOfToc(metadata: EditableMetadata): void {
  metadata.annotations['manifest-checksum'] = `sha256:${'0'.repeat(64)}`;
}
