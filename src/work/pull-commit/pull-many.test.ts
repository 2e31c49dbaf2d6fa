import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { STRING, variantOf } from '#formats/gvariant';
import {
  deltaPartPath,
  encodeMetadataDict,
  encodeTombstone,
  partialStreamName,
} from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import {
  COMMITMETA_REF,
  computeCommitImageId,
  dumpCommit,
  ensureCommitImage,
  findEntry,
  listCommitRefs,
  listEntries,
  openStored,
  readEntry,
  readHistory,
  tryOpenCommit,
  untagCommit,
} from '#work/commits';
import { exportCommit } from '#work/export-commit';
import { FakeHttp } from '../../../test/support/fake-http.ts';
import { type OstreeFixture, unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeTempRepository } from '../../../test/support/ostree-stored.ts';
import { type PullCommitOptions, planPullCommits, pullCommit, pullCommits } from './index.ts';

const V1 = '79d9d05b31df53eae8e3162e0699c649b2ff5c508049ac12de545eca21649790' as OstreeChecksum;
const V2 = 'fcb201bafc6ad0c6970574cc5a21d4ef7b19f80a147e0efe161dcceef123e19b' as OstreeChecksum;
const QUICK = { retry: { baseMs: 1, capMs: 4 } };
const PLAIN = { workers: 0, deltas: 'never' } as const;

let fixture: OstreeFixture;
let server: FakeHttp;
before(async () => {
  fixture = unpackOstree('mini');
  server = await FakeHttp.start({ root: fixture.path });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  fixture[Symbol.dispose]();
});

/** A repository of the fixtures, over HTTP or on the disk. */
function sourceOf(kind: 'remote' | 'local', name: string) {
  return kind === 'remote'
    ? ({ kind, url: `${server.url}/fxmini/${name}`, http: QUICK } as const)
    : ({ kind, path: join(fixture.path, 'fxmini', name) } as const);
}

/** A copy of the archive without its first commit. */
function withoutFirstCommit(name: string): { readonly path: string; readonly name: string } {
  const path = join(fixture.path, 'fxmini', name);
  cpSync(join(fixture.path, 'fxmini/r-archive'), path, { recursive: true });
  rmSync(join(path, `objects/${V1.slice(0, 2)}/${V1.slice(2)}.commit`));
  return { path, name };
}

function refsOf(repository: Repository): (readonly [string, OstreeChecksum])[] {
  return listCommitRefs(repository).map(({ name, commit }) => [name, commit] as const);
}

function linksOf(repository: Repository, folder: string): string[] {
  return repository.refs.list('streams', folder).map(({ name, target }) => `${name} ${target}`);
}

for (const kind of ['remote', 'local'] as const) {
  test(`several refs of a ${kind} repository are pulled in one call, and each object is requested once`, async () => {
    using temp = await makeTempRepository();
    await server.reset();
    const targets = ['test/v1', 'test/main', `mine@${V1}`, V2, 'test/v1'];
    const { commits } = await pullCommits(
      temp.repository,
      sourceOf(kind, 'r-archive'),
      targets,
      PLAIN,
    );
    assert.deepEqual(
      commits.map(({ ref, commit }) => [ref, commit]),
      [
        ['test/v1', V1],
        ['test/main', V2],
        ['mine', V1],
        [undefined, V2],
      ],
    );
    assert.deepEqual(refsOf(temp.repository), [
      ['mine', V1],
      ['test/main', V2],
      ['test/v1', V1],
    ]);
    const paths = (await server.read()).log.map(({ path }) => path);
    const objects = paths.filter((path) => path.includes('/objects/'));
    assert.equal(new Set(objects).size, objects.length, 'no object twice');
    using other = await makeTempRepository();
    const alone = await pullCommit(
      other.repository,
      sourceOf(kind, 'r-archive'),
      'test/main',
      PLAIN,
    );
    assert.deepEqual([commits[1]?.streamId, commits[1]?.imageId], [alone.streamId, alone.imageId]);
  });

  test(`a mirror pull of a ${kind} repository pulls all its refs`, async () => {
    using temp = await makeTempRepository();
    const source = sourceOf(kind, 'r-deltas');
    const plan = await planPullCommits(temp.repository, source, 'all', {});
    assert.deepEqual(plan.map(({ ref, isPresent }) => [ref, isPresent]).sort(), [
      ['test/main', false],
      ['test/v1', false],
    ]);
    await pullCommits(temp.repository, source, 'all', PLAIN);
    assert.deepEqual(refsOf(temp.repository), [
      ['test/main', V2],
      ['test/v1', V1],
    ]);
  });

  test(`a depth pulls ancestors from a ${kind} repository, and they stay stored until the ref is removed`, async () => {
    using temp = await makeTempRepository();
    const { repository } = temp;
    const pull = (depth: number) =>
      pullCommit(repository, sourceOf(kind, 'r-archive'), 'test/main', { ...PLAIN, depth });
    const none = await pull(0);
    assert.equal(none.history, undefined);
    assert.equal(tryOpenCommit(repository, V1), undefined);
    const one = await pull(1);
    assert.deepEqual([one.wasPresent, one.history?.end], [true, 'depth']);
    assert.deepEqual(
      one.history?.commits.map(({ commit, wasPresent }) => [commit, wasPresent]),
      [[V1, false]],
    );
    const all = await pull(-1);
    assert.deepEqual([all.history?.end, all.history?.commits.length], ['root', 1]);
    assert.deepEqual(linksOf(repository, 'ostree-history'), [
      `test%2Fmain/${V1} ostree-commit-${V1}`,
    ]);
    assert.deepEqual(refsOf(repository), [['test/main', V2]]);
    untagCommit(repository, 'test/main');
    assert.deepEqual(linksOf(repository, 'ostree-history'), []);
  });
}

