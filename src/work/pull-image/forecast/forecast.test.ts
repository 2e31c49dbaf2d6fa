import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { checkRepository, initRepository } from '#stores/composefs';
import { needs } from '../../../../test/support/capability.ts';
import { codeOf } from '../../../../test/support/error-code.ts';
import { layerTar, REFERENCE, RegistryPlace } from '../../../../test/support/registry-place.ts';
import { mountSmallFilesystem } from '../../../../test/support/small-filesystem.ts';
import { noise } from '../../../../test/support/test-layout.ts';
import { downloadImage, planPull, pullImage } from '../index.ts';
import { computeDiskNeed, GUESSED_EXPANSION } from './disk-need.ts';
import { claimedSize } from './unpacked-size.ts';

const MIB = 1 << 20;

test('the size of a gzip blob is read from its trailer, and an impossible size is ignored', () => {
  const content = Buffer.alloc(1_234_567, 'text ');
  const blob = gzipSync(content);
  assert.equal(claimedSize('gzip', blob.subarray(-4), blob.length), content.length);
  // Two members: the end speaks of the second alone.
  const two = Buffer.concat([gzipSync(noise(500_000, 1)), gzipSync(noise(1000, 2))]);
  assert.equal(claimedSize('gzip', two.subarray(-4), two.length), undefined);
  const large = Buffer.alloc(4);
  large.writeUInt32LE(1_000_000);
  const fiveGiB = 5 * 2 ** 30;
  assert.equal(claimedSize('gzip', large, fiveGiB), 2 ** 33 + 1_000_000);
  assert.equal(claimedSize('gzip', large.subarray(0, 3), 100), undefined);
});

test('the size of a zstd frame is read from its header, if the header states one', () => {
  for (const length of [10, 200, 300, 65_791, 65_792, 1_234_567]) {
    const blob = zstdCompressSync(noise(length, 3), { pledgedSrcSize: length });
    assert.equal(claimedSize('zstd', blob.subarray(0, 18), blob.length), length, `${length}`);
  }
  const head = zstdCompressSync(noise(1000, 3), { pledgedSrcSize: 1000 }).subarray(0, 18);
  for (let length = 0; length < 7; length += 1) {
    assert.equal(claimedSize('zstd', head.subarray(0, length), 0), undefined, `${length}`);
  }
  // No Frame_Content_Size, no single segment.
  const silent = Buffer.from('28b52ffd0058010000', 'hex');
  assert.equal(claimedSize('zstd', silent, 0), undefined);
  assert.equal(claimedSize('zstd', Buffer.from('ff'.repeat(18), 'hex'), 0), undefined);
});

test('space for layers includes blobs in flight, and a tar size is estimated only where it is unknown', () => {
  const layer = (blobBytes: number, unpackedBytes: number | undefined) => {
    return { blobBytes, spoolBytes: blobBytes, unpackedBytes, keptBytes: 0 };
  };
  const terms = { blockBytes: 4096, jobs: 1, presentBytes: 0, meanFileBytes: 1e12 };
  const known = [layer(100 * MIB, 200 * MIB), layer(10 * MIB, 20 * MIB)];
  const one = computeDiskNeed(known, terms);
  // All files and the second blob, or the first layer with its blob: whichever is more.
  assert.deepEqual(one, { peakBytes: 300 * MIB, isGuess: false, leastBytes: 220 * MIB });
  // At once, the small one is complete before the large one.
  assert.equal(computeDiskNeed(known, { ...terms, jobs: 2 }).peakBytes, 320 * MIB);
  const { peakBytes, isGuess } = computeDiskNeed([layer(MIB, undefined)], terms);
  assert.deepEqual([peakBytes, isGuess], [Math.round(MIB * (1 + GUESSED_EXPANSION)), true]);
  assert.equal(computeDiskNeed(known, { ...terms, presentBytes: 1e12 }).leastBytes, 100 * MIB);
});

test('a pull that would exceed its download limit is refused before a layer is requested', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const { fetchBytes } = await planPull(repository, REFERENCE, place.registry);
  place.server.seen.length = 0;
  const less = { maxBytes: fetchBytes - 1 };
  assert.equal(await codeOf(place.pull(repository, less)), 'PULL_OVER_BUDGET');
  // The config, which tells the layers.
  assert.equal(place.blobRequests.length, 1);
  const isOver = async (maxBytes: number) =>
    (await planPull(repository, REFERENCE, { ...place.registry, maxBytes })).isOverBudget;
  assert.deepEqual([await isOver(fetchBytes - 1), await isOver(fetchBytes)], [true, false]);
  const { traffic } = await place.pull(repository, { maxBytes: fetchBytes });
  assert.equal(traffic?.bodyBytes, fetchBytes);
});

