import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readExtents } from '#host';
import { initRepository } from '#stores/composefs';
import type { StorePlace } from '#work/account';
import { dedupStores } from '#work/dedup';
import { pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { writeSmallStore } from '../support/containers-stores.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { mountLoopFilesystem } from '../support/loop-fs.ts';
import { noise } from '../support/test-layout.ts';

const BIG = noise(100_000, 1)
  .toString('latin1')
  .replace(/[^ -~]/g, 'x');
const OTHER = `${BIG.slice(1)}!`;
const FILES = [
  { name: 'one', content: BIG },
  { name: 'two', content: BIG },
  { name: 'other', content: OTHER },
  { name: 'small', content: 'x' },
];

function placesOf(path: string): readonly StorePlace[] {
  const graphRoot = join(path, 'graph');
  const nothing = { driver: undefined, runRoot: undefined, imageStore: undefined };
  const places = { ...nothing, graphRoot, additionalImageStores: [] };
  return [
    {
      kind: 'composefs',
      label: 'composefs:repository',
      path: join(path, 'repository'),
      isGiven: true,
    },
    { kind: 'containers-storage', label: 'containers-storage:', places, isGiven: true },
  ];
}

function extentsOf(path: string): string {
  const fd = openSync(path, 'r');
  try {
    return readExtents(fd)
      .map(({ physicalOffset, sizeBytes }) => `${physicalOffset}+${sizeBytes}`)
      .join();
  } finally {
    closeSync(fd);
  }
}

/** Everything but the places of blocks. */
function stateOf(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const full = join(path, name);
      const { mode, uid, gid, size, mtimeMs, ino } = lstatSync(full);
      const isFile = lstatSync(full).isFile();
      const content = isFile ? createHash('sha256').update(readFileSync(full)).digest('hex') : '';
      return [name, mode, uid, gid, size, mtimeMs, ino, content].join(' ');
    })
    .filter((line) => !line.includes('layers.lock'))
    .sort();
}

for (const type of ['xfs', 'btrfs'] as const) {
  test(`duplicates within a store, and those with the repository, share extents afterwards: ${type}`, async (t) => {
    if (!needs(t, 'root', type)) return;
    using _leaks = watchDescriptors();
    await using filesystem = await mountLoopFilesystem(type);
    const { path } = filesystem;
    const graph = join(path, 'graph');
    const layer = join(graph, 'overlay');
    writeSmallStore(graph, 'localhost/app:1', FILES);
    const files = join(layer, readdirSync(layer)[0] ?? '', 'diff');
    {
      const options = { algorithm: 'sha256', insecure: true } as const;
      const { repository } = await initRepository(join(path, 'repository'), options);
      using open = repository;
      await pullImage(open, `containers-storage:[${graph}]localhost/app:1`, { reflink: 'never' });
    }
    const stores = placesOf(path);
    writeFileSync(join(graph, 'overlay-layers/layers.lock'), '');
    const before = stateOf(path);
    const planned = await dedupStores({ stores, isDryRun: true });
    assert.deepEqual(
      planned.filesystems.map(({ canShare }) => canShare),
      [true],
    );
    assert.deepEqual(planned.duplicates.files, 3);
    assert.ok(planned.duplicates.bytes >= 3 * 98_304);
    assert.deepEqual(planned.shared, { files: 0, bytes: 0 });
    assert.notEqual(extentsOf(join(files, 'one')), extentsOf(join(files, 'two')));
    const done = await dedupStores({ stores, isDryRun: false });
    assert.deepEqual(done.shared, planned.duplicates);
    assert.deepEqual([done.left, done.problems], [0, []]);
    assert.equal(extentsOf(join(files, 'one')), extentsOf(join(files, 'two')));
    assert.notEqual(extentsOf(join(files, 'one')), extentsOf(join(files, 'other')));
    assert.deepEqual(stateOf(path), before);
    const again = await dedupStores({ stores, isDryRun: false });
    assert.deepEqual(
      [again.duplicates, again.shared].map(({ files: count }) => count),
      [0, 0],
    );
    // What is written afterwards reaches one file alone.
    writeFileSync(join(files, 'one'), 'y', { flag: 'r+' });
    assert.equal(readFileSync(join(files, 'two'), 'latin1'), BIG);
    await dedupStores({ stores, isDryRun: false });
    assert.equal(readFileSync(join(files, 'one'), 'latin1'), `y${BIG.slice(1)}`);
  });
}

test('dedup waits for the layer lock of podman, a dry run does not, and a filesystem without sharing is refused', async (t) => {
  if (!needs(t, 'root', 'xfs', 'ext4', 'tool:python3')) return;
  await using filesystem = await mountLoopFilesystem('xfs');
  const graph = join(filesystem.path, 'graph');
  writeSmallStore(graph, 'localhost/app:1', FILES);
  const lock = join(graph, 'overlay-layers/layers.lock');
  writeFileSync(lock, '');
  const script =
    "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_SH); print('held', flush=True); sys.stdin.read()";
  const holder = spawn('python3', ['-c', script, lock]);
  const ended = once(holder, 'close');
  await once(holder.stdout, 'data');
  const [, store] = placesOf(filesystem.path);
  const stores = store === undefined ? [] : [store];
  const stopped = AbortSignal.timeout(600);
  await assert.rejects(dedupStores({ stores, isDryRun: false }, { signal: stopped }));
  assert.equal((await dedupStores({ stores, isDryRun: true })).duplicates.files, 1);
  holder.stdin.end();
  await ended;
  assert.equal((await dedupStores({ stores, isDryRun: false })).shared.files, 1);
  await using other = await mountLoopFilesystem('ext4');
  writeSmallStore(join(other.path, 'graph'), 'localhost/app:1', FILES);
  const [, plain] = placesOf(other.path);
  const report = await dedupStores({ stores: plain === undefined ? [] : [plain], isDryRun: false });
  assert.deepEqual(
    report.filesystems.map(({ canShare }) => canShare),
    [false],
  );
  assert.equal(report.shared.files, 0);
});
