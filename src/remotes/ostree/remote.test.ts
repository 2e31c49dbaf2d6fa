import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { hasCode } from '#base/errors';
import {
  computeFileChecksum,
  computeMetadataChecksum,
  deltaSumsOf,
  inflateContent,
  keyString,
  parseCommit,
  parseDeltaName,
  parseDirtree,
  parseFilez,
  parseMetadataDict,
  parseSummary,
  parseSummaryIndex,
} from '#formats/ostree';
import { FakeHttp } from '../../../test/support/fake-http.ts';
import { unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { OstreeRemote } from './remote.ts';
import type { OstreeRemoteOptions } from './remote-types.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;
const NOTHING = '00'.repeat(32) as OstreeChecksum;

const fixture = unpackOstree('mini', 'r-flatpak');
after(() => fixture[Symbol.dispose]());

function open(url: string, more: Partial<OstreeRemoteOptions> = {}): OstreeRemote {
  return new OstreeRemote({ url, http: { retry: { baseMs: 1, capMs: 4 } }, ...more });
}

test('a whole commit is walked over HTTP and every file hashes to its checksum', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`${server.url}/fxmini/r-deltas/`);
  const checksum = await remote.ref('test/main');
  assert.equal(checksum, V2);
  const commit = parseCommit((await remote.metadata('commit', V2)) ?? assert.fail());
  let files = 0;
  const walk = async (tree: OstreeChecksum): Promise<void> => {
    const dirtree = parseDirtree((await remote.metadata('dirtree', tree)) ?? assert.fail());
    for (const file of dirtree.files) {
      const found = await remote.file(file.checksum, ({ body }) => {
        assert.ok(body instanceof Uint8Array);
        const { header, payload } = parseFilez(body);
        return computeFileChecksum(header, inflateContent(header, payload));
      });
      assert.equal(found, file.checksum);
      files++;
    }
    for (const directory of dirtree.directories) {
      assert.ok((await remote.metadata('dirmeta', directory.meta)) !== undefined);
      await walk(directory.tree);
    }
  };
  await walk(commit.rootTree);
  assert.equal(files, 49);
  assert.ok(remote.traffic.requests > files && remote.traffic.bodyBytes > 50_000);
});

test('a file that the server does not have is undefined', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`${server.url}/fxmini/none`);
  assert.deepEqual(
    await Promise.all([
      remote.summary(),
      remote.summarySignatures(),
      remote.summaryIndex(),
      remote.subsummary(NOTHING),
      remote.summaryIndexSignatures(new Uint8Array(0)),
      remote.ref('a/b'),
      remote.config(),
      remote.metadata('commit', V1, { maxBytes: 118 }),
      remote.commitmeta(V1),
      remote.tombstone(V1),
      remote.file(V1, () => assert.fail('there is no such file')),
      remote.deltaIndex(V1),
      remote.superblock({ from: undefined, to: V1 }),
      remote.deltaPart({ from: V1, to: V2 }, 0, { checksum: NOTHING, sizeBytes: 1 }),
    ]),
    Array.from({ length: 14 }),
  );
});

test('a summary is requested conditionally', async () => {
  await using server = await FakeHttp.start({ root: fixture.path, etags: true });
  await using remote = open(`${server.url}/fxmini/r-signed`);
  const first = await remote.summary();
  assert.ok(first !== undefined && !first.isCurrent);
  assert.ok(parseSummary(first.bytes).refs.some(({ name }) => name === 'test/main'));
  assert.deepEqual(await remote.summary(first.validators), { isCurrent: true });
  const signatures = await remote.summarySignatures();
  assert.ok(signatures !== undefined && !signatures.isCurrent);
});

test('a flatpak index leads to verified subsummaries', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`${server.url}/r-flatpak`);
  const bytes = await remote.summaryIndex();
  assert.ok(bytes !== undefined);
  const index = parseSummaryIndex(bytes);
  const subset = index.subsets.find(({ name }) => name === 'x86_64') ?? assert.fail();
  const summary = await remote.subsummary(subset.current);
  assert.ok(summary !== undefined && computeMetadataChecksum(summary) === subset.current);
  assert.ok((await remote.summaryIndexSignatures(bytes)) !== undefined);
  await server.reset([{ kind: 'status', status: 200, body: 'no gzip', path: '/summaries/' }]);
  await assert.rejects(remote.subsummary(subset.current), (error) =>
    hasCode(error, 'OSTREE_SUMMARY_CHECKSUM_MISMATCH'),
  );
});

test('deltas are found by the delta index, and superblock and parts are verified', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`${server.url}/fxmini/r-deltas`);
  const sums = deltaSumsOf(
    parseMetadataDict((await remote.deltaIndex(V2)) ?? assert.fail(), 'delta index'),
  );
  assert.equal(sums.size, 2);
  for (const [text, sum] of sums) {
    const name = parseDeltaName(text);
    assert.ok((await remote.superblock(name, sum)) !== undefined);
    await assert.rejects(remote.superblock(name, NOTHING), (error) =>
      hasCode(error, 'OSTREE_DELTA_CHECKSUM_MISMATCH'),
    );
    await assert.rejects(
      remote.deltaPart(name, 0, { checksum: NOTHING, sizeBytes: 1_000_000 }),
      (error) => hasCode(error, 'OSTREE_DELTA_CHECKSUM_MISMATCH'),
    );
    await assert.rejects(remote.deltaPart(name, 0, { checksum: NOTHING, sizeBytes: 1 }), (error) =>
      hasCode(error, 'RESPONSE_TOO_LARGE'),
    );
  }
});

