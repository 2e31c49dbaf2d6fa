/** Images of all platforms: an index is pulled, shown, chosen from, sent on and removed as one thing. */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import type { Json } from '../../../test/support/ask-verb.ts';
import { makeMultiImage, writeMultiImage } from '../../../test/support/multi-image.ts';
import { VerbWorld } from '../../../test/support/verb-world.ts';

const platform = 'linux/arm64';

/** A world whose repository has the index under the name `multi`. */
async function pulled(more: Json = {}): Promise<VerbWorld> {
  const world = await VerbWorld.start();
  const reference = world.at('ns/app:v1');
  await world.ask('pull', { reference, names: ['multi'], allPlatforms: true, ...more });
  return world;
}

test('a pull of all platforms stores the index, each image once and a shared layer once', async () => {
  await using world = await VerbWorld.start();
  const { image } = world;
  const request = { reference: world.at('ns/app:v1'), names: ['multi'], allPlatforms: true };
  const planned = await world.plan('pull', request);
  deepEqual([planned['kind'], planned['wouldCreate']], ['index', true]);
  const seenBefore = world.server.seen.length;
  const done = await world.ask('pull', request);
  deepEqual([done['kind'], done['indexDigest']], ['index', image.digest]);
  deepEqual(
    (done['images'] as Json[]).map((one) => [one['platform'], one['manifestDigest']]),
    [
      ['linux/amd64', image.amd64],
      ['linux/arm64', image.arm64],
      [null, image.attestation],
    ],
  );
  const layers = world.server.seen
    .slice(seenBefore)
    .filter(({ url }) => url.pathname.includes('/blobs/'));
  const paths = layers.map(({ url }) => url.pathname);
  equal(new Set(paths).size, paths.length, 'no blob is asked for twice');
  const { images } = await world.ask('images', {});
  const [row] = images as [Json];
  deepEqual([row['kind'], row['manifestDigest']], ['index', image.digest]);
  deepEqual(row['platforms'], ['linux/amd64', 'linux/arm64']);
  equal((images as Json[]).length, 1);
  const again = await world.ask('pull', request);
  ok((again['images'] as Json[]).every((one) => one['present'] === one['layers']));
  const shown = await world.ask('inspect', { name: 'multi' });
  deepEqual([shown['kind'], shown['indexDigest']], ['index', image.digest]);
  deepEqual(
    (shown['manifests'] as Json[]).map((one) => [one['platform'], one['isAttestation']]),
    [
      ['linux/amd64', false],
      ['linux/arm64', false],
      ['unknown/unknown', true],
    ],
  );
  world.written.length = 0;
  await world.ask('inspect', { name: 'multi', raw: true });
  deepEqual(Buffer.concat(world.written), image.blobs.get(image.digest));
});

test('later verbs choose an image by platform, by default that of the host', async () => {
  await using world = await pulled();
  const { image } = world;
  for (const [chosen, text] of [
    [platform, 'arm64 1\n'],
    ['linux/amd64', 'amd64 1\n'],
  ]) {
    world.written.length = 0;
    await world.ask('cat', { name: 'multi', paths: ['arch'], platform: chosen });
    equal(Buffer.concat(world.written).toString(), text);
  }
  const { manifestDigest } = await world.ask('inspect', { name: 'multi', platform });
  equal(manifestDigest, image.arm64);
  await world.ask('ls', { name: 'multi', path: '/' });
  await world.refuses('PLATFORM_NOT_FOUND', 'cat', {
    name: 'multi',
    paths: ['arch'],
    platform: 'linux/s390x',
  });
  await world.refuses('USAGE', 'ls', { name: `@${image.arm64}`, path: '/', platform });
});

test('push and export write an index with all platforms, byte for byte', async () => {
  await using world = await pulled();
  const { image } = world;
  const target = world.at('copy/app:v2');
  const planned = await world.plan('push', { name: 'multi', target });
  equal(planned['manifestDigest'], image.digest);
  const pushed = await world.ask('push', { name: 'multi', target });
  deepEqual([pushed['manifestDigest'], pushed['identical']], [image.digest, true]);
  deepEqual(pushed['manifests'], [image.amd64, image.arm64, image.attestation]);
  const named = world.memory.manifests.get('copy/app v2')?.bytes;
  deepEqual(named, image.blobs.get(image.digest));
  for (const digest of [image.amd64, image.arm64, image.attestation]) {
    deepEqual(world.memory.manifests.get(`copy/app ${digest}`)?.bytes, image.blobs.get(digest));
  }
  await world.refuses('USAGE', 'push', { name: 'multi', target, forceCompression: 'zstd' });
  for (const transport of ['oci', 'dir']) {
    const place = world.path(`out-${transport}`);
    const done = await world.ask('export', { name: 'multi', target: `${transport}:${place}` });
    deepEqual([done['manifestDigest'], done['identical']], [image.digest, true]);
  }
  const files = readdirSync(world.path('out-oci/blobs/sha256'));
  const ofArtifacts = [image.sbom, image.signature, image.signatureOfSbom];
  for (const name of files) {
    const bytes = readFileSync(world.path(`out-oci/blobs/sha256/${name}`));
    deepEqual(bytes, image.blobs.get(`sha256:${name}`));
  }
  const left = [...image.manifests].filter((one) => !files.includes(one.slice(7)));
  deepEqual(left.sort(), ofArtifacts.sort());
  await world.ask('export', { name: 'multi', target: `oci:${world.path('arm')}:v1`, platform });
  ok(!readdirSync(world.path('arm/blobs/sha256')).includes(image.amd64.slice(7)));
});

