import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { RegistryRepository } from '#remotes/registry';
import { exportImage, type LocalReference, parseReference, pushImage } from '#work/export';
import { pullImage } from '#work/pull-image';
import { ChunkedPlace } from '../support/chunked-place.ts';
import { sampled } from '../support/long-form.ts';
import { RANGE_MODES, type RangeMode } from '../support/range-modes.ts';

/** Ids of the image as a pull of whole blobs gives them. */
async function idsOf(place: ChunkedPlace, image: string): Promise<unknown> {
  const repository = await place.repository(`whole-${image.replace('/', '-')}`, true);
  const { imageIds, layers } = await place.pull(repository, image, { strategy: 'whole' });
  return { imageIds, streams: layers.map(({ streamId }) => streamId) };
}

for (const [name, mode] of sampled(Object.entries(RANGE_MODES), 5)) {
  test(`an update gives the right image from any server, and fetches each blob whole at most once: ${name}`, async () => {
    await using place = await ChunkedPlace.start('oci/zc-v1', 'oci/zc-v2');
    const expected = await idsOf(place, 'oci/zc-v2');
    const repository = await place.repository('repo', true);
    await place.pull(repository, 'oci/zc-v1', { strategy: 'whole' });
    place.requests.length = 0;
    place.mode = mode as RangeMode;
    const report = await place.pull(repository, 'oci/zc-v2', { strategy: 'partial' });
    const { imageIds, layers } = report;
    assert.deepEqual({ imageIds, streams: layers.map(({ streamId }) => streamId) }, expected);
    assert.ok(place.mostWholes <= 1, JSON.stringify(place.requests));
    assert.ok(place.requests.length < 60, `${place.requests.length} requests`);
  });
}

test('an update fetches what changed, as planned, and a second pull fetches nothing', async () => {
  await using place = await ChunkedPlace.start('oci/zc-v1', 'oci/zc-v2');
  const expected = await idsOf(place, 'oci/zc-v2');
  const repository = await place.repository('repo', true);
  await place.pull(repository, 'oci/zc-v1');
  const plan = await place.plan(repository, 'oci/zc-v2', { strategy: 'partial' });
  const report = await place.pull(repository, 'oci/zc-v2', { strategy: 'partial' });
  const { imageIds, layers, traffic } = report;
  assert.deepEqual({ imageIds, streams: layers.map(({ streamId }) => streamId) }, expected);
  const [layer] = layers;
  assert.ok(layer !== undefined && traffic !== undefined);
  assert.equal(layer.route, 'partial');
  const bytes = traffic.bodyBytes + traffic.skippedBytes;
  assert.ok(bytes <= 1.05 * plan.fetchBytes && bytes >= 0.9 * plan.fetchBytes, `${bytes} bytes`);
  const again = await place.pull(repository, 'oci/zc-v2', { strategy: 'partial' });
  assert.ok((again.traffic?.bodyBytes ?? 0) < 0.1 * bytes);
});

test('a TOC is requested once: after removal of its layer, only content is fetched', async () => {
  await using place = await ChunkedPlace.start('oci/zc-v1', 'oci/zc-v2');
  const repository = await place.repository('repo', true);
  await place.pull(repository, 'oci/zc-v1');
  const first = await place.pull(repository, 'oci/zc-v2', { strategy: 'partial' });
  assert.equal(first.layers[0]?.requests, 2);
  const { layers } = first;
  for (const { diffId } of layers) repository.root.unlink(`streams/oci-layer-${diffId}`);
  const second = await place.pull(repository, 'oci/zc-v2', { strategy: 'partial' });
  assert.deepEqual(second.imageIds, first.imageIds);
  assert.equal(second.layers[0]?.requests, 0, 'its objects are here, and the index of the layer');
});

test('a gzip image pushed as zstd:chunked is pulled in parts from stored files, and pushed again as the same bytes', async () => {
  await using place = await ChunkedPlace.start('oci/gz-v1', 'oci/zc-v2');
  const repository = await place.repository('repo', true);
  const pulled = await place.pull(repository, 'oci/gz-v1');
  const endpoint = { host: 'localhost', repository: 'ns/new', insecure: false };
  const { settings } = place.registry.registry ?? {};
  const tls = { caPem: [place.authority] };
  const push = async () => {
    await using target = new RegistryRepository([{ ...endpoint, tls }], settings);
    return await pushImage(repository, 'oci/gz-v1', target, {
      tag: 'latest',
      forceCompression: 'zstd:chunked',
    });
  };
  const first = await push();
  assert.ok(first.layers.every(({ annotations }) => annotations?.size === 3));
  const second = await push();
  assert.equal(second.manifestDigest, first.manifestDigest);
  const other = await place.repository('other', true);
  await place.pull(other, 'oci/zc-v2');
  const again = await place.pull(other, 'ns/new', { strategy: 'partial' });
  assert.deepEqual(again.imageIds, pulled.imageIds);
  assert.deepEqual(
    again.layers.map(({ route }) => route),
    again.layers.map(({ status }) => (status === 'present' ? 'present' : 'partial')),
  );
  // The gzip layers have no index: their files are found by path and size, and hashed.
  const update = await place.pull(repository, 'oci/zc-v2', { strategy: 'partial' });
  assert.ok((update.layers[0]?.fetchedBytes ?? 0) < 200_000, `${update.layers[0]?.fetchedBytes}`);
});

for (const target of ['oci', 'oci-archive', 'dir']) {
  test(`a gzip image exported to ${target}: is zstd:chunked as in a push, and is pulled as the same image`, async () => {
    await using place = await ChunkedPlace.start('oci/gz-v1');
    const repository = await place.repository('repo', true);
    const pulled = await place.pull(repository, 'oci/gz-v1');
    const path = place.path('out');
    if (target === 'dir') mkdirSync(path);
    const reference = parseReference(`${target}:${path}${target === 'dir' ? '' : ':v1'}`);
    const options = { forceCompression: 'zstd:chunked' as const };
    const first = await exportImage(repository, 'oci/gz-v1', reference as LocalReference, options);
    assert.ok(first.layers.every(({ annotations }) => annotations?.size === 3));
    assert.deepEqual([first.identical, first.configDigest], [false, pulled.configDigest]);
    const other = await place.repository('other', true);
    const again = await pullImage(other, reference, { name: 'again' });
    assert.deepEqual(again.imageIds, pulled.imageIds);
    assert.equal(again.manifestDigest, first.manifestDigest);
    // What is chunked already is not compressed again.
    const next = parseReference(`oci:${place.path('next')}:v1`) as LocalReference;
    const kept = await place.repository('kept', true);
    await pullImage(kept, reference, { name: 'again', keepBlobs: true });
    const second = await exportImage(kept, 'again', next, options);
    assert.ok(second.identical);
  });
}
