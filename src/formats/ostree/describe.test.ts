import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import {
  buildStream,
  EXPECTED_STREAMS,
  repositoryOf,
} from '../../../test/support/ostree-streams.ts';
import { readTarFixture, readTarFolder } from '../../../test/support/tar-fixture.ts';
import {
  CommitStream,
  CommitStreamBuilder,
  computeMetadataChecksum,
  describeCommit,
  describeCommitStream,
  describeDelta,
  describeDirmeta,
  describeDirtree,
  describeFilez,
  describeSummary,
  describeSummaryIndex,
  encodeCommit,
  encodeDirmeta,
  encodeDirtree,
  encodeZlibHeader,
  formatMetadataValue,
  frameHeader,
  jsonOfMetadata,
  parseCommit,
  streamFromJson,
} from './index.ts';

const tiny = readTarFolder('ostree/r-tiny-archive.tar.gz', 'r-tiny-archive');
const mini = readTarFixture('ostree/mini.tar.gz');

function stored(name: string): Uint8Array {
  return tiny.get(`objects/${name}`)?.bytes ?? assert.fail(name);
}

const DIRMETA = '446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488';
const TREE = '1ea02f58d8de1931cf002aa0a5dadf791ff99fa7fc6f03515153be032b8d3f9d';
const EMPTY = '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d';
const FILE = 'fbf7cf77a1b50d9f074cb6e9ef6ddb65b6532ea89e4f4ca1b07a05b4cd1be259';
const LINK = '438802d990f25270d36f902bc9ce9d0737b88f9ae0b41ed59ec9e47c28523e0a';

test('every object of the tiny commit has a JSON form', () => {
  assert.deepEqual(
    describeCommit(
      stored('c5/1efa0182c5e5997bd88360ecdc85cb3faef8fa6ed4f9560e36b9329be14feb.commit'),
    ),
    {
      checksum: 'c51efa0182c5e5997bd88360ecdc85cb3faef8fa6ed4f9560e36b9329be14feb',
      parent: null,
      subject: 's',
      body: '',
      time: 1704164645,
      tree: TREE,
      dirmeta: DIRMETA,
      contentChecksum: computeMetadataChecksum(Buffer.from(TREE + DIRMETA, 'hex')),
      metadata: [{ key: 'ostree.ref-binding', type: 'as', value: ['t'] }],
    },
  );
  assert.deepEqual(describeDirtree(stored(`1e/${TREE.slice(2)}.dirtree`)), {
    checksum: TREE,
    sorted: true,
    files: [
      { name: 'a', checksum: FILE },
      { name: 'l', checksum: LINK },
    ],
    directories: [{ name: 's', dirtree: EMPTY, dirmeta: DIRMETA }],
  });
  assert.deepEqual(describeDirmeta(stored(`44/${DIRMETA.slice(2)}.dirmeta`)), {
    checksum: DIRMETA,
    uid: 0,
    gid: 0,
    mode: 0o40755,
    xattrs: [],
  });
  assert.deepEqual(describeFilez(stored(`43/${LINK.slice(2)}.filez`)), {
    checksum: LINK,
    uid: 0,
    gid: 0,
    mode: 0o120777,
    xattrs: [],
    size: 0,
    target: 'a',
    packedBytes: 0,
    warnings: [],
  });
});

const V1 = mini.get(
  'fxmini/r-archive/objects/79/d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790.commit',
)?.bytes as Uint8Array;

test('metadata of every type has a JSON form', () => {
  assert.deepEqual(jsonOfMetadata(parseCommit(V1).metadata), [
    { key: 'version', type: 's', value: '1.0' },
    { key: 'test.u32', type: 'u', value: 0x12345678 },
    { key: 'test.u64', type: 't', value: '72623859790382856' },
    { key: 'test.as', type: 'as', value: ['one', 'two', 'three'] },
    { key: 'test.bool', type: 'b', value: true },
    { key: 'test.bytes', type: 'ay', value: '0102ff' },
    { key: 'test.maybe', type: 'ms', value: ['x'] },
    {
      key: 'test.dict',
      type: 'a{sv}',
      value: [
        ['k', { type: 's', value: 'v' }],
        ['n', { type: 'i', value: -5 }],
      ],
    },
    { key: 'test.tuple', type: '(qsx)', value: [513, 's', -1] },
    { key: 'ostree.ref-binding', type: 'as', value: ['test/v1'] },
  ]);
});

test('metadata values print as cfsctl ostree inspect prints them', () => {
  const file = new URL(
    '../../../test/golden/cfsctl/ostree/mini-archive.local.sha256-v1.json',
    import.meta.url,
  );
  const steps = JSON.parse(readFileSync(file, 'utf8')) as readonly {
    readonly cmd?: readonly string[];
    readonly stdout: string;
  }[];
  const step = steps.find(({ cmd }) => cmd?.includes('--metadata') && cmd.includes('test/v1'));
  const lines = parseCommit(V1).metadata.map(
    ([key, variant]) => `${key}=${formatMetadataValue(variant)}\n`,
  );
  assert.equal(lines.join(''), step?.stdout);
});

