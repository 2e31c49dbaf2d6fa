import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { parseReference } from '#formats/oci';
import { initRepository } from '#stores/composefs';
import { openContainersStore, serveLayer } from '#stores/containers';
import { openContainersSource } from '#work/containers';
import { StreamLayer } from '#work/ingest';
import { pullImage } from '#work/pull-image';
import { needs } from '../support/capability.ts';
import { readGolden, unpackGolden } from '../support/containers-stores.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { makeTempDir } from '../support/temp-dir.ts';

async function openStore(path: string) {
  unpackGolden('streams/store.tar.zst', path);
  const graphRoot = join(path, 'root');
  return await openContainersStore({
    driver: undefined,
    graphRoot,
    runRoot: undefined,
    imageStore: undefined,
    additionalImageStores: [],
  });
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(Uint8Array.prototype.slice.call(piece));
  return Buffer.concat(pieces);
}

for (const [name, golden, readsAll] of [
  ['localhost/edge:holes', 'holes-privileged', true],
  ['localhost/edge:meta', 'meta-world-readable', false],
] as const) {
  test(`the layer of ${name} is served as containers/storage serves it, and that stream is imported`, async (t) => {
    if (!needs(t, 'root', 'tool:zstd')) return;
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    using store = await openStore(join(temp.path, 'store'));
    const row = store.findImage(name);
    const chain = store.chainOf(row);
    const diffId = chain.at(-1)?.record.diffId ?? assert.fail();
    using layer = store.openLayer(row, [diffId], 0);
    const expected = readGolden(`streams/${golden}.splitdirfd`);
    const served = await collect(serveLayer(layer, { readsAll }));
    assert.ok(served.equals(expected), `${served.length} of ${expected.length} bytes`);
    const reference = parseReference(`containers-storage:[${store.label}]${name}`);
    assert.ok(reference.transport === 'containers-storage');
    const make = async (folder: string) => {
      const options = { algorithm: 'sha256', insecure: true } as const;
      return (await initRepository(join(temp.path, folder), options)).repository;
    };
    using repository = await make('repository');
    const pulled = await pullImage(repository, reference);
    const take = async (bytes: Uint8Array) => {
      rmSync(join(temp.path, 'other'), { recursive: true, force: true });
      using other = await make('other');
      async function* pieces() {
        for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
      }
      using source = await openContainersSource(reference);
      return await pullImage(other, {
        resolve: (options) => source.resolve(options),
        openBlob: (digest) => source.openBlob(digest),
        openLayer: () => new StreamLayer(pieces(), [layer.content]),
      });
    };
    const taken = await take(expected);
    assert.equal(taken.layers[0]?.streamId, pulled.layers[0]?.streamId);
    assert.equal(taken.imageId, pulled.imageId);
    await assert.rejects(take(expected.subarray(0, -1)), (error) => {
      return hasCode(error, 'SPLIT_STREAM_INVALID');
    });
    await assert.rejects(take(Buffer.concat([expected, Buffer.alloc(512)])));
    const flipped = Buffer.from(expected);
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    await assert.rejects(take(flipped));
    if (!readsAll) return;
    const folder = join(store.label, 'overlay', chain.at(-1)?.record.id ?? '', 'diff');
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) appendFileSync(join(entry.parentPath, entry.name), 'x');
    }
    await assert.rejects(take(expected));
  });
}