test('history ends at an ancestor that the source lacks, and a tombstone gives the reason', async () => {
  const lacking = withoutFirstCommit('r-lacking');
  for (const [hasTombstone, end] of [
    [false, 'missing'],
    [true, 'deleted'],
  ] as const) {
    if (hasTombstone) {
      const config = join(lacking.path, 'config');
      writeFileSync(config, `${readFileSync(config, 'latin1')}\ntombstone-commits=true\n`);
      const path = `objects/${V1.slice(0, 2)}/${V1.slice(2)}.tombstone-commit`;
      writeFileSync(join(lacking.path, path), encodeTombstone(V1));
    }
    for (const kind of ['remote', 'local'] as const) {
      using temp = await makeTempRepository();
      const options = { ...PLAIN, depth: -1 };
      const source = sourceOf(kind, lacking.name);
      const pulled = await pullCommit(temp.repository, source, 'test/main', options);
      assert.deepEqual(pulled.history, { commits: [], end, missing: V1 });
      assert.deepEqual(refsOf(temp.repository), [['test/main', V2]]);
    }
  }
});

test('a pull of several refs sets none if one fails, and keeps fetched objects for the next pull', async () => {
  const lacking = withoutFirstCommit('r-half');
  using temp = await makeTempRepository();
  const { repository } = temp;
  const pull = (...targets: string[]) =>
    pullCommits(repository, sourceOf('remote', lacking.name), targets, PLAIN);
  await assert.rejects(pull('test/main', 'test/v1'), { code: 'OSTREE_OBJECT_MISSING' });
  assert.deepEqual(refsOf(repository), []);
  await assert.rejects(pull('test/main', 'test/none'), { code: 'OSTREE_REF_NOT_FOUND' });
  await assert.rejects(pull('x', `x@${V2}`, 'test/main'), { code: 'OSTREE_REF_NOT_FOUND' });
  await assert.rejects(pull('test/main', `test/main@${V1}`), { code: 'OSTREE_REF_AMBIGUOUS' });
  const { commits } = await pull('test/main');
  assert.equal(commits[0]?.wasPresent, true);
  assert.deepEqual(refsOf(repository), [['test/main', V2]]);
});

