import { deepEqual, equal } from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import { type ErofsFormats, initRepository, type Repository } from '#stores/composefs';
import { openOciImage, resolveImageId } from '#work/image';
import { pullImage } from '#work/pull-image';
import { runCli } from '../../../test/support/run-cli.ts';
import { makeMemoryDir } from '../../../test/support/temp-dir.ts';
import { writeTinyImage } from '../../../test/support/tiny-images.ts';
import { createNamedImage, ensureNamedImage, findNamed, openNamedView } from './index.ts';

/** A repository with an image. */
async function withImage(
  work: (place: { readonly path: string; readonly repository: Repository }) => Promise<void>,
  formats?: ErofsFormats,
): Promise<void> {
  using temp = makeMemoryDir();
  const path = join(temp.path, 'repo');
  const { reference } = await writeTinyImage(join(temp.path, 'layout'), 'a', [
    { files: { 'usr/': '', 'usr/file': 'content '.repeat(100) } },
  ]);
  const config = { algorithm: 'sha256', insecure: true, ...(formats && { formats }) } as const;
  using repository = (await initRepository(path, config)).repository;
  await pullImage(repository, reference, { name: 'app' });
  await work({ path, repository });
}

const LOSSES: Readonly<Record<string, (path: string, id: ObjectId) => void>> = {
  object: (path, id) => rmSync(join(path, 'objects', objectPath(id))),
  link: (path, id) => rmSync(join(path, 'images', id)),
};

for (const [what, lose] of Object.entries(LOSSES)) {
  test(`reading verbs show an image whose EROFS ${what} is missing, and write nothing`, async () => {
    await withImage(async ({ path, repository }) => {
      const id = resolveImageId(repository, 'app');
      lose(path, id);
      const before = readdirSync(path, { recursive: true }).sort();
      using view = await openNamedView(repository, findNamed(repository, 'app'));
      equal(view.imageId, id);
      deepEqual(
        view.list('/usr' as ByteString).map(({ name }) => name as string),
        ['file'],
      );
      for (const verb of [
        ['ls', 'app', '/usr'],
        ['cat', 'app', '/usr/file'],
        ['stat', 'app', '/usr/file'],
        ['find', 'app', '--name', 'file'],
        ['diff', 'app', 'app'],
        ['image', 'dump', 'app'],
      ]) {
        const run = runCli(verb, { repo: path });
        equal(run.status, 0, run.stderr);
      }
      deepEqual(readdirSync(path, { recursive: true }).sort(), before);
    });
  });

  test(`verbs that need the EROFS image rebuild it when its ${what} is missing`, async () => {
    await withImage(async ({ path, repository }) => {
      const id = resolveImageId(repository, 'app');
      lose(path, id);
      const to = join(path, '..', 'out');
      const run = runCli(['export', 'app', to, '--no-owners'], { repo: path });
      equal(run.status, 0, run.stderr);
      equal(resolveImageId(repository, 'app'), id);
      equal(runCli(['fsck'], { repo: path }).status, 0);
    });
  });
}

test('an image stored in a non-default version is found; image create adds the default version', async () => {
  const formats = { default: 1, extra: [2] } as const;
  await withImage(async ({ path, repository }) => {
    const named = findNamed(repository, 'app');
    const image = openOciImage(repository, 'app');
    const [id, other] = ([1, 2] as const).map((version) => image.imageId(version) as ObjectId);
    rmSync(join(path, 'objects', objectPath(id as ObjectId)));
    deepEqual(await ensureNamedImage(repository, named), { imageId: other, built: false });
    deepEqual(await createNamedImage(repository, named), { imageId: id, built: true });
  }, formats);
});
