import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { parseObjectId } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import { initRepository, planGc, type Repository } from '#stores/composefs';
import { openOstreeRepo } from '#stores/ostree';
import { findPlaces, placeOf } from '#work/account';
import { findNamed, openNamedView } from '#work/catalog';
import { openOciImage, resolveImageId, tagImage, untagImage } from '#work/image';
import { pullImage } from '#work/pull-image';
import { needs } from '../../../test/support/capability.ts';
import { unpackStore, writeSmallStore } from '../../../test/support/containers-stores.ts';
import { unpackOstree } from '../../../test/support/ostree-fixture.ts';
import { makeMemoryDir } from '../../../test/support/temp-dir.ts';
import { writeTinyImage } from '../../../test/support/tiny-images.ts';
import { explain } from './index.ts';

const SHARED = 'the same in both '.repeat(20);
const LOOSE = 'of the second alone '.repeat(20);

/** Two images that share a layer; the second one has lost its name. */
async function withImages(
  work: (repository: Repository, path: string) => Promise<void>,
): Promise<void> {
  using temp = makeMemoryDir();
  const path = join(temp.path, 'repo');
  const config = { algorithm: 'sha256', insecure: true } as const;
  using repository = (await initRepository(path, config)).repository;
  const shared = { files: { 'usr/': '', 'usr/shared': SHARED } };
  const both = [
    ['app', [shared]],
    ['gone', [shared, { files: { 'usr/loose': LOOSE } }]],
  ] as const;
  for (const [name, layers] of both) {
    const { reference } = await writeTinyImage(join(temp.path, name), 'a', [...layers]);
    await pullImage(repository, reference, { name });
  }
  await work(repository, path);
}

async function ask(path: string, thing: string, ...paths: string[]) {
  const stores = [await placeOf(path)];
  const { things, unseen } = await explain({ thing, paths, stores, sysroot: join(path, 'none') });
  deepEqual(unseen, []);
  return things;
}

/** Chains as `tag app -> manifest -> …`, names of roots and files only. */
function shapes({ chains }: Awaited<ReturnType<typeof ask>>[number]): string[] {
  const named = ['tag', 'name', 'ref', 'file', 'container', 'record'];
  return chains
    .map(({ steps }) =>
      steps.map(({ kind, name }) => (named.includes(kind) ? `${kind} ${name}` : kind)).join(' > '),
    )
    .sort();
}

test('the chains of an object lead through manifest, config, layer and image, and end with its path', async () => {
  await withImages(async (repository, path) => {
    untagImage(repository, 'gone');
    using view = await openNamedView(repository, findNamed(repository, 'app'));
    const id = view.stat('/usr/shared' as ByteString).objectId ?? '';
    const expected = [
      'tag app > manifest > config > erofs > file /usr/shared > object',
      'tag app > manifest > config > layer > object',
      'tag app > manifest > layer > object',
    ];
    for (const asked of [
      id,
      id.slice(0, 8),
      join(path, 'objects', objectPath(parseObjectId(id))),
    ]) {
      const [thing, ...others] = await ask(path, asked);
      ok(thing !== undefined && others.length === 0, asked);
      deepEqual([thing.kind, thing.name, thing.isKept, thing.isStored], ['object', id, true, true]);
      deepEqual(shapes(thing), expected, asked);
    }
    const [file] = await ask(path, 'app', '/usr/shared');
    equal(file?.kind, 'file');
    ok(file?.chains.every(({ steps }) => steps.at(-1)?.name === '/usr/shared'));
  });
});

test('why reports as kept exactly the objects that gc keeps', async () => {
  await withImages(async (repository, path) => {
    untagImage(repository, 'gone');
    const garbage = new Set((await planGc(repository)).objects.map(({ id }) => id));
    const all = [...repository.objects.list()].map(({ id }) => id);
    ok(garbage.size > 3 && garbage.size < all.length);
    for (const id of all) {
      const [thing] = await ask(path, id);
      equal(thing?.isKept, !garbage.has(id), id);
      // Of the garbage, it says what refers to it.
      ok(thing?.kind !== 'object' || thing.chains.length > 0, id);
    }
  });
});

test('why finds digests, streams, image ids, names and files of the repository', async () => {
  await withImages(async (repository, path) => {
    const { manifestDigest, manifest, layers } = openOciImage(repository, 'app');
    tagImage(repository, 'app', 'twin');
    const diffId = layers[0]?.diffId ?? '';
    const imageId = resolveImageId(repository, 'app');
    const cases: readonly (readonly [asked: string, kind: string])[] = [
      ['app', 'manifest'],
      [manifestDigest, 'manifest'],
      [`@${manifestDigest}`, 'manifest'],
      [manifestDigest.slice(0, 20), 'manifest'],
      [`oci-manifest-${manifestDigest}`, 'manifest'],
      [join(path, 'streams', `oci-manifest-${manifestDigest}`), 'manifest'],
      [join(path, 'streams/refs/oci/app'), 'manifest'],
      [manifest.config.digest, 'config'],
      [diffId, 'layer'],
      [imageId, 'erofs'],
      [join(path, 'images', imageId), 'erofs'],
    ];
    for (const [asked, kind] of cases) {
      const [thing, ...others] = await ask(path, asked);
      deepEqual([thing?.kind, others.length], [kind, 0], asked);
      const roots = new Set(
        thing?.chains.map(({ steps }) => `${steps[0]?.kind} ${steps[0]?.name}`),
      );
      const tags = kind === 'layer' ? ['tag app', 'tag gone', 'tag twin'] : ['tag app', 'tag twin'];
      deepEqual([...roots].sort(), tags, asked);
    }
    const [record] = await ask(path, join(path, 'meta.json'));
    deepEqual([record?.kind, record?.isKept], ['record', true]);
    await rejects(ask(path, 'nothing'), { code: 'IMAGE_NOT_FOUND' });
    await rejects(ask(path, 'ffffffff'), { code: 'IMAGE_NOT_FOUND' });
    const file = relative('', import.meta.filename);
    await rejects(ask(path, file), { hint: `For the file of this path: onecopy why ./${file}` });
    await rejects(ask(path, join(path, 'absent')), { code: 'TREE_PATH_NOT_FOUND' });
    await rejects(ask(path, '/proc/self/status'), { code: 'STORE_NOT_FOUND' });
    await rejects(ask(path, '/'), { code: 'STORE_NOT_FOUND' });
    await rejects(ask(path, 'app', '/none'), { code: 'TREE_PATH_NOT_FOUND' });
  });
});