test('a pull of the commit object stores a partial commit, which subpaths and a full pull complete', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const pull = (options: PullCommitOptions) =>
    pullCommit(repository, sourceOf('remote', 'r-archive'), 'test/main', { ...PLAIN, ...options });
  await server.reset();
  const bare = await pull({ commitOnly: true, depth: -1 });
  assert.deepEqual([bare.imageId, bare.subpaths, bare.history?.end], [undefined, [], 'root']);
  const { log } = await server.read();
  const objects = log.filter(({ path, status }) => path.includes('/objects/') && status === 200);
  assert.equal(objects.length, 2, 'two commit objects');
  assert.equal(tryOpenCommit(repository, V2), undefined);
  assert.deepEqual(linksOf(repository, 'ostree-partial'), [`test%2Fmain ${partialStreamName(V2)}`]);
  assert.deepEqual(
    readHistory(repository, 'test/main').commits.map(({ checksum }) => checksum),
    [V2, V1],
  );
  const paths = await pull({ subpaths: ['/sort'] });
  assert.deepEqual(paths.subpaths, ['/sort']);
  assert.deepEqual((await pull({ commitOnly: true })).subpaths, ['/sort'], 'nothing is taken away');
  const whole = await pull({});
  assert.equal(whole.subpaths, undefined);
  assert.deepEqual((await pull({ commitOnly: true })).imageId, whole.imageId);
  assert.deepEqual(linksOf(repository, 'ostree-partial'), []);
  assert.deepEqual(linksOf(repository, 'ostree-history'), [
    `test%2Fmain/${V1} ${partialStreamName(V1)}`,
  ]);
});

test('a subpath that the commit lacks is reported also below a stored path', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const pull = (...subpaths: string[]) =>
    pullCommit(repository, sourceOf('remote', 'r-archive'), 'test/v1', { ...PLAIN, subpaths });
  await assert.rejects(pull('/sort', '/sort/none'), { code: 'OSTREE_PATH_NOT_FOUND' });
  await pull('/sort');
  await assert.rejects(pull('/sort/none'), { code: 'OSTREE_PATH_NOT_FOUND' });
  await assert.rejects(pull('/hello.txt/x'), { code: 'OSTREE_PATH_NOT_FOUND' });
  assert.deepEqual((await pull('/sort/a.b')).subpaths, ['/sort']);
  await assert.rejects(pull('/', '/none'), { code: 'OSTREE_PATH_NOT_FOUND' });
  await pull('/');
  await assert.rejects(pull('/none'), { code: 'OSTREE_PATH_NOT_FOUND' });
  await assert.rejects(pull('/sort/../none'), { code: 'OSTREE_NAME_INVALID' });
});

for (const [name, from] of [
  ['r-deltas', undefined],
  ['r-deltas', 'test/v1'],
  ['r-summary-nodeltas', 'test/v1'],
  ['r-deltas-fallback', 'test/v1'],
] as const) {
  test(`a delta of the local ${name} from ${from ?? 'nothing'} is used only on request, with the same result`, async () => {
    using temp = await makeTempRepository();
    const { repository } = temp;
    const archive = sourceOf('local', 'r-archive');
    if (from !== undefined) await pullCommit(repository, archive, from, PLAIN);
    using other = await makeTempRepository();
    const auto = await pullCommit(other.repository, sourceOf('local', name), 'test/main', {
      workers: 0,
    });
    assert.equal(auto.delta, undefined);
    const pulled = await pullCommit(repository, sourceOf('local', name), 'test/main', {
      workers: 0,
      deltas: 'require',
    });
    assert.equal(pulled.delta?.name, from === undefined ? V2 : `${V1}-${V2}`);
    assert.deepEqual([pulled.streamId, pulled.imageId], [auto.streamId, auto.imageId]);
  });
}

test('a pull that requires deltas refuses a local repository whose delta is missing or damaged', async () => {
  using temp = await makeTempRepository();
  const pull = (name: string) =>
    pullCommit(temp.repository, sourceOf('local', name), 'test/main', {
      workers: 0,
      deltas: 'require',
    });
  await assert.rejects(pull('r-archive'), { code: 'OSTREE_DELTA_NOT_FOUND' });
  const damaged = join(fixture.path, 'fxmini/r-damaged-delta');
  cpSync(join(fixture.path, 'fxmini/r-deltas'), damaged, { recursive: true });
  const part = join(damaged, deltaPartPath({ from: undefined, to: V2 }, 0));
  const bytes = readFileSync(part);
  bytes.writeUInt8((bytes[100] ?? 0) ^ 1, 100);
  writeFileSync(part, bytes);
  await assert.rejects(pull('r-damaged-delta'), { code: 'OSTREE_DELTA_CHECKSUM_MISMATCH' });
  assert.deepEqual(refsOf(temp.repository), []);
});

