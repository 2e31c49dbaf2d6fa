import assert from 'node:assert/strict';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { ProgressEvent } from '#base/flow';
import { readTree } from '#formats/erofs';
import { parseKeyFile } from '#formats/ostree';
import { sortedNames, type Tree } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { parseRemotes } from '#stores/ostree';
import { listCommitRefs, tryOpenCommit } from '#work/commits';
import { FakeHttp } from '../../../test/support/fake-http.ts';
import { type OstreeFixture, unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeTempRepository } from '../../../test/support/ostree-stored.ts';
import {
  applyDeltaFile,
  listRemoteRefs,
  type PulledCommit,
  pullCommit,
  remoteSourceOf,
} from './index.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('mini', 'extra/delta', 'r-flatpak');
});
after(() => fixture[Symbol.dispose]());

const QUICK = { retry: { baseMs: 1, capMs: 4 } };

for (const [name, from] of [
  ['scratch-v1-inline.delta', undefined],
  ['v1-v2-inline.delta', 'test/v1'],
  ['v1-v2-inline-bigendian.delta', 'test/v1'],
  ['v1-v2-inline-signed.delta', 'test/v1'],
  ['v1-v2-inline-nobsdiff.delta', 'test/v1'],
  ['dir', 'test/v1'],
] as const) {
  test(`the delta ${name} applied from a file gives the same commit as a pull`, async () => {
    const source = { kind: 'local', path: join(fixture.path, 'fxmini/r-archive') } as const;
    using temp = await makeTempRepository();
    if (from !== undefined) await pullCommit(temp.repository, source, from, { workers: 0 });
    const path = join(fixture.path, 'fxmini/deltafiles', name);
    const applied = await applyDeltaFile(temp.repository, path, { ref: 'x' });
    assert.equal(applied.commit, from === undefined ? V1 : V2);
    using other = await makeTempRepository();
    const pulled = await pullCommit(other.repository, source, applied.commit, { workers: 0 });
    assert.deepEqual([applied.streamId, applied.imageId], [pulled.streamId, pulled.imageId]);
    assert.ok(
      listCommitRefs(temp.repository).some(
        (ref) => ref.name === 'x' && ref.commit === applied.commit,
      ),
    );
    const again = await applyDeltaFile(temp.repository, path);
    assert.equal(again.wasPresent, true);
  });
}

test('a delta whose source commit is not stored is refused', async () => {
  using temp = await makeTempRepository();
  const path = join(fixture.path, 'fxmini/deltafiles/v1-v2-inline.delta');
  await assert.rejects(applyDeltaFile(temp.repository, path), { code: 'OSTREE_COMMIT_NOT_FOUND' });
});

