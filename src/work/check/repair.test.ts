import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { objectPath } from '#formats/fsverity';
import { initRepository, type Repository } from '#stores/composefs';
import { openImageView } from '#work/browse';
import { openOciImage, resolveImageId } from '#work/image';
import { pullImage } from '#work/pull-image';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { writeTinyImage } from '../../../test/support/tiny-images.ts';
import { checkEverything, repairRepository } from './index.ts';

const CONTENT = 'content '.repeat(100);

interface Place {
  readonly path: string;
  readonly repository: Repository;
  readonly reference: string;
  pathOf(id: ObjectId): string;
}

async function withImage(work: (place: Place) => Promise<void>): Promise<void> {
  using temp = makeTempDir();
  const path = join(temp.path, 'repo');
  const { reference } = await writeTinyImage(join(temp.path, 'layout'), 'a', [
    { files: { 'usr/': '', 'usr/file': CONTENT } },
  ]);
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await pullImage(open, reference, { name: 'app' });
  const pathOf = (id: ObjectId) => join(path, 'objects', objectPath(id));
  await work({ path, repository: open, reference, pathOf });
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8((bytes[0] ?? 0) ^ 1, 0);
  writeFileSync(path, bytes);
}

async function fileOf({ repository, pathOf }: Place): Promise<string> {
  using view = await openImageView(repository, 'app');
  return pathOf(view.stat('/usr/file' as ByteString).objectId as ObjectId);
}

test('a finding about an object names the images and paths that use it', async () => {
  await withImage(async (place) => {
    flip(await fileOf(place));
    const { findings } = await checkEverything(place.repository);
    const found = findings.find(({ kind }) => kind === 'object-digest-mismatch');
    deepEqual(found?.usedBy, [{ image: 'app', path: '/usr/file', part: undefined }]);
  });
});

test('repair replaces damaged objects by a pull from the source of the image', async () => {
  await withImage(async (place) => {
    const { repository, reference } = place;
    const file = await fileOf(place);
    flip(file);
    const report = await repairRepository(repository, {
      refetch: async () => void (await pullImage(repository, reference)),
    });
    ok(report.repaired.some(({ kind }) => kind === 'object-digest-mismatch'));
    deepEqual([report.removed, report.after.findings], [[], []]);
    equal(readFileSync(file, 'utf8'), CONTENT);
  });
});

test('repair without a source removes damaged objects and lists the images that used them', async () => {
  await withImage(async (place) => {
    const file = await fileOf(place);
    flip(file);
    const { removed, repaired, after } = await repairRepository(place.repository);
    deepEqual(repaired, []);
    deepEqual(
      removed.map(({ usedBy }) => usedBy),
      [[{ image: 'app', path: '/usr/file', part: undefined }]],
    );
    equal(existsSync(file), false);
    ok(after.findings.every(({ kind }) => kind !== 'object-digest-mismatch'));
    ok(after.findings.some(({ usedBy }) => usedBy.some((use) => use.path === '/usr/file')));
  });
});

for (const [what, damage] of [
  ['is missing', (path: string) => rmSync(path)],
  ['is damaged', flip],
] as const) {
  test(`repair without a source rebuilds an EROFS image that ${what} from its layers`, async () => {
    await withImage(async ({ repository, pathOf }) => {
      const id = resolveImageId(repository, 'app');
      damage(pathOf(id));
      const { after } = await repairRepository(repository);
      deepEqual(after.findings, []);
      equal(resolveImageId(repository, 'app'), id);
    });
  });
}

test('repair restores the missing name of a stream that an image still refers to', async () => {
  await withImage(async ({ path, repository }) => {
    const { layers } = openOciImage(repository, 'app');
    const link = join(path, 'streams', `oci-layer-${layers[0]?.diffId}`);
    rmSync(link);
    equal((await checkEverything(repository)).ok, false);
    const { after } = await repairRepository(repository);
    deepEqual(after.findings, []);
    ok(existsSync(link));
  });
});