test('a commit older than a named commit, or than the current commit object, is refused', async () => {
  using temp = await makeTempRepository();
  const { repository } = temp;
  const source = sourceOf('local', 'r-archive');
  const pull = (target: string, options: PullCommitOptions) =>
    pullCommit(repository, source, target, { ...PLAIN, ...options });
  await assert.rejects(pull(`x@${V1}`, { trust: { notOlderThan: V2 } }), {
    code: 'OSTREE_COMMIT_NOT_FOUND',
  });
  await pull(`x@${V2}`, { commitOnly: true });
  for (const notOlderThan of [V2, 'current'] as const) {
    await assert.rejects(pull(`x@${V1}`, { trust: { notOlderThan } }), {
      code: 'OSTREE_DOWNGRADE',
    });
  }
  // Ancestors are older by nature.
  const { history } = await pull(`x@${V2}`, { depth: 1, trust: { notOlderThan: V2 } });
  assert.equal(history?.commits.length, 1);
});

test('a pull of a stored commit reads its detached metadata again, and a change of it rewrites the stream', async () => {
  const path = join(fixture.path, 'fxmini/r-detached');
  cpSync(join(fixture.path, 'fxmini/r-archive'), path, { recursive: true });
  const file = join(path, `objects/${V1.slice(0, 2)}/${V1.slice(2)}.commitmeta`);
  using temp = await makeTempRepository();
  const { repository } = temp;
  const keep = async (text: string) => {
    const detached = encodeMetadataDict([['note', variantOf(STRING, text)]]);
    writeFileSync(file, detached);
    await server.reset();
    const options = { ...PLAIN, keepDetached: true };
    const pulled = await pullCommit(repository, sourceOf('remote', 'r-detached'), V1, options);
    const kept = tryOpenCommit(repository, V1)?.namedRefs.get(COMMITMETA_REF);
    assert.ok(kept !== undefined);
    assert.deepEqual(Buffer.from(repository.objects.read(kept, 1000)), Buffer.from(detached));
    const { log } = await server.read();
    const objects = log.filter(({ path: asked }) => /\.(?:filez|dirtree|dirmeta)$/.test(asked));
    return { pulled, objects: objects.length };
  };
  const first = await keep('one');
  assert.ok(first.objects > 40);
  const same = await keep('one');
  assert.deepEqual([same.pulled.wasPresent, same.objects], [true, 0]);
  const changed = await keep('two');
  assert.deepEqual([changed.pulled.wasPresent, changed.objects], [false, 0]);
  assert.equal(changed.pulled.imageId, first.pulled.imageId);
});

test('a partial commit is opened, listed, read, dumped and exported as far as it is stored', async () => {
  using temp = await makeTempRepository();
  const { repository, path } = temp;
  const source = sourceOf('local', 'r-archive');
  await pullCommit(repository, source, 'test/main', { ...PLAIN, subpaths: ['/sort', '/dup1'] });
  const stored = openStored(repository, 'test/main');
  assert.deepEqual(stored.subpaths, ['/dup1', '/sort']);
  const listed = [...listEntries(stored, '/', { recursive: true })].map((one) => String(one.path));
  assert.ok(listed.includes('/dup1') && listed.some((one) => one.startsWith('/sort/')));
  assert.ok(!listed.includes('/mode'));
  assert.ok([...readEntry(repository, stored, '/dup1')].length > 0);
  assert.throws(() => findEntry(stored, '/mode'), { code: 'OSTREE_PATH_NOT_FOUND' });
  const { imageId } = await ensureCommitImage(repository, 'test/main');
  assert.equal(imageId, stored.imageId);
  assert.equal(await computeCommitImageId(repository, V2), imageId);
  assert.match(Buffer.from(await dumpCommit(repository, 'test/main')).toString(), /\n\/sort /);
  const report = await exportCommit(repository, 'test/main', `${path}/out`, {
    createMode: 'archive',
  });
  assert.deepEqual(report.subpaths, stored.subpaths);
  using repo = openOstreeRepo(`${path}/out`);
  assert.notEqual(repo.state.partialReason(V2), undefined);
  assert.ok(repo.has('commit', V2));
  using other = await makeTempRepository();
  await pullCommit(other.repository, source, 'test/main', { ...PLAIN, commitOnly: true });
  const bare = openStored(other.repository, 'test/main');
  assert.deepEqual(bare.subpaths, []);
  assert.throws(() => findEntry(bare, '/'), { code: 'OSTREE_PATH_NOT_FOUND' });
  await assert.rejects(ensureCommitImage(other.repository, 'test/main'), {
    code: 'OSTREE_OBJECT_MISSING',
  });
});