const DELTA_ROWS = readFileSync(
  new URL('../../../test/golden/ostree/extra/delta-expected.tsv', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'))
  .map((fields) => ({ name: fields[0] ?? '', ours: fields.at(-1) ?? '' }));

test('every hand-made delta is applied or refused as the table states, and a refused one leaves no stream', async () => {
  assert.ok(DELTA_ROWS.length >= 13);
  const root = join(fixture.path, 'delta');
  for (const { name, ours } of DELTA_ROWS) {
    using temp = await makeTempRepository();
    const from = { kind: 'local', path: join(root, 'fromrepo') } as const;
    await pullCommit(temp.repository, from, 'd/from', { workers: 0 });
    const applied = await applyDeltaFile(
      temp.repository,
      join(root, 'deltas', `${name}.delta`),
    ).catch((error: unknown) => {
      assert.ok(isOnecopyError(error), String(error));
      return undefined;
    });
    assert.equal(applied !== undefined, ours.startsWith('accept'), `${name}: ${ours}`);
    if (applied !== undefined) continue;
    const to = '837f9ae0a8c34ab18f1ffdcd0263fa45db41a374cc5146ed0a543ec89d834628' as OstreeChecksum;
    assert.equal(tryOpenCommit(temp.repository, to), undefined, name);
  }
});

test('the refs of a remote are listed from its summary or index, and a remote without both is refused', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  using temp = await makeTempRepository();
  const list = async (name: string, subset?: string) =>
    (
      await listRemoteRefs(
        temp.repository,
        { url: `${server.url}/${name}`, http: QUICK },
        { subset },
      )
    ).refs;
  assert.deepEqual(
    (await list('fxmini/r-deltas')).map(({ name, commit }) => [name, commit]),
    [
      ['test/main', V2],
      ['test/v1', V1],
    ],
  );
  const arm = await list('r-flatpak', 'aarch64');
  assert.ok(arm.length > 0 && arm.every(({ name }) => name.includes('aarch64')));
  await assert.rejects(list('fxmini/r-archive'), { code: 'OSTREE_SUMMARY_NOT_FOUND' });
});

test('a configured remote gives a pull its URLs, proxy and CA, and an incomplete remote is refused', () => {
  const ca = join(fixture.path, 'ca.pem');
  writeFileSync(ca, 'PEM');
  const [first, second, third] = parseRemotes(
    parseKeyFile(
      Buffer.from(
        `[remote "a"]\nurl=http://h/r\ncontenturl=http://c/r\nproxy=http://p\ntls-ca-path=${ca}\n` +
          '[remote "b"]\nurl=http://h/r\nunconfigured-state=Subscribe first\n[remote "c"]\n',
      ),
    ),
  );
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const source = remoteSourceOf(first);
  assert.deepEqual([source.url, source.contentUrl], ['http://h/r', 'http://c/r']);
  assert.equal(source.http?.tls?.caPem, 'PEM');
  assert.equal(source.http?.proxy?.httpsProxy, 'http://p');
  assert.throws(() => remoteSourceOf(second), { code: 'OSTREE_REMOTE_UNCONFIGURED' });
  assert.throws(() => remoteSourceOf(third), { code: 'OSTREE_REMOTE_INVALID' });
});

test('subpaths pull only the files below them, add up, and can be completed to the whole commit', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive`, http: QUICK } as const;
  using temp = await makeTempRepository();
  const { repository } = temp;
  const pull = (subpaths?: readonly string[]) =>
    pullCommit(repository, source, 'test/v1', { workers: 0, deltas: 'never', subpaths });
  const sorted = await pull(['/sort/']);
  assert.deepEqual(sorted.subpaths, ['/sort']);
  assert.deepEqual(namesOf(treeOf(repository, sorted)), ['sort']);
  assert.equal(sorted.counts.filesFetched, 1);
  assert.equal(tryOpenCommit(repository, V1), undefined);
  assert.equal(listCommitRefs(repository).length, 0);
  const more = await pull(['hello.txt', '/link-rel']);
  assert.deepEqual(more.subpaths, ['/hello.txt', '/link-rel', '/sort']);
  assert.deepEqual(namesOf(treeOf(repository, more)), ['hello.txt', 'link-rel', 'sort']);
  assert.equal(more.counts.filesFetched, 2);
  await assert.rejects(pull(['/none']), { code: 'OSTREE_PATH_NOT_FOUND' });
  await assert.rejects(pull(['/../x']), { code: 'OSTREE_NAME_INVALID' });
  const whole = await pull();
  assert.equal(whole.subpaths, undefined);
  assert.equal(whole.counts.filesKnown, 3);
  assert.equal(listCommitRefs(repository)[0]?.commit, V1);
  assert.deepEqual(repository.refs.list('streams', 'ostree-partial'), []);
  using fresh = await makeTempRepository();
  const direct = await pullCommit(fresh.repository, source, 'test/v1', { workers: 0 });
  assert.deepEqual([whole.streamId, whole.imageId], [direct.streamId, direct.imageId]);
});

test('a named base commit saves transfers, and one that is not stored is refused', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
  using temp = await makeTempRepository();
  const options = { workers: 0, deltas: 'never' } as const;
  await pullCommit(temp.repository, source, `mine@${V2}`, options);
  const pulled = await pullCommit(temp.repository, source, V1, { ...options, bases: ['mine'] });
  assert.ok(pulled.counts.filesKnown > 25, JSON.stringify(pulled.counts));
  using fresh = await makeTempRepository();
  await assert.rejects(pullCommit(fresh.repository, source, V1, { ...options, bases: ['x'] }), {
    code: 'OSTREE_REF_NOT_FOUND',
  });
});

test('progress counts bytes as they arrive, and its last count is the total transferred', async () => {
  await using server = await FakeHttp.start({ root: fixture.path });
  const source = { kind: 'remote', url: `${server.url}/fxmini/r-archive` } as const;
  using temp = await makeTempRepository();
  const counts: number[] = [];
  let transferred = 0;
  const onProgress = (event: ProgressEvent) => {
    if (event.type === 'advanced' && event.id === 'transfer') counts.push(event.done);
    if (event.type === 'done' && event.id === 'transfer') transferred = event.transferred;
  };
  const options = { workers: 0, deltas: 'never', onProgress } as const;
  const pulled = await pullCommit(temp.repository, source, 'test/v1', options);
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  );
  assert.equal(counts.at(-1), transferred);
  assert.equal(transferred, pulled.traffic?.bodyBytes);
  assert.ok(transferred > 40_000, `${transferred} bytes`);
});

function treeOf(repository: Repository, { imageId }: PulledCommit): Tree {
  assert.ok(imageId !== undefined);
  return readTree(repository.images.read(imageId).bytes);
}

function namesOf(tree: Tree): string[] {
  return sortedNames(tree.root);
}

test('a local repository that has only deltas is refused with a hint, and serves a pull that requires deltas', async () => {
  using other = unpackOstree('mini');
  using temp = await makeTempRepository();
  const path = join(other.path, 'fxmini/r-deltas');
  const source = { kind: 'local', path } as const;
  for (const file of globSync(`${path}/objects/*/*`)) rmSync(file);
  await assert.rejects(pullCommit(temp.repository, source, 'test/main'), {
    code: 'OSTREE_OBJECT_MISSING',
    hint: /--require-delta/,
  });
  const pulled = await pullCommit(temp.repository, source, 'test/main', { deltas: 'require' });
  assert.equal(pulled.counts.filesFetched, 0);
  assert.notEqual(pulled.delta, undefined);
});
