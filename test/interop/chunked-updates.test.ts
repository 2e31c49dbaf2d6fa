import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkedPlace } from '../support/chunked-place.ts';
import { RANGE_MODES, type RangeMode } from '../support/range-modes.ts';

/** Ids of the image as a pull of whole blobs gives them. */
async function idsOf(place: ChunkedPlace, image: string): Promise<unknown> {
  const repository = await place.repository(`whole-${image.replace('/', '-')}`, true);
  const { imageIds, layers } = await place.pull(repository, image, { strategy: 'whole' });
  return { imageIds, streams: layers.map(({ streamId }) => streamId) };
}

for (const [name, mode] of Object.entries(RANGE_MODES)) {
  test(`an update comes right from a server that answers ranges so, each blob whole at most once: ${name}`, async () => {
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

test('an update fetches what changed, as planned, and the next pull of it nothing', async () => {
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

test('a TOC is asked for once: after its layer was removed, its content alone is fetched', async () => {
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
