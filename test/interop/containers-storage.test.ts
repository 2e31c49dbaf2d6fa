import assert from 'node:assert/strict';
import {
  appendFileSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '#base/errors';
import { initRepository, type Repository } from '#stores/composefs';
import { exportImage, parseReference } from '#work/export';
import { previewImage } from '#work/preview';
import { parsePlatform, pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { GOLDEN_STORES, type GoldenImage, unpackStore } from '../support/containers-stores.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { makeMemoryDir, makeTempDir, type TempDir } from '../support/temp-dir.ts';

const TOOLS = ['root', 'tool:zstd'] as const;

async function makeRepository(path: string): Promise<Repository> {
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

/** Everything that a reader could change of a tree. */
function stateOf(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'buffer' })
    .map((name) => {
      const { mode, size, mtimeMs, ctimeMs, ino } = lstatSync(
        Buffer.concat([Buffer.from(`${path}/`), name]),
      );
      return `${name.toString('latin1')} ${mode} ${size} ${mtimeMs} ${ctimeMs} ${ino}`;
    })
    .sort();
}

function choiceOf({ platform }: GoldenImage) {
  return platform === undefined ? {} : { platform: parsePlatform(platform) };
}

/** Stores on a filesystem that may have devices and trusted attributes. */
function makeStores(t: TestContext): TempDir | undefined {
  return needs(t, ...TOOLS) ? makeTempDir() : undefined;
}

for (const [name, { images }] of Object.entries(GOLDEN_STORES)) {
  if (images.length === 0) continue;
  test(`every image of the store "${name}" has the ids of a pull from a layout, and the store is not changed`, async (t) => {
    using stores = makeStores(t);
    if (stores === undefined) return;
    using _leaks = watchDescriptors();
    using temp = makeMemoryDir();
    const store = unpackStore(name, stores.path);
    const before = stateOf(stores.path);
    using taken = await makeRepository(join(temp.path, 'taken'));
    using pulled = await makeRepository(join(temp.path, 'pulled'));
    for (const image of images.filter(({ layerChain }) => layerChain.length > 0)) {
      const { id, manifest, config, diffIds } = image;
      const tag = id.slice(0, 12);
      const choice = choiceOf(image);
      const reference = `containers-storage:${store}@${id}`;
      const found = await pullImage(taken, reference, { name: tag, ...choice });
      assert.equal(found.manifestDigest, manifest);
      assert.equal(found.configDigest, config);
      assert.deepEqual(
        found.layers.map(({ diffId }) => diffId),
        diffIds,
      );
      const layout = `oci:${join(temp.path, 'layout')}:${tag}`;
      const target = parseReference(layout);
      assert.ok('path' in target && target.transport === 'oci');
      await exportImage(taken, tag, target, { compression: 'none' });
      const expected = await pullImage(pulled, layout, choice);
      assert.equal(found.imageId, expected.imageId);
      assert.deepEqual(
        found.layers.map(({ streamId }) => streamId),
        expected.layers.map(({ streamId }) => streamId),
      );
      await using preview = await previewImage(reference, { algorithm: 'sha256', ...choice });
      assert.equal(preview.view.imageId, found.imageId);
    }
    assert.deepEqual(stateOf(stores.path), before);
  });
}

test('a manifest list resolves to the image of the platform', async (t) => {
  using stores = makeStores(t);
  if (stores === undefined) return;
  using temp = makeMemoryDir();
  const store = unpackStore('manifest-list', stores.path);
  using repository = await makeRepository(temp.path);
  const { images } = GOLDEN_STORES['manifest-list'] ?? assert.fail();
  for (const image of images.filter(({ diffIds }) => diffIds !== undefined)) {
    const report = await pullImage(
      repository,
      `containers-storage:${store}localhost/list:1`,
      choiceOf(image),
    );
    assert.equal(report.manifestDigest, image.manifest);
  }
});

test('names are resolved as podman resolves them, and the error of an unknown name lists the known ones', async (t) => {
  using stores = makeStores(t);
  if (stores === undefined) return;
  using temp = makeMemoryDir();
  const store = unpackStore('two-names-dangling', stores.path);
  using repository = await makeRepository(temp.path);
  const pull = async (name: string) => {
    return (await pullImage(repository, `containers-storage:${store}${name}`)).configDigest;
  };
  const config = `sha256:${GOLDEN_STORES['two-names-dangling']?.images.find(({ names }) => names.includes('localhost/two:1'))?.id}`;
  for (const name of [
    'localhost/two:1',
    'two:1',
    'example.com/x/y:z',
    'y:z',
    'gz-sh1',
    '127.0.0.1:5600/gz-sh1',
    config.slice(7),
    config.slice(7, 20),
    `@${config.slice(7)}`,
  ]) {
    assert.equal(await pull(name), config, name);
  }
  await assert.rejects(pull('localhost/none'), (error) => hasCode(error, 'TAG_NOT_FOUND'));
  await assert.rejects(pull('two'), (error) => hasCode(error, 'TAG_NOT_FOUND'));
  const [byDigest = assert.fail()] =
    GOLDEN_STORES['two-names-dangling']?.images
      .flatMap(({ names }) => names)
      .filter((name) => name.includes('@sha256:')) ?? [];
  assert.ok((await pull(byDigest)).startsWith('sha256:'));
});

test('a pull from an additional image store without tar-splits is refused', async (t) => {
  using stores = makeStores(t);
  if (stores === undefined) return;
  using temp = makeMemoryDir();
  unpackStore('imagestore-split', stores.path);
  using repository = await makeRepository(temp.path);
  const [image = assert.fail()] = GOLDEN_STORES['imagestore-split']?.images ?? [];
  await assert.rejects(
    pullImage(repository, `containers-storage:[${stores.path}/image]@${image.id}`),
    (error) => hasCode(error, 'TAR_SPLIT_MISSING'),
  );
});

test('damaged records, documents, tar-splits and files are refused by name, and other images can be read', async (t) => {
  using stores = makeStores(t);
  if (stores === undefined) return;
  const store = unpackStore('shared-layers', stores.path);
  const root = join(stores.path, 'root');
  const images = GOLDEN_STORES['shared-layers']?.images ?? [];
  const pull = async ({ id }: GoldenImage) => {
    using own = makeMemoryDir();
    using repository = await makeRepository(own.path);
    return await pullImage(repository, `containers-storage:${store}@${id}`);
  };
  const [small = assert.fail(), other = assert.fail()] = [...images].sort(
    (a, b) => a.layerChain.length - b.layerChain.length,
  );
  const records = join(root, 'overlay-images/images.json');
  const text = readFileSync(records, 'utf8');
  const damages: [what: string, code: string, damage: () => () => void][] = [
    [
      'a record that is no object',
      'TAG_NOT_FOUND',
      () => replace(records, text.replace(`{"id":"${other.id}"`, `{"id":7`)),
    ],
    [
      'a manifest that is missing',
      'BLOB_NOT_FOUND',
      () => hide(join(root, 'overlay-images', other.id, 'manifest')),
    ],
    [
      'a manifest of other bytes',
      'BLOB_DIGEST_MISMATCH',
      () => append(join(root, 'overlay-images', other.id, 'manifest')),
    ],
    ['a layer that was removed', 'STORE_LAYER_GONE', () => hide(join(root, 'overlay', top(other)))],
    ['a tar-split that is missing', 'TAR_SPLIT_MISSING', () => hide(tarSplit(other))],
    ['a tar-split that is cut', 'TAR_SPLIT_INVALID', () => cut(tarSplit(other))],
    [
      'a tar-split of another layer',
      'DIFF_ID_MISMATCH',
      () => replace(tarSplit(other), readFileSync(tarSplit(small))),
    ],
  ];
  function top({ layerChain }: GoldenImage): string {
    return layerChain.at(-1) ?? '';
  }
  function tarSplit(image: GoldenImage): string {
    return join(root, 'overlay-layers', `${top(image)}.tar-split.gz`);
  }
  assert.equal((await pull(other)).configDigest, other.config);
  for (const [what, code, damage] of damages) {
    const undo = damage();
    await assert.rejects(pull(other), (error) => {
      return (
        hasCode(error, code as 'TAG_NOT_FOUND') ||
        (hasCode(error, 'TAR_SPLIT_CONTENT_MISMATCH') && code === 'DIFF_ID_MISMATCH') ||
        assert.fail(`${what}: ${error}`)
      );
    });
    assert.equal((await pull(small)).configDigest, small.config, what);
    undo();
  }
  const file =
    readdirSync(join(root, 'overlay', top(other), 'diff'), { recursive: true, encoding: 'utf8' })
      .map((name) => join(root, 'overlay', top(other), 'diff', name))
      .find((path) => lstatSync(path).isFile() && lstatSync(path).size > 100) ?? assert.fail();
  const content = readFileSync(file);
  content[50] = (content[50] ?? 0) ^ 1;
  writeFileSync(file, content);
  await assert.rejects(pull(other), (error) => hasCode(error, 'DIFF_ID_MISMATCH'));
  appendFileSync(file, 'x');
  await assert.rejects(pull(other), (error) => hasCode(error, 'TAR_SPLIT_CONTENT_MISMATCH'));
  rmSync(file);
  await assert.rejects(pull(other), (error) => hasCode(error, 'TAR_SPLIT_CONTENT_MISMATCH'));
});

function replace(path: string, bytes: string | Uint8Array): () => void {
  const old = readFileSync(path);
  writeFileSync(path, bytes);
  return () => writeFileSync(path, old);
}

function append(path: string): () => void {
  return replace(path, Buffer.concat([readFileSync(path), Buffer.from(' ')]));
}

function cut(path: string): () => void {
  const old = readFileSync(path);
  truncateSync(path, old.length - 20);
  return () => writeFileSync(path, old);
}

function hide(path: string): () => void {
  renameSync(path, `${path}.hidden`);
  return () => renameSync(`${path}.hidden`, path);
}
