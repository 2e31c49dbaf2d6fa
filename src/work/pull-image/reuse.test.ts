import { deepEqual, equal } from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import { checkRepository, initRepository, type Repository } from '#stores/composefs';
import { openImageView } from '#work/browse';
import { checkOciImages } from '#work/check';
import { layerStreamName, openOciImage } from '#work/image';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { type TinyFiles, writeTinyImage } from '../../../test/support/tiny-images.ts';
import { type PullOptions, pullImage } from './index.ts';

const SHARED = 'shared '.repeat(100);
const A: TinyFiles = { 'usr/': '', 'usr/shared': SHARED, 'usr/a': 'a '.repeat(100) };
const B: TinyFiles = { 'usr/': '', 'usr/shared': SHARED, 'usr/b': 'b '.repeat(100) };

interface Place {
  readonly repository: Repository;
  pull(name: 'a' | 'b', options?: PullOptions): ReturnType<typeof pullImage>;
  /** Path of the object behind a file of an image. */
  objectOf(image: string, path: string): Promise<string>;
  readonly isClean: () => Promise<boolean>;
}

async function inRepository(work: (place: Place) => Promise<void>): Promise<void> {
  using temp = makeTempDir();
  const layout = join(temp.path, 'layout');
  const references = {
    a: (await writeTinyImage(layout, 'a', [{ files: A }])).reference,
    b: (await writeTinyImage(layout, 'b', [{ files: B }])).reference,
  };
  const path = join(temp.path, 'repo');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await work({
    repository: open,
    pull: (name, options) => pullImage(open, references[name], { name, ...options }),
    async objectOf(image, file) {
      using view = await openImageView(open, image);
      const { objectId } = view.stat(file as ByteString);
      return join(path, 'objects', objectPath(objectId as ObjectId));
    },
    async isClean() {
      const images = await checkOciImages(open, { content: true, rebuild: true });
      return (await checkRepository(open)).ok && images.ok;
    },
  });
}

test('a pull replaces truncated objects in its own layers and in others, without a check before', async () => {
  await inRepository(async ({ pull, objectOf, isClean }) => {
    await pull('a');
    truncateSync(await objectOf('a', '/usr/shared'), 100);
    await pull('b');
    truncateSync(await objectOf('a', '/usr/a'), 100);
    const { layers } = await pull('a');
    equal(layers[0]?.status, 'imported');
    equal(await isClean(), true);
  });
});

test('an undamaged layer is not read again', async () => {
  await inRepository(async ({ pull }) => {
    await pull('a');
    const status = async (options?: PullOptions) => (await pull('a', options)).layers[0]?.status;
    deepEqual([await status(), await status({ verifyReused: true })], ['present', 'present']);
  });
});

test('a check finds a layer stream under a wrong name, and the next pull reads the layer again', async () => {
  await inRepository(async ({ repository, pull, isClean }) => {
    const b = await pull('b');
    await pull('a');
    const wanted = openOciImage(repository, 'a').layers[0]?.diffId;
    // As another tool leaves it that does not check what it imports.
    for (const name of ['a', 'b']) repository.tags.remove(name);
    repository.streams.register(layerStreamName(wanted as never), b.layers[0]?.streamId as never);
    const believed = await pull('a');
    equal(believed.layers[0]?.status, 'present');
    equal(await isClean(), false);
    const healed = await pull('a');
    equal(healed.layers[0]?.status, 'imported');
    equal(await isClean(), true);
    using view = await openImageView(repository, 'a');
    equal(Buffer.concat([...view.read('/usr/a' as ByteString)]).toString(), A['usr/a']);
  });
});

test('verifyReused finds a layer stream under a wrong name without a check before', async () => {
  await inRepository(async ({ repository, pull, isClean }) => {
    const b = await pull('b');
    await pull('a');
    const wanted = openOciImage(repository, 'a').layers[0]?.diffId;
    repository.streams.register(layerStreamName(wanted as never), b.layers[0]?.streamId as never);
    equal((await pull('a', { verifyReused: true })).layers[0]?.status, 'imported');
    equal(await isClean(), true);
  });
});

test('a pull that replaces damaged objects clears the marks of the check', async () => {
  await inRepository(async ({ repository, pull, objectOf }) => {
    await pull('a');
    const object = await objectOf('a', '/usr/shared');
    truncateSync(object, 1);
    truncateSync(object, SHARED.length);
    await checkRepository(repository);
    const { ids } = repository.suspects.read() as { ids: ReadonlySet<string> };
    equal(ids.size, 1);
    await pull('b');
    equal(readFileSync(object, 'utf8'), SHARED);
    deepEqual(repository.suspects.read(), { ids: new Set(), streams: new Set() });
  });
});
