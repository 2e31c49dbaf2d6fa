import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContentDigest } from '#base/digest';
import { checkRepository } from '#stores/composefs';
import { blobStreamName } from '#work/image';
import { codeOf } from '../../../test/support/error-code.ts';
import { cutAt, layerTar, REFERENCE, RegistryPlace } from '../../../test/support/registry-place.ts';
import { type LayerReport, planPull, pullImage } from './index.ts';
import { PARTIAL_BYTES_MIN } from './resume.ts';

const isLarge = ({ sizeBytes }: { readonly sizeBytes: number }) => sizeBytes >= PARTIAL_BYTES_MIN;

test('an image pulled from a registry has the ids of the same image pulled from a layout', async () => {
  await using place = await RegistryPlace.start();
  const [fromRegistry, fromLayout] = [await place.repository('a'), await place.repository('b')];
  const there = await pullImage(fromLayout, place.layout.reference, { name: 'app' });
  const plan = await planPull(fromRegistry, REFERENCE, place.registry);
  const here = await place.pull(fromRegistry);
  assert.equal(here.manifestDigest, there.manifestDigest);
  assert.equal(here.imageId, there.imageId);
  assert.equal(here.manifestStreamId, there.manifestStreamId);
  const idOf = ({ diffId, streamId }: LayerReport) => [diffId, streamId];
  assert.deepEqual(here.layers.map(idOf), there.layers.map(idOf));
  assert.deepEqual(
    there.layers.map(({ route, fetchedBytes, reusedBytes }) => [
      route,
      fetchedBytes,
      reusedBytes.file,
    ]),
    there.layers.map(({ sizeBytes }) => ['whole', 0, sizeBytes]),
  );
  assert.deepEqual(
    here.layers.map(({ route, fetchedBytes, requests }) => [route, fetchedBytes, requests]),
    plan.layers.map(({ route, fetchBytes, requests }) => [route, fetchBytes, requests]),
  );
  assert.equal(here.traffic?.bodyBytes, plan.fetchBytes);
  assert.equal(here.traffic?.requests, plan.requests);
  assert.equal(here.bytes.fetched, plan.wantedBytes);
  assert.equal(here.bytes.local, 0);
  assert.deepEqual(readdirSync(join(place.path('a'), '.onecopy/partial')), []);
  const before = place.blobRequests.length;
  const planAgain = await planPull(fromRegistry, REFERENCE, place.registry);
  const again = await place.pull(fromRegistry);
  assert.deepEqual(
    again.layers.map(({ route, requests }) => [route, requests]),
    again.layers.map(() => ['present', 0]),
  );
  assert.equal(again.traffic?.bodyBytes, planAgain.fetchBytes);
  // The config is read to know the layers; no layer is.
  assert.equal(place.blobRequests.length, before + 2);
});

test('an interrupted pull resumes at the byte where it stopped', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const cut = 700_000;
  place.answerBlob = (request, whole) => {
    const answer = whole();
    const length = typeof answer === 'function' ? 0 : (answer.body?.length ?? 0);
    if (length < 600_000) return answer;
    return request.headers.range === undefined
      ? cutAt(answer, cut)
      : { status: 503, headers: {}, body: '' };
  };
  assert.equal(await codeOf(place.pull(repository, { jobs: 1 })), 'HTTP_STATUS');
  const [held = ''] = readdirSync(join(place.path('a'), '.onecopy/partial'));
  const heldBytes = readFileSync(join(place.path('a'), '.onecopy/partial', held)).length;
  assert.ok(heldBytes > 0 && heldBytes <= cut, `${heldBytes}`);
  place.answerBlob = undefined;
  place.server.seen.length = 0;
  const again = await place.again('a');
  const plan = await planPull(again, REFERENCE, place.registry);
  const report = await place.pull(again, { jobs: 1 });
  assert.equal(report.bytes.local, heldBytes);
  assert.equal(report.traffic?.bodyBytes, plan.fetchBytes);
  const [planned, large] = [plan, report].map(({ layers }) => layers.find(isLarge));
  assert.ok(planned !== undefined && large !== undefined && 'reusedBytes' in large);
  assert.equal(planned.reason, large.reason);
  assert.match(large.reason, /interrupted pull left [0-9]+ of/);
  assert.deepEqual([large.reusedBytes.partial, large.wastedBytes], [heldBytes, 0]);
  assert.equal(large.fetchedBytes, large.sizeBytes - heldBytes);
  assert.ok(place.blobRequests.some((range) => range.startsWith(`bytes=${heldBytes}-`)));
});

