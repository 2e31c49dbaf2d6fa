import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, concatBytes, encodeHex } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { type ErrorCode, isOnecopyError } from '#base/errors';
import { computeVerity } from '#formats/fsverity';
import { CONTENT_TYPES, openSplitstream, SplitstreamWriter } from '#formats/splitstream';
import { Directory, sortedEntries, type Tree } from '#formats/tree';
import {
  buildStream,
  EXPECTED_STREAMS,
  repositoryOf,
} from '../../../../test/support/ostree-streams.ts';
import {
  CommitStream,
  CommitStreamBuilder,
  type CommitStreamContent,
  commitStreamName,
  computeFileChecksum,
  computeMetadataChecksum,
  type Dirtree,
  encodeCommit,
  encodeCommitStream,
  encodeDirmeta,
  encodeDirtree,
  encodeSummaryCache,
  encodeZlibHeader,
  frameHeader,
  inlineMaxBytes,
  parseCommitStreamName,
  parsePartialStreamName,
  parseSummaryCache,
  partialStreamName,
  readCommitStream,
  type SizedFileHeader,
  summaryStreamName,
  treeOfCommit,
  walkCommit,
} from '../index.ts';

for (const [key, { commit, ...kinds }] of Object.entries(EXPECTED_STREAMS)) {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`the ${algorithm} stream of ${key} has the bytes and the id that composefs-ostree gives`, async () => {
      const expected = kinds[algorithm];
      const built = buildStream(repositoryOf(key), commit, algorithm).encode(commit);
      assert.equal(built.content.length, expected.logical_len);
      const found = createHash('sha256').update(built.content).digest('hex');
      assert.equal(found, expected.logical_sha256);
      assert.equal(built.objectRefs.length, expected.external_objects);
      const bytes = await encodeCommitStream(built, { algorithm });
      assert.equal(computeVerity(bytes, algorithm), expected.stream_before);
      const stream = readCommitStream(openSplitstream(bytes, { algorithm }));
      assert.equal(stream.commit, commit);
      assert.deepEqual(rebuilt(stream).encode(commit), built);
    });
  }
}

/** The stream, decoded and encoded again. */
function rebuilt(stream: CommitStream): CommitStreamBuilder {
  const builder = new CommitStreamBuilder();
  for (const { checksum, data, external } of stream.objects()) {
    if (external === undefined) builder.addMetadata(checksum, data);
    else builder.addExternalFile(checksum, data, external);
  }
  return builder;
}

const [FIRST_KEY = ''] = Object.keys(EXPECTED_STREAMS);

/** A stream of a fixture, and the same with junk between its objects, as a careless writer might write it. */
function streamsOf(key: string): {
  commit: OstreeChecksum;
  built: CommitStreamContent;
  bases: CommitStream[];
} {
  const { commit } = EXPECTED_STREAMS[key] ?? assert.fail();
  const built = buildStream(repositoryOf(key), commit, 'sha256').encode(commit);
  const plain = new CommitStream(built.content, built.objectRefs);
  const junk = new Uint8Array(built.content);
  const start = junk.length - plain.contentBytes;
  for (let index = 0; index < plain.size; index++) {
    const end = plain.offsetAt(index) + plain.lengthAt(index);
    for (let at = end; at % 8 !== 0; at++) junk[start + at] = 0xee;
  }
  return { commit, built, bases: [plain, new CommitStream(junk, built.objectRefs)] };
}

test('a stream with objects taken from another stream equals one with added objects', () => {
  const { commit, built, bases } = streamsOf(FIRST_KEY);
  const whole = bases[0] ?? assert.fail();
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 6 }), (seed, every) => {
      const how = (index: number) => (Math.imul(index + 1, seed | 1) >>> 7) % (every + 2);
      for (const base of bases) {
        // Some objects are in neither builder, some are added, the others are taken from the base.
        const [mixed, added] = [new CommitStreamBuilder(base), new CommitStreamBuilder()];
        for (let index = 0; index < whole.size; index++) {
          const { checksum, data, external } = whole.at(index);
          const isLeftOut = how(index) === 1 && checksum !== commit;
          if (isLeftOut) continue;
          const builders = how(index) === 0 ? [mixed, added] : [added];
          for (const builder of builders) {
            if (external === undefined) builder.addMetadata(checksum, data);
            else builder.addExternalFile(checksum, data, external);
          }
          // An added object may be taken as well.
          if (how(index) !== 0 || index % 3 === 0) mixed.take(index);
          assert.ok(mixed.has(checksum));
        }
        assert.deepEqual(mixed.encode(commit), added.encode(commit));
      }
    }),
  );
  const all = new CommitStreamBuilder(whole);
  for (let index = 0; index < whole.size; index++) {
    assert.deepEqual([all.take(index), all.take(index)], [true, false]);
  }
  assert.deepEqual(all.encode(commit), built);
});

