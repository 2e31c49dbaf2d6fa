import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { objectPath } from '#formats/fsverity';
import { hashContent, readExtents } from '#host';
import { initRepository } from '#stores/composefs';
import { type PullOptions, pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { GOLDEN_STORES, unpackStore } from '../support/containers-stores.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { noise } from '../support/test-layout.ts';

const NAME = 'shared-layers';
const IMAGE = GOLDEN_STORES[NAME]?.images.find(({ layerChain }) => layerChain.length === 4);

function extentsOf(path: string) {
  const fd = openSync(path, 'r');
  try {
    return readExtents(fd).filter(({ exact }) => exact);
  } finally {
    closeSync(fd);
  }
}

async function openEmpty(path: string) {
  return (await initRepository(path, { algorithm: 'sha256', insecure: true })).repository;
}

for (const type of ['xfs', 'btrfs'] as const) {
  test(`files of containers-storage become objects that share their extents: ${type}`, async (t) => {
    if (!needs(t, type, 'root', 'tool:zstd')) return;
    await using filesystem = await mountLoopFilesystem(type);
    const { path } = filesystem;
    const store = unpackStore(NAME, join(path, 'store'));
    using repository = await openEmpty(join(path, 'repository'));
    const pull = (options: PullOptions) =>
      pullImage(repository, `containers-storage:${store}@${IMAGE?.id}`, options);
    const { objects, bytes } = await pull({ reflink: 'always' });
    assert.ok(objects.stored > 0);
    assert.equal(objects.reflinked, objects.stored);
    assert.equal(objects.copied, 0);
    assert.equal(bytes.reflinked, bytes.stored);
    const again = await pull({ reflink: 'always' });
    assert.deepEqual([again.objects.stored, again.objects.reflinked], [0, 0]);
    let shared = 0;
    for (const id of IMAGE?.layerChain ?? []) {
      const folder = join(path, 'store/root/overlay', id, 'diff');
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const file = join(entry.parentPath, entry.name);
        const content = readFileSync(file);
        if (content.length <= 64) continue;
        const object = join(path, 'repository/objects', objectPath(hashContent(content, 'sha256')));
        const [one, other] = [extentsOf(file), extentsOf(object)];
        // Equal files of one layer are stored once: the object shares extents with the first of them.
        if (one.length === 0 || one[0]?.physicalOffset !== other[0]?.physicalOffset) continue;
        assert.deepEqual(one, other);
        assert.ok(one.every((extent) => extent.shared));
        shared += 1;
      }
    }
    assert.ok(shared >= objects.stored - 2, `${shared} of ${objects.stored}`);
    const report = await pullImage(
      await openEmpty(join(path, 'copied')),
      `containers-storage:${store}@${IMAGE?.id}`,
      { reflink: 'never' },
    );
    assert.deepEqual([report.objects.reflinked, report.objects.copied], [0, objects.stored]);
    assert.equal(report.imageId, again.imageId);
  });
}

test('without reflinks, "always" refuses before anything is stored, and "auto" copies and counts the bytes', async (t) => {
  if (!needs(t, 'ext4', 'root', 'tool:zstd')) return;
  await using filesystem = await mountLoopFilesystem('ext4');
  const { path } = filesystem;
  const store = unpackStore(NAME, join(path, 'store'));
  using repository = await openEmpty(join(path, 'repository'));
  const pull = (reflink: 'auto' | 'always') =>
    pullImage(repository, `containers-storage:${store}@${IMAGE?.id}`, { reflink, name: 'x' });
  await assert.rejects(pull('always'), (error) => hasCode(error, 'IMPORT_WOULD_COPY'));
  const files = readdirSync(join(path, 'repository/objects'), { recursive: true });
  assert.deepEqual(files, []);
  const { objects, bytes } = await pull('auto');
  assert.ok(objects.copied > 0);
  assert.deepEqual([objects.reflinked, bytes.reflinked], [0, 0]);
});

test('large files are imported in parts by all threads, with the ids of a pull from a layout', async (t) => {
  if (!needs(t, 'xfs', 'root', 'tool:skopeo')) return;
  await using filesystem = await mountLoopFilesystem('xfs', { sizeBytes: 1 << 30 });
  const { path } = filesystem;
  const layout = join(path, 'layout');
  const { writeTestLayout } = await import('../support/test-layout.ts');
  const { testTar } = await import('../support/tar-archive.ts');
  const sizes = [5_000_000, 1 << 20, (1 << 20) + 1, 64, 65, 3_000_000, 100];
  const tar = testTar(
    sizes.flatMap((size, index) => [
      { name: `f${index}`, content: noise(size, index) },
      { name: `same${index}`, content: noise(size, index) },
    ]),
  );
  const { reference } = writeTestLayout(layout, [{ tar, compression: 'gzip' }]);
  const store = `[overlay@${path}/graph+${path}/run]`;
  writeFileSync(join(path, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  execFileSync('skopeo', [
    '--policy',
    join(path, 'policy.json'),
    'copy',
    '-q',
    reference,
    `containers-storage:${store}localhost/large:1`,
  ]);
  using one = await openEmpty(join(path, 'one'));
  using other = await openEmpty(join(path, 'other'));
  const expected = await pullImage(one, reference);
  const found = await pullImage(other, `containers-storage:${store}localhost/large:1`, {
    reflink: 'always',
    jobs: 2,
  });
  assert.equal(found.layers[0]?.streamId, expected.layers[0]?.streamId);
  assert.equal(found.imageId, expected.imageId);
  assert.equal(found.objects.stored, expected.objects.stored);
  assert.equal(found.objects.reflinked, expected.objects.stored);
});