test('partial bytes of another blob are detected, and the blob is fetched whole', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const [{ digest } = { digest: '' }] = (await planPull(repository, REFERENCE, place.registry))
    .layers;
  const held = await repository.partials.open(digest as ContentDigest);
  held.append(new Uint8Array(5000).fill(7));
  held[Symbol.dispose]();
  const report = await place.pull(repository);
  assert.equal(report.layers.length, 3);
  assert.equal(report.bytes.local, 0);
  const { sizeBytes, fetchedBytes, wastedBytes, requests } = report.layers[0] as LayerReport;
  // Everything but the first 5000 bytes was transferred needlessly, and then all of it.
  assert.deepEqual([fetchedBytes, wastedBytes], [2 * sizeBytes - 5000, sizeBytes - 5000]);
  assert.equal(requests, 2);
  assert.deepEqual(readdirSync(join(place.path('a'), '.onecopy/partial')), []);
});

test('a partial download longer than the blob is not counted', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const { layers, wantedBytes } = await planPull(repository, REFERENCE, place.registry);
  const large = layers.find(({ sizeBytes }) => sizeBytes >= PARTIAL_BYTES_MIN);
  assert.ok(large !== undefined);
  const held = await repository.partials.open(large.digest);
  held.append(new Uint8Array(large.sizeBytes + 1));
  held[Symbol.dispose]();
  const { bytes } = await place.pull(repository);
  assert.deepEqual([bytes.local, bytes.fetched], [0, wantedBytes]);
});

test('two pulls of one image fetch each layer once, small ones included', async () => {
  await using place = await RegistryPlace.start();
  const first = await place.repository('a');
  const second = await place.again('a');
  const reports = await Promise.all([place.pull(first), place.pull(second)]);
  assert.equal(reports[0]?.imageId, reports[1]?.imageId);
  const digests = reports[0]?.layers.map(({ digest }) => digest as string) ?? [];
  for (const at of digests.keys()) {
    const routes = reports.map(({ layers }) => layers[at]?.route);
    assert.ok(routes.includes('whole'));
    assert.ok(routes.includes('linked') || routes.includes('present'), `${routes}`);
  }
  const requested = place.server.seen.map(({ url }) => url.pathname.split('/').at(-1) ?? '');
  assert.deepEqual(requested.filter((name) => digests.includes(name)).sort(), digests.sort());
});

test('a pull that keeps blobs keeps those of layers that another pull stores at the same time', async () => {
  await using place = await RegistryPlace.start();
  const first = await place.repository('a');
  const second = await place.again('a');
  const [kept] = await Promise.all([
    place.pull(first, { keepBlobs: true, name: 'kept' }),
    place.pull(second),
  ]);
  for (const { digest } of kept.layers) {
    assert.ok(first.streams.has(blobStreamName(digest)), digest);
    const requests = place.server.seen.filter(({ url }) => url.pathname.endsWith(digest));
    assert.ok(requests.length <= 2, `${digest}: ${requests.length} requests`);
  }
});

test('a damaged layer that is verified again is fetched, although its stream has a name', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const { layers } = await place.pull(repository);
  const largest = readdirSync(join(place.path('a'), 'objects'), {
    recursive: true,
    encoding: 'utf8',
  })
    .map((name) => join(place.path('a'), 'objects', name))
    .find((path) => statSync(path).size === 100_000) as string;
  const bytes = readFileSync(largest);
  bytes.writeUInt8(bytes.readUInt8(9) ^ 1, 9);
  chmodSync(largest, 0o600);
  writeFileSync(largest, bytes);
  const again = await place.pull(repository, { verifyReused: true });
  assert.deepEqual(again.layers.map(({ route }) => route).sort(), ['present', 'present', 'whole']);
  assert.equal(again.layers.length, layers.length);
  assert.deepEqual((await checkRepository(repository)).findings, []);
});

test('two layers of one diff id in different compression are both planned, and both blobs are kept', async () => {
  const tar = layerTar(1, 12);
  await using place = await RegistryPlace.start([{ tar }, { tar, compression: 'zstd' }]);
  const repository = await place.repository('a');
  const options = { ...place.registry, keepBlobs: true };
  const plan = await planPull(repository, REFERENCE, options);
  const { traffic, layers } = await place.pull(repository, { keepBlobs: true });
  assert.equal(traffic?.bodyBytes, plan.fetchBytes);
  for (const { digest } of layers) assert.ok(repository.streams.has(blobStreamName(digest)));
});

test('an image that the policy rejects is refused before a layer is requested', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const signaturePolicy = place.path('policy.json');
  writeFileSync(signaturePolicy, JSON.stringify({ default: [{ type: 'reject' }] }));
  const { registry } = place.registry;
  const refused = place.pull(repository, { registry: { ...registry, signaturePolicy } });
  assert.equal(await codeOf(refused), 'IMAGE_REJECTED');
  assert.equal(place.blobRequests.length, 1);
  assert.deepEqual(readdirSync(place.path('a')), ['meta.json']);
});
