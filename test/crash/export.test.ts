/**
 * An export that dies at any system call leaves the image there whole, or not there, and never damages what the target held before.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '#base/errors';
import { type LocalReference, parsePlatform } from '#formats/oci';
import { openRepository, type Repository } from '#stores/composefs';
import { openImageSource } from '#stores/oci-layout';
import { exportDirectory, exportImage } from '#work/export';
import { runAndDieAt } from '../support/dying.ts';
import { unpackGoldenRepository } from '../support/golden-repo.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const STEPS_MAX = 2000;
/** Changing system calls of the smallest export here (two folders, a file and a hard link), and the run that lives. */
const STEPS_MIN = 11;
const OTHER = fileURLToPath(new URL('../golden/cfsctl/oci/labelled/layout', import.meta.url));
const AMD64 = { platform: parsePlatform('linux/amd64') };

/** Lets the work die at every step in turn, each time in a fresh directory, and inspects what is left. */
async function dieEverywhere(
  prepare: (path: string) => void,
  work: (repository: Repository, path: string) => Promise<unknown>,
  inspect: (path: string, died: boolean) => Promise<void>,
): Promise<void> {
  using temp = makeTempDir();
  const repositoryPath = unpackGoldenRepository('basic/repo-sha256-v1', temp.path);
  let steps = 0;
  for (let died = true; died; steps += 1) {
    ok(steps < STEPS_MAX, 'the operation ends');
    const path = join(temp.path, `${steps}`);
    mkdirSync(path);
    prepare(path);
    using repository = await openRepository(repositoryPath);
    died = await runAndDieAt(steps, async () => void (await work(repository, path)));
    await inspect(path, died);
  }
  ok(steps >= STEPS_MIN, `${steps} steps to die at`);
}

/** Reads an image with all its blobs; false when it is not listed or the source is not there. */
async function isComplete(reference: LocalReference): Promise<boolean> {
  try {
    using source = await openImageSource(reference);
    const { manifest } = source.resolve(AMD64);
    for (const { digest, sizeBytes } of manifest.layers) {
      equal(source.readBlob(digest).length, sizeBytes);
    }
    return true;
  } catch (error) {
    const isAbsent =
      hasCode(error, 'TAG_NOT_FOUND') ||
      hasCode(error, 'IMAGE_SOURCE_NOT_FOUND') ||
      hasCode(error, 'OCI_LAYOUT_INVALID');
    if (!isAbsent) throw error;
    return false;
  }
}

test('a killed export of a second image to a layout keeps the first, and adds the second completely or not at all', async () => {
  const first = (path: string): LocalReference => ({
    transport: 'oci',
    path: `${path}/l`,
    tag: 'latest',
  });
  const second = (path: string): LocalReference => ({
    transport: 'oci',
    path: `${path}/l`,
    tag: 'new',
  });
  await dieEverywhere(
    (path) => cpSync(OTHER, `${path}/l`, { recursive: true }),
    (repository, path) => exportImage(repository, 'img', second(path)),
    async (path, died) => {
      ok(await isComplete(first(path)));
      if (!died) ok(await isComplete(second(path)));
      else await isComplete(second(path));
    },
  );
});

for (const transport of ['oci', 'oci-archive', 'dir'] as const) {
  test(`a killed export leaves a new ${transport}: target complete or absent, and the next export completes it`, async () => {
    const target = (path: string): LocalReference => ({ transport, path: `${path}/out` });
    await dieEverywhere(
      () => {},
      (repository, path) => exportImage(repository, 'img', target(path)),
      async (path, died) => {
        const there = await isComplete(target(path));
        if (!died) ok(there);
        using repository = await openRepository(join(path, '..', 'repo'));
        await exportImage(repository, 'img', target(path));
        ok(await isComplete(target(path)));
      },
    );
  });
}

test('a killed export leaves a directory complete or absent', async () => {
  let whole: readonly string[] | undefined;
  await dieEverywhere(
    () => {},
    (repository, path) => exportDirectory(repository, 'img', `${path}/tree`),
    async (path, died) => {
      if (!existsSync(`${path}/tree`)) {
        ok(died);
        return;
      }
      const found = readdirSync(`${path}/tree`, { recursive: true }).map(String).sort();
      whole ??= found;
      deepEqual(found, whole);
    },
  );
  deepEqual(whole, ['hello-link.txt', 'hello.txt', 'usr']);
});
