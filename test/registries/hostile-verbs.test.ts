/** Registries that attack: every verb that asks one fails with an error of ours, in bounded memory and few requests, and stores nothing. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOnecopyError } from '#base/errors';
import type { FakeAnswer, FakeHandler, SeenRequest } from '../support/fake-registry.ts';
import { digestOf } from '../support/memory-registry.ts';
import { VerbWorld } from '../support/verb-world.ts';

const METADATA = 'http://169.254.169.254/latest/meta-data';
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const MEMORY_BYTES_MAX = 200_000_000;
const REQUESTS_MAX = 60;

/** A body of a gigabyte, sent as far as it is read. */
const gigabyte: FakeAnswer = (response) => {
  response.writeHead(200, { 'content-type': MANIFEST_TYPE });
  const block = Buffer.alloc(65_536, ' ');
  let left = 1e9 / block.length;
  const more = () => {
    while (left-- > 0 && !response.destroyed && response.write(block));
    if (left <= 0) response.end();
  };
  response.on('drain', more).on('error', () => {});
  more();
};

const redirect = (location: string): FakeAnswer => ({ status: 307, headers: { location } });
const denied = (challenge: string): FakeAnswer => ({
  status: 401,
  headers: { 'www-authenticate': challenge },
});
const isFor = (kind: string, { url }: SeenRequest) => url.pathname.includes(`/${kind}/`);
const manifestOf = (layer: string): FakeAnswer => ({
  status: 200,
  headers: { 'content-type': MANIFEST_TYPE },
  body: JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: layer, size: 2 },
    layers: [],
  }),
});

/** Answers in the place of the registry; undefined where it answers as it should. */
const ATTACKS: Readonly<Record<string, (request: SeenRequest) => FakeAnswer | undefined>> = {
  'manifests of a gigabyte': (request) => (isFor('manifests', request) ? gigabyte : undefined),
  'a token of a gigabyte': ({ url, headers }) => {
    if (url.pathname === '/token') return gigabyte;
    return headers.authorization === undefined
      ? denied(`Bearer realm="${url.origin}/token"`)
      : undefined;
  },
  'manifests that are not their digests': (request) =>
    isFor('manifests', request)
      ? {
          status: 200,
          headers: {
            'content-type': MANIFEST_TYPE,
            'docker-content-digest': digestOf(Buffer.from('a')),
          },
          body: `{"schemaVersion":2,"mediaType":"${MANIFEST_TYPE}","layers":[]}`,
        }
      : undefined,
  'blobs that are not their digests': (request) =>
    isFor('blobs', request) && request.method === 'GET'
      ? { status: 200, body: Buffer.alloc(300, 7) }
      : undefined,
  'redirects in a circle': ({ url }) => (url.pathname === '/v2/' ? undefined : redirect(url.href)),
  'redirects to a file': ({ url }) =>
    url.pathname === '/v2/' ? undefined : redirect('file:///etc/passwd'),
  'redirects to the metadata address of a cloud': ({ url }) =>
    url.pathname === '/v2/' ? undefined : redirect(METADATA),
  '401 for ever': () => denied('Basic realm="r"'),
  'a token server at the metadata address': () => denied(`Bearer realm="${METADATA}"`),
  'digests that lead out of a folder': (request) =>
    isFor('manifests', request) ? manifestOf('sha256:../../../../etc/passwd') : undefined,
  'uploads to the metadata address': ({ method }) =>
    method === 'HEAD'
      ? { status: 404 }
      : method === 'POST'
        ? { status: 202, headers: { location: METADATA } }
        : undefined,
};

/** Attacks that only those feel who read blobs, or who write. */
const READ_BLOBS = new Set(['blobs that are not their digests']);
const WRITES = new Set(['uploads to the metadata address']);

for (const [attack, answer] of Object.entries(ATTACKS)) {
  test(`${attack}: the error is typed, the work is bounded, and nothing is published`, async () => {
    await using world = await VerbWorld.start();
    await world.ask('pull', { reference: world.layout, names: ['app'], keepBlobs: true });
    const before = treeOf(world.path('repo'));
    const honest: FakeHandler = (request) => world.memory.handler(request);
    world.server.handle((request) => answer(request) ?? honest(request));
    const name = world.at('ns/app:v1');
    const reading: (readonly [string, object])[] = [
      ['pull', { reference: name, names: ['evil'] }],
      ['copy', { from: name, to: `oci:${world.path('copied')}:1` }],
      ['ls', { name, recursive: true }],
    ];
    const looking: (readonly [string, object])[] = [
      ['inspect', { name }],
      ['history', { name }],
      ['referrers', { reference: name }],
    ];
    const writing: (readonly [string, object])[] = [
      ['push', { name: 'app', target: world.at('other/app:1') }],
      ['copy', { from: world.layout, to: world.at('other/app:2') }],
    ];
    const asked = WRITES.has(attack)
      ? writing
      : READ_BLOBS.has(attack)
        ? reading
        : [...reading, ...(attack.includes('digests') ? [] : looking)];
    for (const [verb, request] of asked) {
      world.server.seen.length = 0;
      const rssBytes = process.memoryUsage().rss;
      await assert.rejects(
        world.ask(verb, request),
        (error) => {
          assert.ok(isOnecopyError(error), `${verb}: ${(error as Error).stack}`);
          return true;
        },
        verb,
      );
      const grown = process.memoryUsage().rss - rssBytes;
      assert.ok(grown < MEMORY_BYTES_MAX, `${verb}: ${grown} bytes of memory`);
      const { length } = world.server.seen;
      assert.ok(length <= REQUESTS_MAX, `${verb}: ${length} requests`);
      for (const { headers, url } of world.server.seen) {
        assert.equal(headers.authorization, undefined, url.href);
      }
    }
    assert.deepEqual(treeOf(world.path('repo')), before);
    const index = join(world.path('copied'), 'index.json');
    if (existsSync(index)) assert.deepEqual(JSON.parse(readFileSync(index, 'utf8')).manifests, []);
    assert.ok(![...world.memory.manifests.keys()].some((key) => key.startsWith('other/app')));
  });
}

test('names of a hostile tag list cannot leave their folder, and pagination links are bounded', async () => {
  await using world = await VerbWorld.start();
  world.server.handle(({ url }) => {
    if (url.pathname === '/v2/') return { status: 200 };
    const body = JSON.stringify({
      name: 'x',
      tags: ['../../etc', 'v1', '', '..', 'a/b', '%2e%2e'],
    });
    return { status: 200, headers: { link: `<${METADATA}?n=1>; rel="next"` }, body };
  });
  const { tags } = await world
    .ask('tags', { reference: world.at('ns/app') })
    .catch((error: unknown) => (isOnecopyError(error) ? { tags: [] } : Promise.reject(error)));
  for (const tag of tags as string[]) assert.match(tag, /^\w[\w.-]*$/);
  assert.ok(world.server.seen.length < 20);
  for (const { url } of world.server.seen) assert.equal(url.host, world.server.plainHost);
});

/** Names of everything that is published in a repository. */
function treeOf(repository: string): string[] {
  return ['streams', 'images'].flatMap((part) =>
    readdirSync(join(repository, part), { recursive: true, encoding: 'utf8' }).toSorted(),
  );
}