test('an object that is taken and then added with different content is refused', () => {
  const { commit, bases } = streamsOf(FIRST_KEY);
  const base = bases[0] ?? assert.fail();
  for (const change of ['data', 'object'] as const) {
    const builder = new CommitStreamBuilder(base);
    const index = base.indexOf(commit) ?? assert.fail();
    builder.take(index);
    const data = new Uint8Array(base.dataAt(index));
    if (change === 'object') builder.addExternalFile(commit, data, OBJECT);
    else builder.addMetadata(commit, data.fill(1));
    assert.throws(() => builder.encode(commit), { code: 'OSTREE_STREAM_INVALID' });
  }
});

test('an object of the base that is not taken is not in the stream', () => {
  const { commit, bases } = streamsOf(FIRST_KEY);
  const base = bases[0] ?? assert.fail();
  const builder = new CommitStreamBuilder(base);
  assert.equal(builder.has(commit), false);
  assert.throws(() => builder.encode(commit), { code: 'OSTREE_STREAM_INVALID' });
  builder.take(base.indexOf(commit) ?? assert.fail());
  const only = builder.encode(commit);
  assert.equal(new CommitStream(only.content, only.objectRefs).size, 1);
});

const SUM = 'ab'.repeat(32) as OstreeChecksum;
const OBJECT = 'cd'.repeat(32) as ObjectId;
const META = encodeDirmeta({ uid: 0, gid: 0, mode: 0o40755, xattrs: [] });
const META_ID = computeMetadataChecksum(META);

function fileHeader(fields: Partial<SizedFileHeader> = {}): SizedFileHeader {
  const base = {
    uid: 1,
    gid: 2,
    mode: 0o100644,
    target: '' as ByteString,
    xattrs: [],
    sizeBytes: 3,
  };
  return { ...base, ...fields };
}

function rawHeader(header: SizedFileHeader): Uint8Array {
  return frameHeader(encodeZlibHeader(header));
}

/** Adds a commit over a dirtree to a builder and returns its checksum. */
function addCommit(builder: CommitStreamBuilder, rootTree: OstreeChecksum): OstreeChecksum {
  const bytes = encodeCommit({
    metadata: [],
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec: 0n,
    rootTree,
    rootMeta: META_ID,
  });
  builder.addMetadata(META_ID, META);
  builder.addMetadata(computeMetadataChecksum(bytes), bytes);
  return computeMetadataChecksum(bytes);
}

function addTree(
  builder: CommitStreamBuilder,
  tree: Pick<Dirtree, 'files' | 'directories'>,
): OstreeChecksum {
  const bytes = encodeDirtree(tree);
  builder.addMetadata(computeMetadataChecksum(bytes), bytes);
  return computeMetadataChecksum(bytes);
}

function opened(builder: CommitStreamBuilder, commit: OstreeChecksum): CommitStream {
  const { content, objectRefs } = builder.encode(commit);
  return new CommitStream(content, objectRefs);
}

/** A stream of one directory with an inline file twice, a link, and an external file. */
function sample(): { readonly stream: CommitStream; readonly commit: OstreeChecksum } {
  const builder = new CommitStreamBuilder();
  const content = new Uint8Array(Buffer.from('abc'));
  const xattrs = [{ name: 'user.x' as ByteString, value: Uint8Array.of(1) }];
  const small = fileHeader({ xattrs });
  const link = fileHeader({ mode: 0o120777, target: 'a' as ByteString, sizeBytes: 0 });
  const large = fileHeader({ sizeBytes: 5000 });
  const ids = [
    computeFileChecksum(small, content),
    computeFileChecksum(link),
    computeFileChecksum(large, new Uint8Array(5000)),
  ] as const;
  builder.addInlineFile(ids[0], rawHeader(small), content);
  builder.addInlineFile(ids[1], rawHeader(link), new Uint8Array(0));
  builder.addExternalFile(ids[2], rawHeader(large), OBJECT);
  const empty = addTree(builder, { files: [], directories: [] });
  const files = [ids[0], ids[0], ids[1], ids[2]].map((checksum, at) => ({
    name: `f${at}` as ByteString,
    checksum,
  }));
  const directories = [{ name: 's' as ByteString, tree: empty, meta: META_ID }];
  const commit = addCommit(builder, addTree(builder, { files, directories }));
  return { stream: opened(builder, commit), commit };
}

