import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { needs } from '../../../test/support/capability.ts';
import { writeSmallStore } from '../../../test/support/containers-stores.ts';
import { runCli } from '../../../test/support/run-cli.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { lockToRead, lockToWrite } from './locks.ts';
import { openRoot } from './root.ts';
import { openContainersStore } from './store.ts';

const ID = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);

function placesOf(graphRoot: string, driver?: string) {
  const nothing = { runRoot: undefined, imageStore: undefined, additionalImageStores: [] };
  return { driver, graphRoot, ...nothing };
}

function makeStore(path: string, records: { images?: string; layers?: string } = {}): void {
  for (const folder of ['overlay', 'overlay-layers', 'overlay-images']) {
    mkdirSync(join(path, folder), { recursive: true });
  }
  if (records.images !== undefined) {
    writeFileSync(join(path, 'overlay-images/images.json'), records.images);
  }
  if (records.layers !== undefined) {
    writeFileSync(join(path, 'overlay-layers/layers.json'), records.layers);
  }
}

test('incomplete records are ignored, damaged ones are reported, and equal ids count once', async () => {
  using temp = makeTempDir();
  makeStore(temp.path, {
    layers: `[{"id":"${ID}","flags":{"incomplete":true}},{"id":7},{"id":"${OTHER}"},{"id":"${OTHER}","parent":"${ID}"}]`,
    images: `[{"id":"${ID}","names":["a"],"layer":"${ID}"},{"id":"${OTHER}","names":["b"]`,
  });
  using store = await openContainersStore(placesOf(temp.path));
  const { images, layers, damaged } = store.snapshot;
  assert.deepEqual([...layers.keys()], [OTHER]);
  assert.equal(layers.get(OTHER)?.record.parent, undefined);
  assert.deepEqual(
    images.map(({ record }) => record.id),
    [ID],
  );
  assert.equal(damaged.length, 3);
  const [image = assert.fail()] = images;
  assert.throws(
    () => store.chainOf(image),
    (error) => hasCode(error, 'STORE_LAYER_GONE'),
  );
});

test('a layer whose file content is in a lower layer is refused, and the error names the layer', async (t) => {
  if (!needs(t, 'tool:setfattr')) return;
  using temp = makeTempDir();
  const graph = join(temp.path, 'graph');
  writeSmallStore(graph, 'localhost/app:1', [{ name: 'file', content: 'content '.repeat(100) }]);
  const [layer = ''] = readdirSync(join(graph, 'overlay')).filter((name) => name.length === 64);
  const path = join(graph, 'overlay', layer, 'diff/file');
  truncateSync(path, 0);
  truncateSync(path, 800);
  const reference = `containers-storage:[overlay@${graph}]localhost/app:1`;
  const pull = () =>
    runCli(['--json', 'pull', reference, 'app'], { repo: join(temp.path, 'repo') });
  assert.equal(JSON.parse(pull().stderr).error.code, 'DIFF_ID_MISMATCH');
  const mark = ['-n', 'user.overlay.metacopy', '-v', '0x', path];
  const marked = spawnSync('setfattr', mark, { encoding: 'utf8' });
  assert.equal(marked.status, 0, marked.stderr);
  const { error } = JSON.parse(pull().stderr);
  assert.equal(error.code, 'STORE_METACOPY_UNSUPPORTED');
  assert.equal(error.details.path, 'file');
});

test('a cycle of layers is refused', async () => {
  using temp = makeTempDir();
  makeStore(temp.path, {
    layers: `[{"id":"${ID}","parent":"${OTHER}"},{"id":"${OTHER}","parent":"${ID}"}]`,
    images: `[{"id":"${ID}","layer":"${ID}"}]`,
  });
  using store = await openContainersStore(placesOf(temp.path));
  const [image = assert.fail()] = store.snapshot.images;
  assert.throws(
    () => store.chainOf(image),
    (error) => hasCode(error, 'CONTAINERS_RECORDS_INVALID'),
  );
});

test('a missing folder and an unsupported driver are refused with their names', async () => {
  using temp = makeTempDir();
  const opening = (path: string, driver?: string) => openContainersStore(placesOf(path, driver));
  await assert.rejects(opening(join(temp.path, 'none')), (error) =>
    hasCode(error, 'IMAGE_SOURCE_NOT_FOUND'),
  );
  await assert.rejects(opening(temp.path, 'zfs'), (error) =>
    hasCode(error, 'STORE_DRIVER_UNSUPPORTED'),
  );
  mkdirSync(join(temp.path, 'btrfs-layers'));
  await assert.rejects(opening(temp.path), (error) => hasCode(error, 'STORE_DRIVER_UNSUPPORTED'));
});

test('opening an empty folder creates nothing in it', async () => {
  using temp = makeTempDir();
  using store = await openContainersStore(placesOf(temp.path));
  assert.deepEqual(store.snapshot.images, []);
  assert.deepEqual(readdirSync(temp.path), []);
});

const HOLD = `
import fcntl, sys
file = open(sys.argv[1], 'r+')
fcntl.lockf(file, fcntl.LOCK_EX if sys.argv[2] == 'write' else fcntl.LOCK_SH)
print('held', flush=True)
sys.stdin.read()
`;
const TRY = `
import fcntl, sys
file = open(sys.argv[1], 'r+')
try:
    fcntl.lockf(file, (fcntl.LOCK_EX if sys.argv[2] == 'write' else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    print('free')
except OSError:
    print('taken')
`;

async function ask(path: string, mode: string): Promise<string> {
  const child = spawn('python3', ['-c', TRY, path, mode]);
  let output = '';
  child.stdout.on('data', (piece: Buffer) => {
    output += piece.toString();
  });
  await once(child, 'close');
  return output.trim();
}

test('our record locks and those of another process exclude each other', async (t) => {
  if (!needs(t, 'tool:python3')) return;
  using temp = makeTempDir();
  makeStore(temp.path);
  const path = join(temp.path, 'overlay-layers/layers.lock');
  writeFileSync(path, '');
  using root = openRoot(temp.path, 'primary', undefined);
  {
    using lock = await lockToWrite(root, 'layers');
    assert.equal(await ask(path, 'read'), 'taken');
    lock.stamp();
    assert.equal(readFileSync(path).length, 64);
  }
  {
    using _lock = await lockToRead(root, 'layers');
    assert.equal(await ask(path, 'read'), 'free');
    assert.equal(await ask(path, 'write'), 'taken');
  }
  assert.equal(await ask(path, 'write'), 'free');
  for (const mode of ['read', 'write']) {
    const holder = spawn('python3', ['-c', HOLD, path, mode]);
    const ended = once(holder, 'close');
    await once(holder.stdout, 'data');
    const reading = lockToRead(root, 'layers', { timeoutMs: 50 });
    if (mode === 'write') await assert.rejects(reading, (error) => hasCode(error, 'STORE_LOCKED'));
    else (await reading)?.[Symbol.dispose]();
    await assert.rejects(lockToWrite(root, 'layers', { timeoutMs: 50 }), (error) =>
      hasCode(error, 'STORE_LOCKED'),
    );
    const waiting = lockToWrite(root, 'layers');
    holder.stdin.end();
    (await waiting)[Symbol.dispose]();
    await ended;
  }
});
