/** Images outside of the repository: looked at where they lie, and brought with what refers to them. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Json } from '../../../test/support/ask-verb.ts';
import { VerbWorld } from '../../../test/support/verb-world.ts';

const platform = 'linux/arm64';

test('manifest, config and history of an image at its source are shown without a layer or a repository', async () => {
  await using world = await VerbWorld.start();
  const { image } = world;
  for (const name of [world.at('ns/app:v1'), world.layout]) {
    const shown = await world.ask('inspect', { name, platform });
    deepEqual([shown['manifestDigest'], shown['kind']], [image.arm64, 'image']);
    deepEqual([shown['streams'], shown['trust'], shown['imageIds']], [null, null, {}]);
    const { history } = await world.ask('history', { name, platform });
    deepEqual(
      (history as Json[]).map((step) => step['createdBy']),
      ['shared', 'arch arm64'],
    );
    world.written.length = 0;
    await world.ask('inspect', { name, platform, raw: true });
    deepEqual(Buffer.concat(world.written), image.blobs.get(image.arm64));
    await world.refuses('USAGE', 'inspect', { name, metadata: true });
    await world.refuses('USAGE', 'history', { name, limit: 3 });
    await world.refuses('PLATFORM_NOT_FOUND', 'inspect', { name, platform: 'linux/s390x' });
  }
  const layers = world.server.seen.filter(({ method, url }) => {
    return method === 'GET' && url.pathname.includes('/blobs/');
  });
  ok(layers.length <= 6, 'configs alone');
  ok(!readdirSync(world.path('.')).includes('repo'));
  await world.refuses('USAGE', 'inspect', {
    name: world.layout,
    creds: { user: 'a', password: 'b' },
  });
});

test('files are copied out of an image at its source', async () => {
  await using world = await VerbWorld.start();
  for (const [at, name] of [world.at('ns/app:v1'), world.layout].entries()) {
    const to = world.path(`copy-${at}`);
    const done = await world.ask('cp', { name, platform, path: '/arch', to, owners: false });
    equal(readFileSync(to, 'utf8'), 'arm64 1\n');
    equal(done['files'], 1);
    const whole = world.path(`whole-${at}`);
    await world.ask('cp', { name, platform, path: '/', to: whole, owners: false });
    deepEqual(readdirSync(whole).toSorted(), ['arch', 'shared', 'usr']);
    ok(readFileSync(join(whole, 'shared')).length > 50_000);
    await world.refuses('TREE_PATH_NOT_FOUND', 'cp', { name, platform, path: '/none', to });
  }
  ok(!readdirSync(world.path('.')).includes('repo'));
});

test('inspect shows the policy that accepted an image, and shows none if the note is damaged', async () => {
  await using world = await VerbWorld.start();
  const signaturePolicy = world.path('policy.json');
  writeFileSync(signaturePolicy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const request = { reference: world.at('ns/app:v1'), names: ['app'], platform, signaturePolicy };
  const { trust } = await world.ask('pull', request);
  deepEqual((await world.ask('inspect', { name: 'app' }))['trust'], trust);
  ok(JSON.stringify(trust).includes('insecureAcceptAnything'));
  const note = world.path(`repo/.onecopy/accepted/${world.image.arm64.replace(':', '-')}`);
  for (const lie of ['{', '{"policy":"mine","manifests":[]}', '[]']) {
    writeFileSync(note, lie);
    equal((await world.ask('inspect', { name: 'app' }))['trust'], null);
  }
  rmSync(world.path('repo/.onecopy'), { recursive: true });
  equal((await world.ask('inspect', { name: 'app' }))['trust'], null);
  // A note goes with the image.
  await world.ask('pull', request);
  ok(existsSync(note));
  await world.ask('rm', { names: ['app'] });
  await world.ask('gc', {});
  await world.ask('gc', {});
  equal(existsSync(note), true, 'for a day');
  utimesSync(note, 1, 1);
  await world.ask('gc', {});
  equal(existsSync(note), false);
});

test('artifacts of an image are pulled, listed, read, pushed and removed with it', async () => {
  await using world = await VerbWorld.start();
  const { image, memory } = world;
  for (const [at, reference] of [world.at('ns/app:v1'), world.layout].entries()) {
    const request = { reference, names: ['app'], platform: 'linux/amd64', withReferrers: true };
    const pulled = await world.ask('pull', { ...request, keepBlobs: true });
    deepEqual(
      (pulled['referrers'] as Json[]).map((one) => [one['digest'], one['artifactType']]),
      [[image.signature, 'text/signature']],
    );
    const listed = await world.ask('referrers', { reference: 'app' });
    equal(listed['subject'], image.amd64);
    const [row] = listed['referrers'] as Json[];
    deepEqual([row?.['digest'], row?.['artifactType']], [image.signature, 'text/signature']);
    const none = await world.ask('referrers', { reference: 'app', artifactType: 'x/y' });
    deepEqual(none['referrers'], []);
    const { images } = await world.ask('images', {});
    equal((images as Json[])[0]?.['referrers'], 1);
    world.written.length = 0;
    await world.ask('cat', { name: `@${image.signature}`, layer: 0 });
    equal(Buffer.concat(world.written).toString(), 'signed 1');
    await world.refuses('BLOB_NOT_FOUND', 'cat', { name: 'app', layer: 9 });
    await world.refuses('USAGE', 'cat', { name: 'app', layer: 0, paths: ['/arch'] });
    await world.refuses('USAGE', 'cat', { name: 'app' });
    world.server.seen.length = 0;
    const target = world.at(`ns/pushed${at}:v1`);
    const pushed = await world.ask('push', { name: 'app', target, withReferrers: true });
    deepEqual(pushed['referrers'], [image.signature]);
    equal(pushed['identical'], true);
    const key = `ns/pushed${at} ${image.signature}`;
    deepEqual(memory.manifests.get(key)?.bytes, image.blobs.get(image.signature));
    const puts = world.server.seen.filter(
      ({ method, url }) => method === 'PUT' && url.pathname.includes('/manifests/'),
    );
    equal(puts.at(-1)?.url.pathname, `/v2/ns/pushed${at}/manifests/v1`);
    const fsck = await world.ask('fsck', {});
    deepEqual(fsck['findings'], []);
    await world.ask('gc', {});
    await world.ask('cat', { name: `@${image.signature}`, layer: 0 });
    await world.ask('rm', { names: ['app'] });
    await world.ask('gc', {});
    await world.refuses('IMAGE_NOT_FOUND', 'cat', { name: `@${image.signature}`, layer: 0 });
  }
  deepEqual(
    world.warned.filter((text) => !text.includes('without fs-verity')),
    [],
  );
});