test('a tree has one leaf per file id, stats from the headers, and times of zero', () => {
  const { stream, commit } = sample();
  const tree = treeOfCommit(commit, stream);
  const names = sortedEntries(tree.root).map(([name, inode]) => [
    name,
    inode instanceof Directory ? 'directory' : inode,
  ]);
  assert.deepEqual(names, [
    ['f0', 0],
    ['f1', 0],
    ['f2', 1],
    ['f3', 2],
    ['s', 'directory'],
  ]);
  const [small, link, large] = tree.leaves;
  assert.deepEqual(small, {
    kind: 'inline',
    stat: {
      mode: 0o644,
      uid: 1,
      gid: 2,
      mtimeSec: 0n,
      mtimeNsec: 0,
      xattrs: new Map([['user.x', Uint8Array.of(1)]]),
    },
    content: new Uint8Array(Buffer.from('abc')),
  });
  assert.equal(link?.kind === 'symlink' && link.target, 'a');
  assert.equal(large?.kind === 'external' && large.sizeBytes, 5000);
  assert.equal(large?.kind === 'external' && large.id, OBJECT);
  assert.equal(tree.root.stat.mode, 0o755);
});

test('in the reading of cfsctl, xattr names keep their NUL', () => {
  const { stream, commit } = sample();
  const tree: Tree = treeOfCommit(commit, stream, { reading: 'cfsctl' });
  assert.deepEqual([...(tree.leaves.at(0)?.stat.xattrs.keys() ?? [])], ['user.x\0']);
});

test('the error for a missing object names it', () => {
  const builder = new CommitStreamBuilder();
  const commit = addCommit(builder, SUM);
  const stream = opened(builder, commit);
  assert.throws(() => treeOfCommit(commit, stream), {
    code: 'OSTREE_OBJECT_NOT_FOUND',
    details: { object: `${SUM}.dirtree` },
  });
  const reached = [...walkCommit(commit, (checksum) => stream.find(checksum)?.data)];
  assert.deepEqual(
    reached.map(({ kind, isMissing }) => [kind, isMissing]),
    [
      ['commit', false],
      ['dirmeta', false],
      ['dirtree', true],
    ],
  );
});

test('walkCommit with verification verifies every metadata object', () => {
  const { stream, commit } = sample();
  const damaged = (checksum: OstreeChecksum): Uint8Array | undefined =>
    checksum === META_ID
      ? encodeDirmeta({ uid: 9, gid: 0, mode: 0o40755, xattrs: [] })
      : stream.find(checksum)?.data;
  assert.equal([...walkCommit(commit, damaged)].length, 7);
  assert.throws(() => [...walkCommit(commit, damaged, { verify: true })], {
    code: 'OSTREE_CHECKSUM_MISMATCH',
  });
});

test('directories nested above the limit are refused', () => {
  const builder = new CommitStreamBuilder();
  let tree = addTree(builder, { files: [], directories: [] });
  const levels = [tree];
  for (let depth = 0; depth < 1030; depth++) {
    const entry = { name: 'd' as ByteString, tree, meta: META_ID };
    tree = addTree(builder, { files: [], directories: [entry] });
    levels.push(tree);
  }
  const tooLarge = { code: 'OSTREE_TREE_TOO_LARGE' };
  const deep = addCommit(builder, tree);
  const stream = opened(builder, deep);
  assert.throws(() => treeOfCommit(deep, stream), tooLarge);
  assert.throws(() => [...walkCommit(deep, (id) => stream.find(id)?.data)], tooLarge);
  const fits = addCommit(builder, levels[1024] as OstreeChecksum);
  assert.ok(treeOfCommit(fits, opened(builder, fits)));
});

test('directories that multiply without end are refused', () => {
  const builder = new CommitStreamBuilder();
  let tree = addTree(builder, { files: [], directories: [] });
  for (let level = 0; level < 100; level++) {
    const directories = ['a', 'b'].map((name) => ({
      name: name as ByteString,
      tree,
      meta: META_ID,
    }));
    tree = addTree(builder, { files: [], directories });
  }
  const commit = addCommit(builder, tree);
  const stream = opened(builder, commit);
  assert.equal([...walkCommit(commit, (id) => stream.find(id)?.data)].length, 103);
  assert.throws(() => treeOfCommit(commit, stream, { entriesMax: 10_000 }), {
    code: 'OSTREE_TREE_TOO_LARGE',
  });
});

test('the same objects in any order give the same bytes, and an id with two contents is refused', () => {
  const builder = new CommitStreamBuilder();
  const tree = addTree(builder, { files: [], directories: [] });
  const commit = addCommit(builder, tree);
  const other = new CommitStreamBuilder();
  for (const object of [...opened(builder, commit).objects()].reverse()) {
    other.addMetadata(object.checksum, object.data);
    other.addMetadata(object.checksum, object.data);
  }
  assert.deepEqual(other.encode(commit), builder.encode(commit));
  const invalid = { code: 'OSTREE_STREAM_INVALID' };
  assert.throws(() => other.addMetadata(tree, Uint8Array.of(1)), invalid);
  assert.throws(() => other.addExternalFile(META_ID, META, OBJECT), invalid);
  assert.throws(() => other.encode(SUM), invalid);
});