test('why explains a missing object by what needs it, and reports damage', async () => {
  await withImages(async (repository, path) => {
    const { layers } = openOciImage(repository, 'app');
    const layerId = layers[0]?.id;
    ok(layerId !== undefined);
    rmSync(join(path, 'objects', objectPath(layerId)));
    const [thing] = await ask(path, layerId);
    deepEqual([thing?.isStored, thing?.isKept], [false, true]);
    const config = repository.streams.list().find(({ name }) => name.startsWith('oci-config'))?.id;
    ok(config !== undefined);
    repository.root.chmod(`objects/${objectPath(config)}`, 0o600);
    using file = repository.root.openFile(`objects/${objectPath(config)}`, 2);
    const { truncate } = await import('#host');
    truncate(file, 200);
    const stores = [await placeOf(path)];
    const { unseen } = await explain({ thing: 'app', paths: [], stores, sysroot: '/none' });
    ok(unseen.some(({ problem }) => problem.includes(config)));
  });
});

test('why finds names, containers and files of containers-storage', async (t) => {
  using temp = makeMemoryDir();
  const graph = join(temp.path, 'graph');
  const id = writeSmallStore(graph, 'localhost/app:1', [{ name: 'file', content: SHARED }]);
  const [layer = ''] = readdirSync(join(graph, 'overlay')).filter((name) => name.length === 64);
  for (const asked of ['localhost/app:1', 'app:1', id, id.slice(0, 9), `sha256:${id}`]) {
    const [thing] = await ask(graph, asked);
    deepEqual([thing?.kind, thing?.name], ['image', id], asked);
    deepEqual(thing && shapes(thing), ['name localhost/app:1 > image'], asked);
  }
  const path = `overlay/${layer}/diff/file`;
  const [file] = await ask(graph, join(graph, path));
  deepEqual(file && shapes(file), [`name localhost/app:1 > image > layer > file ${path}`]);
  const [record] = await ask(graph, join(graph, 'overlay-images/images.json'));
  deepEqual(record && shapes(record), ['record overlay-images/images.json']);
  if (!needs(t, 'root')) return;
  unpackStore('commit', temp.path);
  const base = '25b43ebe2af0cf7101eb6c4d51f201e6a4c1fac7356efcabf4f9789bca235906';
  const things = await ask(join(temp.path, 'root'), base);
  deepEqual(
    things.map(({ kind }) => kind),
    ['layer'],
  );
  const roots = new Set(things[0]?.chains.map(({ steps }) => `${steps[0]?.kind}`));
  deepEqual([...roots].sort(), ['container', 'name']);
});

test('why finds refs, commits, files and directories of an OSTree repository', async () => {
  using fixture = unpackOstree('mini');
  const path = join(fixture.path, 'fxmini/r-archive');
  using repo = openOstreeRepo(path);
  const tip = repo.refs.read('test/main') ?? '';
  const [commit] = await ask(path, 'test/main');
  deepEqual([commit?.kind, commit?.name, commit?.isKept], ['commit', tip, true]);
  ok(commit !== undefined && shapes(commit).includes('ref test/main > commit'));
  let kept = 0;
  for (const [at, { kind, checksum }] of [...repo.listObjects()].entries()) {
    if (at % 7 > 0) continue;
    const [thing] = await ask(path, checksum);
    ok(thing?.isStored, checksum);
    if (!thing.isKept) continue;
    kept += 1;
    const [chain] = thing.chains;
    if (kind === 'file') deepEqual(chain?.steps.at(-2)?.kind, 'file');
    equal(chain?.steps[0]?.kind, 'ref');
  }
  ok(kept > 0);
  const name = `objects/${tip.slice(0, 2)}/${tip.slice(2)}.commit`;
  deepEqual((await ask(path, join(path, name)))[0], commit);
  deepEqual((await ask(path, join(path, 'refs/heads/test/main')))[0], commit);
  deepEqual((await ask(path, join(path, 'config')))[0]?.kind, 'record');
});

test('why reports stores of this host that cannot be opened, and does not fail', async () => {
  await withImages(async (_repository, path) => {
    writeFileSync(join(path, 'meta.json'), 'no JSON');
    const stores = (await findPlaces(path)).filter(({ kind }) => kind === 'composefs');
    await rejects(explain({ thing: 'app', paths: [], stores, sysroot: '/none' }), {
      code: 'IMAGE_NOT_FOUND',
    });
  });
});