test('a corrupt file is fetched again past caches, then refused with both checksums', async () => {
  const bad = { kind: 'status', status: 200, body: 'bad bytes', path: '.commit' } as const;
  await using server = await FakeHttp.start({ root: fixture.path, faults: [{ ...bad, times: 1 }] });
  await using remote = open(`${server.url}/fxmini/r-archive`);
  assert.ok((await remote.metadata('commit', V1)) !== undefined);
  const { log } = await server.read();
  assert.deepEqual(
    log.map(({ headers }) => headers['cache-control']),
    [undefined, 'no-cache'],
  );
  await server.reset([bad]);
  await assert.rejects(remote.metadata('commit', V1), (error) => {
    assert.ok(hasCode(error, 'OSTREE_CHECKSUM_MISMATCH'));
    assert.equal(error.details['expected'], V1);
    return true;
  });
  assert.equal((await server.read()).log.length, 2);
});

test('the reader of a corrupt file is called again with another copy', async () => {
  await using server = await FakeHttp.start({
    root: fixture.path,
    faults: [{ kind: 'status', status: 200, body: 'bad', path: '.filez', times: 1 }],
  });
  await using remote = open(`${server.url}/fxmini/r-archive`);
  const file = '81381808c56d4f3d643ec12f6a18fcf2993af8daba7c2a1b2cbfc315b39424c6' as OstreeChecksum;
  let calls = 0;
  const header = await remote.file(file, ({ body }) => {
    calls++;
    return parseFilez(body as Uint8Array).header;
  });
  assert.deepEqual([calls, header?.sizeBytes], [2, 12]);
});

test('mirrors are tried in order, and a missing, failing or corrupt file leads to the next', async () => {
  const list = join(fixture.path, 'mirrors');
  await using good = await FakeHttp.start({ root: fixture.path });
  await using failing = await FakeHttp.start({ faults: [{ kind: 'status', status: 500 }] });
  await using corrupt = await FakeHttp.start({
    faults: [{ kind: 'status', status: 200, body: 'bad' }],
  });
  const urls = [`${good.url}/none`, failing.url, corrupt.url, `${good.url}/fxmini/r-archive`];
  writeFileSync(list, `# mirrors\n${urls.join('\n')}\nftp://elsewhere/\n`);
  await using remote = open(`mirrorlist=${good.url}/mirrors`, {
    http: { retry: { baseMs: 1, capMs: 1, attempts: 2 } },
  });
  assert.ok((await remote.metadata('commit', V1)) !== undefined);
  assert.equal((await failing.read()).log.length, 2);
  assert.equal((await corrupt.read()).log.length, 2);
  assert.ok((await remote.metadata('commit', V2)) !== undefined);
  assert.equal((await failing.read()).log.length, 2, 'a mirror that failed is asked last');
});

test('a mirror of another origin in a mirror list gets no headers meant for the list', async () => {
  const list = join(fixture.path, 'named');
  await using server = await FakeHttp.start({ root: fixture.path });
  await using mirror = await FakeHttp.start({ root: fixture.path });
  writeFileSync(list, `${mirror.url}/fxmini/r-archive\n`);
  const http = { headers: { authorization: 'Bearer t' } };
  await using remote = open(`mirrorlist=${server.url}/named`, { http });
  const commit = await remote.metadata('commit', V1);
  const { rootTree } = parseCommit(commit ?? assert.fail('no commit'));
  const tree = parseDirtree((await remote.metadata('dirtree', rootTree)) ?? assert.fail());
  const [file] = tree.files;
  const short = await remote.openShort(undefined);
  await new Promise<void>((resolve, reject) => {
    const onBegun = () => reject(new Error('the file did not come the short way'));
    short?.fetch(file?.checksum ?? NOTHING, { onBytes: () => resolve(), onBegun });
  });
  const headersOf = async (one: FakeHttp) =>
    (await one.read()).log.map(({ headers }) => headers['authorization']);
  assert.deepEqual(await headersOf(server), ['Bearer t']);
  assert.deepEqual(await headersOf(mirror), [undefined, undefined, undefined]);
});

test('objects are fetched from contenturl, refs and summaries from url', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`${server.url}/fxmini/r-partial`, {
    contentUrl: `${server.url}/fxmini/r-archive`,
  });
  assert.equal(await remote.ref('test/main'), V2);
  assert.ok((await remote.metadata('commit', V1)) !== undefined);
  const config = await remote.config();
  assert.ok(config !== undefined && keyString(config, 'core', 'mode') !== undefined);
});

test('a commit larger than its summary states is refused', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`${server.url}/fxmini/r-archive`);
  const { length } = readFileSync(
    join(fixture.path, `fxmini/r-archive/objects/79/${V1.slice(2)}.commit`),
  );
  assert.ok((await remote.metadata('commit', V1, { maxBytes: length })) !== undefined);
  await assert.rejects(remote.metadata('commit', V1, { maxBytes: length - 1 }), (error) =>
    hasCode(error, 'RESPONSE_TOO_LARGE'),
  );
});

for (const url of ['', 'ftp://x/', 'file:///repo', 'mirrorlist=', 'host/path']) {
  test(`remote URL "${url}" is refused`, () => {
    assert.throws(() => open(url), { code: 'OSTREE_REMOTE_INVALID' });
  });
}

test('a mirror list without mirrors is refused', async () => {
  writeFileSync(join(fixture.path, 'empty'), '# nothing\n');
  await using server = await FakeHttp.start({ root: fixture.path });
  await using remote = open(`mirrorlist=${server.url}/empty`);
  await assert.rejects(remote.ref('a'), (error) => hasCode(error, 'OSTREE_REMOTE_INVALID'));
});
