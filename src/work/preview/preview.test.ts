import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ByteString } from '#base/bytes';
import { hasCode } from '#base/errors';
import { parsePlatform } from '#formats/oci';
import { initRepository, type Repository } from '#stores/composefs';
import { type ImageView, openImageView } from '#work/browse';
import { pullImage } from '#work/pull-image';
import { codeOf } from '../../../test/support/error-code.ts';
import { watchDescriptors } from '../../../test/support/fd-leak.ts';
import { testTar } from '../../../test/support/tar-archive.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { noise, writeTestLayout } from '../../../test/support/test-layout.ts';
import { previewImage } from './index.ts';

const CASES = fileURLToPath(new URL('../../../test/golden/cfsctl/oci/', import.meta.url));
const platform = parsePlatform('linux/amd64');
const ROOT = '/' as ByteString;

async function makeRepository(path: string, algorithm: 'sha256' | 'sha512'): Promise<Repository> {
  return (await initRepository(path, { algorithm, insecure: true })).repository;
}

function contentsOf(view: ImageView): string[] {
  return [...view.walk(ROOT)]
    .filter(({ kind }) => kind === 'file')
    .map((entry) => {
      const pieces = [...view.read(entry)].map((piece) => Buffer.from(piece));
      return `${entry.path} ${Buffer.concat(pieces).toString('base64')}`;
    });
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`a preview of every recorded image has the ids of a pull, or fails with the same error: ${algorithm}`, async () => {
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    let accepted = 0;
    for (const name of readdirSync(CASES)) {
      // A stored layer is not read again, so each image has a separate repository.
      using repository = await makeRepository(join(temp.path, name), algorithm);
      const tag = name === 'two-tags' ? ':v1' : '';
      const reference = `oci:${join(CASES, name, 'layout')}${tag}`;
      const pulling = pullImage(repository, reference, { name, platform });
      const expected = await codeOf(pulling);
      if (expected !== 'accepted') {
        equal(await codeOf(previewImage(reference, { algorithm, platform })), expected, name);
        continue;
      }
      const { imageId } = await pulling;
      if (imageId === undefined) {
        const failure = await codeOf(previewImage(reference, { algorithm, platform }));
        equal(failure, 'IMAGE_NOT_BUILDABLE', name);
        continue;
      }
      await using preview = await previewImage(reference, { algorithm, platform });
      equal(preview.view.imageId, imageId, name);
      using pulled = await openImageView(repository, name);
      deepEqual([...preview.view.walk(ROOT)], [...pulled.walk(ROOT)], name);
      await preview.bring(preview.view.walk(ROOT));
      deepEqual(contentsOf(preview.view), contentsOf(pulled), name);
      accepted += 1;
    }
    ok(accepted > 25, `${accepted} images were looked at`);
  });
}

/** Files of one layer, large enough to be unpacked in a thread. */
const LARGE = testTar([
  { name: 'usr/', flag: '5' },
  ...Array.from({ length: 30 }, (_, index) => ({
    name: `usr/f${index}`,
    content: noise(40_000, index),
  })),
]);

test('a preview reads content from its layer, and only for files that are requested', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const second = testTar([{ name: 'usr/f3', content: noise(5000, 99) }]);
  const { reference } = writeTestLayout(join(temp.path, 'layout'), [
    { tar: LARGE, compression: 'gzip' },
    { tar: second, compression: 'zstd' },
  ]);
  await using preview = await previewImage(reference);
  const { view } = preview;
  const read = (path: string) => Buffer.concat([...view.read(path as ByteString)].map(Buffer.from));
  let failure: unknown;
  try {
    read('/usr/f4');
  } catch (error) {
    failure = error;
  }
  ok(hasCode(failure, 'OBJECT_NOT_FOUND'));
  const wanted = ['/usr/f3', '/usr/f4'].map((path) => view.stat(path as ByteString));
  await preview.bring(wanted);
  await preview.bring(wanted);
  ok(read('/usr/f3').equals(noise(5000, 99)));
  ok(read('/usr/f4').equals(noise(40_000, 4)));
});

test('a source that changes during a preview is refused', async () => {
  using temp = makeTempDir();
  const layers = [{ tar: LARGE, compression: 'none' as const }];
  const { reference, layers: written } = writeTestLayout(join(temp.path, 'layout'), layers);
  await using preview = await previewImage(reference);
  const [layer] = written;
  const blob = layer?.file ?? '';
  const bytes = readFileSync(blob);
  bytes[20_000] = (bytes[20_000] ?? 0) ^ 1;
  writeFileSync(blob, bytes);
  await rejects(preview.bring([preview.view.stat('/usr/f0' as ByteString)]), (error) =>
    hasCode(error, 'BLOB_DIGEST_MISMATCH'),
  );
});

test('a cancelled preview leaves no file open', async () => {
  using _leaks = watchDescriptors();
  using temp = makeTempDir();
  const layers = [{ tar: LARGE, compression: 'gzip' as const }];
  const { reference } = writeTestLayout(join(temp.path, 'layout'), layers);
  const reason = new Error('enough');
  await rejects(previewImage(reference, { signal: AbortSignal.abort(reason) }), reason);
});
