import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { displayText } from '#base/bytes';
import { jsonOfMetadata } from '#work/commits';
import { makeTempRepository, storeFixtureCommit } from '../../../test/support/ostree-stored.ts';
import { EXPECTED_STREAMS } from '../../../test/support/ostree-streams.ts';
import { readTarFixture } from '../../../test/support/tar-fixture.ts';
import {
  commitDate,
  compareCommits,
  computeCommitImageId,
  ensureCommitImage,
  findEntry,
  formatEntry,
  formatMetadata,
  listCommitRefs,
  listCommits,
  listEntries,
  openCommit,
  readEntry,
  readHistory,
  resolveCommit,
  tagCommit,
  untagCommit,
} from './index.ts';

const V1 = 'mini/r-archive:test/v1';
const V2 = 'mini/r-archive:test/main';
const NOT_FOUND = { code: 'OSTREE_COMMIT_NOT_FOUND' };

function listing(stored: ReturnType<typeof openCommit>): string {
  const lines = [...listEntries(stored, '/', { recursive: true })].map((entry) =>
    formatEntry(entry, { checksums: true, xattrs: true }),
  );
  return `${lines.join('\n')}\n`;
}

/** Listings by `ostree ls -RCX`, by the key of the commit. */
function recordedListings(): [string, string][] {
  const found: [string, string][] = [];
  for (const [path, { bytes }] of readTarFixture('ostree/extra/ls.tar.gz')) {
    const name = path.slice(path.indexOf('/') + 1).replace(/\.txt$/, '');
    const key = Object.keys(EXPECTED_STREAMS).find(
      (one) => one.replaceAll('/', '_').replace(':', '__') === name,
    );
    if (key !== undefined) found.push([key, Buffer.from(bytes).toString()]);
  }
  const meta = new URL('../../../test/golden/ostree/mini-meta/', import.meta.url);
  found.push([V1, readFileSync(new URL('v1.ls-RCX.txt', meta), 'utf8')]);
  found.push([V2, readFileSync(new URL('v2.ls-RCX.txt', meta), 'utf8')]);
  return found;
}

test('whole commits are listed as ostree ls -RCX lists them', async () => {
  using temp = await makeTempRepository();
  const listings = recordedListings();
  assert.equal(listings.length, 10);
  for (const [key, expected] of listings) {
    const commit = await storeFixtureCommit(temp.repository, key);
    assert.equal(listing(openCommit(temp.repository, commit)), expected, key);
  }
});

test('a commit is found by ref, id and unique abbreviation only', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const v1 = await storeFixtureCommit(repository, V1, 'test/v1');
  const v2 = await storeFixtureCommit(repository, V2, '100%/a');
  assert.equal(resolveCommit(repository, 'test/v1'), v1);
  assert.equal(resolveCommit(repository, '100%/a'), v2);
  assert.equal(resolveCommit(repository, v1), v1);
  assert.equal(resolveCommit(repository, v1.slice(0, 4)), v1);
  for (const name of ['test/v2', v1.slice(0, 3), 'ffff', 'f'.repeat(64), '', '..', `${v1}0`]) {
    assert.throws(() => resolveCommit(repository, name), NOT_FOUND, name);
  }
  tagCommit(repository, v1.slice(0, 8), 'other/name');
  assert.deepEqual(
    listCommitRefs(repository).map(({ name, commit }) => [name, commit]),
    [
      ['100%/a', v2],
      ['other/name', v1],
      ['test/v1', v1],
    ],
  );
  assert.deepEqual(
    listCommits(repository).map(({ commit, refs }) => [commit, refs]),
    [
      [v1, ['other/name', 'test/v1']],
      [v2, ['100%/a']],
    ],
  );
  untagCommit(repository, 'other/name');
  assert.throws(() => untagCommit(repository, 'other/name'), NOT_FOUND);
  assert.throws(() => tagCommit(repository, v1, 'x'.repeat(256)), { code: 'OSTREE_REF_INVALID' });
});

test('an ambiguous abbreviation is refused, and a ref to a missing commit is reported', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const commit = await storeFixtureCommit(repository, V1, 'test/v1');
  const twin = `${commit.slice(0, 60)}0000`;
  repository.root.symlink('../objects/00/00', `streams/ostree-commit-${twin}`);
  // A dangling name is not a stored commit.
  assert.equal(resolveCommit(repository, commit.slice(0, 60)), commit);
  repository.root.unlink(`streams/ostree-commit-${twin}`);
  const { streamId } = listCommits(repository)[0] ?? {};
  repository.streams.register(`ostree-commit-${twin}`, streamId as never);
  assert.throws(() => resolveCommit(repository, commit.slice(0, 60)), {
    code: 'OSTREE_REF_AMBIGUOUS',
  });
  assert.throws(() => openCommit(repository, twin), { code: 'OSTREE_CHECKSUM_MISMATCH' });
  repository.root.unlink(`streams/ostree-commit-${commit}`);
  assert.throws(() => resolveCommit(repository, 'test/v1'), NOT_FOUND);
  assert.equal(listCommitRefs(repository)[0]?.streamId, undefined);
});

