import assert from 'node:assert/strict';
import { chmodSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hasCode } from '#base/errors';
import { SplitdirfdReader } from '#formats/splitdirfdstream';
import { writeSmallStore } from '../../../test/support/containers-stores.ts';
import { makeTempDir } from '../../../test/support/temp-dir.ts';
import { serveLayer } from './serve-layer.ts';
import { openContainersStore } from './store.ts';

const HUGE_BYTES = 2 ** 28 + 1;

/** Serves the only layer of a store; returns the kinds of records and the names of files. */
async function kindsOf(graphRoot: string, readsAll: boolean): Promise<string[]> {
  const nothing = { driver: undefined, runRoot: undefined, imageStore: undefined };
  using store = await openContainersStore({ ...nothing, graphRoot, additionalImageStores: [] });
  const image = store.findImage('localhost/app:1');
  assert.equal(store.tryOpenLayerAt(image, 1), undefined);
  using layer = store.tryOpenLayerAt(image, 0) ?? assert.fail();
  const reader = new SplitdirfdReader();
  const kinds: string[] = [];
  for await (const piece of serveLayer(layer, { readsAll })) {
    for (const record of reader.push(piece)) {
      if (record.kind !== 'structure') {
        kinds.push(record.kind === 'file' ? `file ${record.name}` : record.kind);
      }
    }
  }
  reader.end();
  return kinds;
}

test('an unprivileged receiver gets files that it cannot open as bytes', async () => {
  using temp = makeTempDir();
  const names = ['open', 'secret', 'closed/open', 'moved/open', 'empty'];
  writeSmallStore(
    temp.path,
    'localhost/app:1',
    names.map((name) => ({ name, content: name === 'empty' ? '' : name })),
  );
  const [layer = ''] = await layersOf(temp.path);
  const files = join(temp.path, 'overlay', layer, 'diff');
  chmodSync(files, 0o755);
  chmodSync(join(files, 'secret'), 0o600);
  chmodSync(join(files, 'closed'), 0o754);
  renameSync(join(files, 'moved'), join(files, 'elsewhere'));
  symlinkSync('elsewhere', join(files, 'moved'));
  assert.deepEqual(await kindsOf(temp.path, false), ['file open', 'inline', 'inline', 'inline']);
  const all = ['file open', 'file secret', 'file closed/open', 'inline'];
  assert.deepEqual(await kindsOf(temp.path, true), all);
});

test('a large file that the receiver cannot open is refused', async () => {
  using temp = makeTempDir();
  writeSmallStore(temp.path, 'localhost/app:1', [{ name: 'huge', content: 'x' }]);
  const [layer = ''] = await layersOf(temp.path);
  const file = join(temp.path, 'overlay', layer, 'diff/huge');
  truncateSync(file, HUGE_BYTES);
  chmodSync(file, 0o600);
  const record = { type: 1, name: 'huge', size: HUGE_BYTES, payload: 'AAAAAAAAAAA=', position: 0 };
  const split = join(temp.path, `overlay-layers/${layer}.tar-split.gz`);
  writeFileSync(split, gzipSync(`${JSON.stringify(record)}\n`));
  await assert.rejects(kindsOf(temp.path, false), (error) => hasCode(error, 'LAYER_NOT_SERVABLE'));
  assert.deepEqual(await kindsOf(temp.path, true), ['file huge']);
});

async function layersOf(graphRoot: string): Promise<string[]> {
  const nothing = { driver: undefined, runRoot: undefined, imageStore: undefined };
  using store = await openContainersStore({ ...nothing, graphRoot, additionalImageStores: [] });
  return [...store.snapshot.layers.keys()];
}
