import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkRepository, initRepository, openRepository } from '#stores/composefs';
import { pullImage } from '#work/pull-image';
import { describeRepository } from '../support/repository-tree.ts';
import { testTar } from '../support/tar-archive.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { noise, writeTestLayout } from '../support/test-layout.ts';

const CHILD = fileURLToPath(new URL('../crash/image-pull-child.ts', import.meta.url));

function layersOf(count: number) {
  return Array.from({ length: count }, (_, layer) => ({
    tar: testTar([
      { name: 'usr/', flag: '5' },
      ...Array.from({ length: 80 }, (_, file) => ({
        name: `usr/l${layer}-${file}`,
        content: noise(100 + ((file * 977) % 20_000), layer * 100 + file),
      })),
    ]),
  }));
}

async function pullInProcess(path: string, reference: string, name: string): Promise<void> {
  const child = fork(CHILD, [path, reference, name], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  assert.equal(status, 0);
}

test('two processes that pull one image at the same time give the repository of one pull', async () => {
  using temp = makeTempDir();
  const { reference } = writeTestLayout(join(temp.path, 'layout'), layersOf(6));
  const alone = join(temp.path, 'alone');
  const both = join(temp.path, 'both');
  for (const path of [alone, both]) {
    (await initRepository(path, { algorithm: 'sha512', insecure: true })).repository[
      Symbol.dispose
    ]();
  }
  await pullInProcess(alone, reference, 'x');
  await Promise.all([pullInProcess(both, reference, 'x'), pullInProcess(both, reference, 'x')]);
  assert.deepEqual(describeRepository(both), describeRepository(alone));
  using repository = await openRepository(both);
  assert.ok((await checkRepository(repository)).ok);
});

test('two concurrent pulls of images with shared layers succeed in one process', async () => {
  using temp = makeTempDir();
  const layers = layersOf(6);
  const first = writeTestLayout(join(temp.path, 'first'), layers.slice(0, 5));
  const second = writeTestLayout(join(temp.path, 'second'), [
    ...layers.slice(2),
    ...layers.slice(0, 1),
  ]);
  const { repository } = await initRepository(join(temp.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using open = repository;
  const reports = await Promise.all([
    pullImage(open, first.reference, { name: 'first' }),
    pullImage(open, second.reference, { name: 'second' }),
  ]);
  assert.deepEqual(
    reports.map(({ name }) => name),
    ['first', 'second'],
  );
  assert.ok((await checkRepository(open)).ok);
  for (const { reference } of [first, second]) {
    const again = await pullImage(open, reference);
    assert.equal(again.bytes.local, 0);
    assert.equal(again.built, false);
  }
});