function refuses(content: Uint8Array, refs: readonly ObjectId[], code: ErrorCode): void {
  assert.throws(
    () => new CommitStream(content, refs),
    (error) => isOnecopyError(error) && error.code === code,
  );
}

test('a stream whose object table breaks a rule is refused', () => {
  const { stream } = sample();
  const { content, objectRefs } = stream;
  const idsAt = 1032;
  const infoAt = idsAt + stream.size * 32;
  const damage: readonly [string, (view: DataView, bytes: Uint8Array) => void][] = [
    ['a commit index past the table', (view) => view.setUint32(0, stream.size, true)],
    ['flags', (view) => view.setUint32(4, 1, true)],
    ['a last bucket that counts too many', (view) => view.setUint32(8 + 1020, 1e6, true)],
    ['a bucket that goes back', (view) => view.setUint32(8 + 1016, 0, true)],
    ['a first bucket above the rest', (view) => view.setUint32(8, stream.size + 1, true)],
    ['two equal ids', (_, bytes) => bytes.copyWithin(idsAt, idsAt + 32, idsAt + 64)],
    ['an id in another bucket', (_, bytes) => bytes.fill(0xff, idsAt, idsAt + 1)],
    ['data past the end', (view) => view.setUint32(infoAt, 0xffffffff, true)],
    ['data longer than the content', (view) => view.setUint32(infoAt + 4, 0xffffffff, true)],
    ['an external past the table', (view) => view.setUint32(infoAt + 8, 1, true)],
  ];
  for (const [name, change] of damage) {
    const damaged = content.slice();
    change(new DataView(damaged.buffer), damaged);
    assert.throws(
      () => new CommitStream(damaged, objectRefs),
      { code: 'OSTREE_STREAM_INVALID' },
      name,
    );
  }
  refuses(content, [], 'OSTREE_STREAM_INVALID');
});

test('a stream truncated at any byte is refused', () => {
  const { content, objectRefs } = sample().stream;
  for (let length = 0; length < content.length - 7; length++) {
    refuses(content.subarray(0, length), objectRefs, 'OSTREE_STREAM_INVALID');
  }
});

test('a stream with an external part in its body is refused, and one of several chunks is accepted', async () => {
  const { stream } = sample();
  const options = { algorithm: 'sha256', contentType: CONTENT_TYPES.ostreeCommit } as const;
  using writer = new SplitstreamWriter(options);
  for (const id of stream.objectRefs) writer.addObjectRef(id);
  writer.writeInline(stream.content);
  writer.writeExternal(OBJECT, 5);
  const bytes = await writer.finish();
  assert.throws(() => readCommitStream(openSplitstream(bytes, options)), {
    code: 'OSTREE_STREAM_INVALID',
  });
});

test('a file of up to twice the length of an id is inline', () => {
  assert.equal(inlineMaxBytes('sha256'), 64);
  assert.equal(inlineMaxBytes('sha512'), 128);
});

test('names of streams contain the commit or the source, and are parsed back', () => {
  assert.equal(parseCommitStreamName(commitStreamName(SUM)), SUM);
  assert.equal(parseCommitStreamName(partialStreamName(SUM)), undefined);
  assert.equal(parsePartialStreamName(partialStreamName(SUM)), SUM);
  assert.equal(parsePartialStreamName(commitStreamName(SUM)), undefined);
  assert.equal(parseCommitStreamName('ostree-commit-xyz'), undefined);
  const url = new URL('https://user@dl.example.org:8080/repo/path//?q');
  assert.equal(summaryStreamName(url), 'ostree-summary-dl.example.org-repo-path');
  assert.equal(
    summaryStreamName(url, 'x86_64'),
    'ostree-subsummary-x86_64-dl.example.org-repo-path',
  );
});

test('a cached summary is read back, and a summary with an oversized HTTP header is not cached', () => {
  const summary = Uint8Array.of(1, 2, 3);
  const cached = { etag: '"x"', lastModified: 'Tue', checksum: SUM, summary };
  const bytes = encodeSummaryCache(cached);
  assert.ok(bytes);
  assert.equal(encodeHex(bytes.subarray(0, 4)), '03000300');
  assert.deepEqual(parseSummaryCache(bytes), cached);
  assert.equal(encodeSummaryCache({ ...cached, etag: 'x'.repeat(65536) }), undefined);
  for (let length = 0; length < 42; length++) {
    assert.throws(() => parseSummaryCache(bytes.subarray(0, length)), {
      code: 'BYTES_OUT_OF_RANGE',
    });
  }
  assert.equal(concatBytes([parseSummaryCache(bytes).summary]).length, 3);
});