test('referrers of an index and of its images are pulled and removed with it', async () => {
  await using world = await pulled({ withReferrers: true });
  const { image } = world;
  const { referrers } = await world.ask('referrers', { reference: 'multi' });
  deepEqual(
    (referrers as Json[]).map((one) => one['digest']),
    [image.sbom],
  );
  await world.ask('gc', {});
  const ofImage = await world.ask('referrers', { reference: `@${image.amd64}` });
  equal((ofImage['referrers'] as Json[]).length, 1);
  const target = world.at('copy/app:v3');
  const pushed = await world.ask('push', { name: 'multi', target, withReferrers: true });
  deepEqual(
    new Set(pushed['referrers'] as string[]),
    new Set([image.sbom, image.signature, image.signatureOfSbom]),
  );
});

test('gc keeps an index and all that it refers to, and frees it after its last tag is removed', async () => {
  await using world = await pulled();
  const { image } = world;
  await world.ask('gc', {});
  equal((await world.ask('fsck', {}))['ok'], true);
  await world.ask('tag', { name: 'multi', newName: 'second' });
  const first = await world.ask('rm', { names: ['multi'] });
  deepEqual((first['removed'] as Json[])[0]?.['remaining'], ['second']);
  await world.ask('gc', {});
  equal((await world.ask('fsck', {}))['ok'], true);
  const { indexDigest } = await world.ask('inspect', { name: 'second' });
  equal(indexDigest, image.digest);
  await world.ask('untag', { names: ['second'] });
  deepEqual(readdirSync(world.path('repo/streams/refs')).includes('oci-index'), false);
  await world.ask('gc', {});
  const streams = readdirSync(world.path('repo/streams')).filter((name) => name !== 'refs');
  deepEqual(streams, []);
});

test('fsck reports what an index lacks, and --repair pulls it again', async () => {
  await using world = await pulled();
  const { image } = world;
  const stream = `repo/streams/oci-manifest-${image.arm64}`;
  rmSync(world.path(stream));
  const found = await world.ask('fsck', { names: ['multi'] });
  equal(found['ok'], false);
  const [finding] = found['findings'] as [Json];
  match(String(finding['detail']), new RegExp(image.arm64));
  const reference = world.at('ns/app:v1');
  await world.ask('pull', { reference, names: ['multi'], allPlatforms: true });
  equal((await world.ask('fsck', {}))['ok'], true);
});

test('options that conflict with --all-platforms are refused, and a new pull under the same tag replaces the index', async () => {
  await using world = await VerbWorld.start();
  const { image } = world;
  const single = `docker://${world.server.plainHost}/ns/app@${image.arm64}`;
  const request = { reference: single, names: ['one'], allPlatforms: true, platform };
  await world.refuses('USAGE', 'pull', request);
  const all = { reference: world.at('ns/app:v1'), names: ['all'], allPlatforms: true };
  await world.refuses('USAGE', 'pull', { ...all, base: ['x'] });
  const reference = world.layout;
  const other = makeMultiImage(2);
  writeMultiImage(world.path('other'), 'v1', other);
  const done = await world.ask('pull', { reference, names: ['a'], allPlatforms: true });
  equal(done['indexDigest'], image.digest);
  const next = `oci:${world.path('other')}:v1`;
  const replaced = await world.ask('pull', { reference: next, names: ['a'], allPlatforms: true });
  equal(replaced['indexDigest'], other.digest);
  await world.ask('gc', {});
  await world.refuses('IMAGE_NOT_FOUND', 'inspect', { name: `@${image.digest}` });
  equal((await world.ask('fsck', {}))['ok'], true);
});

test('a pull of all platforms respects its download limit, which counts a shared layer once', async () => {
  await using world = await VerbWorld.start();
  const all = { reference: world.at('ns/app:v1'), names: ['all'], allPlatforms: true };
  const { fetchBytes, isOverBudget } = await world.plan('pull', all);
  equal(isOverBudget, false);
  const most = Number(fetchBytes);
  equal((await world.plan('pull', { ...all, maxBytes: most - 1 }))['isOverBudget'], true);
  await world.refuses('PULL_OVER_BUDGET', 'pull', { ...all, maxBytes: most - 1 });
  await world.refuses('PULL_OVER_BUDGET', 'pull', { ...all, maxBytes: 10, downloadOnly: true });
  const done = await world.ask('pull', { ...all, maxBytes: most });
  equal((done['bytes'] as Json)['fetched'], most);
  // Of what is stored, only documents come again.
  const again = await world.plan('pull', { ...all, maxBytes: most / 2 });
  equal(again['isOverBudget'], false);
  equal(again['wantedBytes'], 0);
});

test('a pull after a download of all platforms requests no layer', async () => {
  await using world = await VerbWorld.start();
  const all = { reference: world.at('ns/app:v1'), names: ['all'], allPlatforms: true };
  const done = await world.ask('pull', { ...all, downloadOnly: true });
  deepEqual([done['kind'], done['downloadOnly']], ['index', true]);
  equal((done['images'] as Json[]).length, 3);
  deepEqual((await world.ask('images', {}))['images'], []);
  const before = world.server.seen.length;
  await world.ask('pull', all);
  const configs = [world.image.amd64, world.image.arm64, world.image.attestation].map((digest) => {
    const { config } = JSON.parse(String(world.image.blobs.get(digest)));
    return `/v2/ns/app/blobs/${config.digest}`;
  });
  const asked = world.server.seen
    .slice(before)
    .map(({ url }) => url.pathname)
    .filter((path) => path.includes('/blobs/'));
  deepEqual(
    asked.filter((path) => !configs.includes(path)),
    [],
  );
});