test('summaries, indexes and deltas have a JSON form', () => {
  const summary = JSON.stringify(
    describeSummary(mini.get('fxmini/r-deltas/summary')?.bytes as Uint8Array),
  );
  assert.match(summary, /"name":"test\/main","commit":"fcb201ba[0-9a-f]{56}","commitBytes":198/);
  const flatpak = readTarFixture('ostree/r-flatpak.tar.gz').get('r-flatpak/summary.idx');
  assert.match(
    JSON.stringify(describeSummaryIndex(flatpak?.bytes as Uint8Array)),
    /"name":"aarch64"/,
  );
  const bytes = mini.get('fxmini/deltafiles/tiny-scratch-inline.delta')?.bytes as Uint8Array;
  const delta = JSON.parse(JSON.stringify(describeDelta(bytes)));
  assert.equal(delta.from, null);
  assert.equal(delta.signed, false);
  assert.equal(delta.parts[0].objects.length, 5);
  assert.deepEqual(delta.parts[0].objects[0], { kind: 'dirtree', checksum: TREE });
});

test('parsing the JSON form of a stream gives the identical stream', () => {
  for (const key of [
    'mini/r-archive:test/v1',
    'r-xattrs:xattrs',
    'r-names:names',
    'r-commits:empty',
  ]) {
    const { commit } = EXPECTED_STREAMS[key] as { commit: OstreeChecksum };
    const built = buildStream(repositoryOf(key), commit, 'sha256').encode(commit);
    const document = describeCommitStream(new CommitStream(built.content, built.objectRefs));
    const parsed = streamFromJson(JSON.parse(JSON.stringify(document)));
    assert.deepEqual(parsed.builder.encode(parsed.commit), built, key);
    assert.ok(document.objects.every((object) => object.type !== null));
  }
});

/** A stream with a header whose xattr name is not UTF-8, and an unreachable object. */
function oddStream(): CommitStream {
  const builder = new CommitStreamBuilder();
  const meta = encodeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] });
  const header = {
    uid: 0,
    gid: 0,
    mode: 0o100644,
    target: '' as never,
    xattrs: [{ name: 'user.\xff' as never, value: Uint8Array.of(1) }],
    sizeBytes: 0,
  };
  const file = 'ab'.repeat(32) as OstreeChecksum;
  builder.addInlineFile(file, frameHeader(encodeZlibHeader(header)), new Uint8Array(0));
  const tree = encodeDirtree({ files: [{ name: 'f' as never, checksum: file }], directories: [] });
  const commit = encodeCommit({
    metadata: [],
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec: 2n ** 63n,
    rootTree: computeMetadataChecksum(tree),
    rootMeta: computeMetadataChecksum(meta),
  });
  for (const bytes of [meta, tree, commit, Uint8Array.of(7)]) {
    builder.addMetadata(computeMetadataChecksum(bytes), bytes);
  }
  const { content, objectRefs } = builder.encode(computeMetadataChecksum(commit));
  return new CommitStream(content, objectRefs);
}

test('a header that JSON cannot hold exactly is kept raw, and an unknown object has no type', () => {
  const stream = oddStream();
  const image = 'cd'.repeat(32) as ObjectId;
  const document = describeCommitStream(stream, new Map([['composefs.image', image]]));
  assert.equal(document.images['composefs.image'], image);
  assert.equal(document.objects.filter(({ type }) => type === null).length, 1);
  assert.equal(document.objects.filter(({ rawHeader }) => rawHeader !== undefined).length, 1);
  const parsed = streamFromJson(JSON.parse(JSON.stringify(document)));
  assert.deepEqual(parsed.builder.encode(parsed.commit).content, stream.content);
});

test('JSON of another structure is refused', () => {
  const good = JSON.stringify(describeCommitStream(oddStream()));
  const invalid = { code: 'OSTREE_STREAM_INVALID' };
  for (const document of [null, [], 5, {}, { objects: {} }, { objects: [5] }, { objects: [] }]) {
    assert.throws(() => streamFromJson(document), invalid);
  }
  for (const [from, to] of [
    ['"uid":0', '"uid":-1'],
    ['"gid":0', '"gid":0.5'],
    ['"mode":33188', '"mode":"x"'],
    ['"xattrs":[[', '"xattrs":[5,['],
    ['"target":""', '"target":"\\u0000"'],
    ['"content":"Bw=="', '"content":"%"'],
  ] as const) {
    const changed = good.replace(/"rawHeader":"[^"]*",/, '').replace(from, to);
    assert.notEqual(changed, good);
    assert.throws(() => streamFromJson(JSON.parse(changed)), invalid, from);
  }
  const badId = good.replace(/"id":"[0-9a-f]{4}/, '"id":"');
  assert.throws(() => streamFromJson(JSON.parse(badId)), { code: 'DIGEST_INVALID' });
});