test('a plan with a base counts only layers of the base as present', async () => {
  const shared = { tar: layerTar(1, 1) };
  await using place = await RegistryPlace.start([shared, { tar: layerTar(2, 1) }]);
  const repository = await place.repository('a');
  await using other = await RegistryPlace.start([shared]);
  await other.pull(repository, { name: 'other' });
  await place.pull(repository, { name: 'app' });
  const routesUpon = async (base?: string) => {
    const { layers } = await planPull(repository, REFERENCE, { ...place.registry, base });
    return layers.map(({ route }) => route);
  };
  assert.deepEqual(await routesUpon(), ['present', 'present']);
  assert.deepEqual(await routesUpon('other'), ['present', 'whole']);
  assert.deepEqual(await routesUpon('app'), ['present', 'present']);
  assert.equal(await codeOf(routesUpon('none')), 'IMAGE_NOT_FOUND');
});

test('blobs of a download are fetched by no later pull', async () => {
  await using place = await RegistryPlace.start();
  const repository = await place.repository('a');
  const plan = await planPull(repository, REFERENCE, place.registry);
  const done = await downloadImage(repository, REFERENCE, place.registry);
  assert.equal(done.traffic?.bodyBytes, plan.fetchBytes);
  assert.deepEqual(repository.streams.list(), []);
  const held = readdirSync(join(place.path('a'), '.onecopy/partial'));
  assert.equal(held.length, done.layers.length);
  const again = await downloadImage(repository, REFERENCE, place.registry);
  assert.deepEqual(
    again.layers.map(({ requests, reusedBytes }) => [requests, reusedBytes.partial]),
    again.layers.map(({ sizeBytes }) => [0, sizeBytes]),
  );
  place.server.seen.length = 0;
  const { layers } = await place.pull(repository);
  assert.equal(place.blobRequests.length, 1);
  assert.ok(layers.every(({ fetchedBytes }) => fetchedBytes === 0));
  assert.deepEqual(readdirSync(join(place.path('a'), '.onecopy/partial')), []);
});

test('a download whose digest does not match leaves no file', async () => {
  await using place = await RegistryPlace.start([{ tar: layerTar(1, 1) }]);
  const repository = await place.repository('a');
  const { layers } = await planPull(repository, REFERENCE, place.registry);
  const [{ digest = '', sizeBytes = 0 } = {}] = layers;
  place.answerBlob = ({ url }, whole) =>
    url.pathname.endsWith(digest) ? { status: 200, body: Buffer.alloc(sizeBytes, 1) } : whole();
  const refused = downloadImage(repository, REFERENCE, place.registry);
  assert.equal(await codeOf(refused), 'BLOB_DIGEST_MISMATCH');
  assert.deepEqual(readdirSync(join(place.path('a'), '.onecopy/partial')), []);
});

test('the planned space equals the space that the pull uses', async (t) => {
  if (!needs(t, 'root')) return;
  await using place = await RegistryPlace.start([
    { tar: layerTar(1, 150) },
    { tar: layerTar(2, 20) },
    { tar: layerTar(3, 10), compression: 'none' },
  ]);
  using disk = mountSmallFilesystem(400 * MIB);
  const made = await initRepository(join(disk.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using repository = made.repository;
  const { disk: planned } = await planPull(repository, REFERENCE, place.registry);
  const before = disk.usedBytes;
  let peakBytes = 0;
  const onProgress = () => {
    peakBytes = Math.max(peakBytes, disk.usedBytes - before);
  };
  await pullImage(repository, REFERENCE, { ...place.registry, name: 'app', onProgress });
  assert.equal(planned.isGuess, false);
  const ratio = peakBytes / planned.peakBytes;
  assert.ok(ratio > 0.95 && ratio < 1.05, `planned ${planned.peakBytes}, found ${peakBytes}`);
});

test('a pull that does not fit is refused before a layer is requested, and succeeds when there is space', async (t) => {
  if (!needs(t, 'root')) return;
  await using place = await RegistryPlace.start([{ tar: layerTar(1, 100) }]);
  using disk = mountSmallFilesystem(8 * MIB);
  const made = await initRepository(join(disk.path, 'repo'), {
    algorithm: 'sha256',
    insecure: true,
  });
  using repository = made.repository;
  const before = readdirSync(join(disk.path, 'repo'));
  await assert.rejects(place.pull(repository), (error: unknown) => {
    const { code, details } = error as { code: string; details: Record<string, number> };
    assert.equal(code, 'SPACE_INSUFFICIENT');
    assert.ok((details['expected'] ?? 0) > (details['found'] ?? 0));
    assert.ok((details['found'] ?? 0) > 6 * MIB);
    return true;
  });
  // The config, and the last bytes of the layer, which say how large it is.
  assert.deepEqual(
    place.blobRequests.map((range) => range === 'whole'),
    [true, false],
  );
  assert.deepEqual(readdirSync(join(disk.path, 'repo')), before);
  disk.resize(64 * MIB);
  await place.pull(repository);
  assert.ok((await checkRepository(repository)).ok);
});