test('metadata is printed as ostree prints it', async () => {
  using temp = await makeTempRepository();
  const commit = await storeFixtureCommit(temp.repository, V1);
  const { metadata } = openCommit(temp.repository, commit).commit;
  assert.deepEqual(formatMetadata(metadata), [
    'version=1.0',
    'test.u32=305419896',
    'test.u64=72623859790382856',
    'test.as=[one, two, three]',
    'test.bool=true',
    'test.bytes=0102ff',
    'test.maybe=<ms:780000>',
    'test.dict=<a{sv}:6b0000000000000076000073020000006e00000000000000fbffffff0069020d1f>',
    'test.tuple=<(qsx):0102730000000000ffffffffffffffff04>',
    'ostree.ref-binding=[test/v1]',
  ]);
  const rows = jsonOfMetadata(metadata) as { key: string; value: unknown }[];
  const values = new Map(rows.map(({ key, value }) => [key, value]));
  assert.deepEqual(values.get('test.u64'), '72623859790382856');
  assert.deepEqual(values.get('test.maybe'), ['x']);
  assert.deepEqual(values.get('test.dict'), [
    ['k', { type: 's', value: 'v' }],
    ['n', { type: 'i', value: -5 }],
  ]);
  assert.deepEqual(values.get('test.tuple'), [513, 's', -1]);
});

test('a diff of two commits lists the same paths as ostree diff, in order', async () => {
  using temp = await makeTempRepository();
  const v1 = openCommit(temp.repository, await storeFixtureCommit(temp.repository, V1));
  const v2 = openCommit(temp.repository, await storeFixtureCommit(temp.repository, V2));
  const changes = (from: typeof v1, to: typeof v1) =>
    [...compareCommits(from, to)].map(({ change, path }) => `${change} ${path}`);
  assert.deepEqual(changes(v1, v2), [
    'modified /delta/bsdiff.bin',
    'modified /delta/config.ini',
    'modified /delta/lib.so',
    'added /delta/new-big.bin',
    'added /delta/new-small',
    'added /delta/newdir',
    'added /delta/newdir/x',
    'deleted /delta/removed-in-v2',
    'modified /delta/rollsum.bin',
  ]);
  assert.equal(changes(v2, v1).filter((line) => line.startsWith('deleted')).length, 3);
  assert.deepEqual(changes(v1, v1), []);
});

test('history ends at the first commit that is not stored', async () => {
  using temp = await makeTempRepository();
  const v2 = await storeFixtureCommit(temp.repository, V2, 'test/main');
  const short = readHistory(temp.repository, 'test/main');
  assert.equal(short.commits.length, 1);
  assert.equal(short.missing, EXPECTED_STREAMS[V1]?.commit);
  await storeFixtureCommit(temp.repository, V1);
  const { commits, missing } = readHistory(temp.repository, 'test/main');
  assert.equal(missing, undefined);
  assert.deepEqual(
    commits.map(({ checksum, version, subject }) => [checksum, version, subject]),
    [
      [v2, '2.0', 'Second commit'],
      [EXPECTED_STREAMS[V1]?.commit, '1.0', 'First commit'],
    ],
  );
  assert.equal(
    commits[1]?.contentChecksum,
    '0aef844b93f1f9b2ed4e41006f76668169880a56fa7362c5a3f7c47bcb864916',
  );
  assert.equal(readHistory(temp.repository, 'test/main', 1).commits.length, 1);
  assert.equal(commitDate(1704164645n)?.toISOString(), '2024-01-02T03:04:05.000Z');
  assert.equal(
    commitDate(BigInt.asUintN(64, -315619200n))?.toISOString(),
    '1960-01-01T00:00:00.000Z',
  );
  assert.equal(commitDate(2n ** 62n), undefined);
});

test('files are read from the stream and from objects; symbolic links and directories are refused', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const stored = openCommit(repository, await storeFixtureCommit(repository, V1));
  const read = (path: string) => Buffer.concat([...readEntry(repository, stored, path)]);
  assert.equal(read('/hello.txt').toString().length, 12);
  assert.equal(read('big.bin').length, 20000);
  for (const path of ['/nope', '/hello.txt/x', '/link-rel', '/sort']) {
    assert.throws(() => read(path), { code: 'OSTREE_PATH_NOT_FOUND' }, path);
  }
  assert.equal(displayText(findEntry(stored, 'link-rel').target as never), 'hello.txt');
  assert.equal(findEntry(stored, '//').kind, 'directory');
});

test('a lost image is rebuilt, and its compatible form on request', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const expected = EXPECTED_STREAMS[V1]?.sha256;
  const commit = await storeFixtureCommit(repository, V1);
  const present = await ensureCommitImage(repository, commit);
  assert.deepEqual([present.imageId, present.built], [expected?.image_fixed, false]);
  repository.root.unlink(`images/${present.imageId}`);
  assert.equal((await ensureCommitImage(repository, commit)).built, true);
  assert.ok(repository.images.has(present.imageId));
  const compat = await ensureCommitImage(repository, commit, { reading: 'cfsctl' });
  assert.equal(compat.imageId, expected?.image);
  assert.equal(compat.streamId, expected?.stream_after);
  assert.equal(openCommit(repository, commit).imageId, expected?.image);
  assert.equal(await computeCommitImageId(repository, commit), expected?.image_fixed);
  const v2Layout = await computeCommitImageId(repository, commit, { version: 2 });
  assert.notEqual(v2Layout, expected?.image_fixed);
  assert.ok(!repository.images.has(v2Layout));
});
