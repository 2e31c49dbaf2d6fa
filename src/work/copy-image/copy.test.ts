import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type FakeAnswer,
  FakeRegistry,
  type SeenRequest,
} from '../../../test/support/fake-registry.ts';
import {
  MemoryRegistry,
  type MemoryRegistryOptions,
} from '../../../test/support/memory-registry.ts';
import {
  type MultiImage,
  makeMultiImage,
  writeMultiImage,
} from '../../../test/support/multi-image.ts';
import { makeMemoryDir } from '../../../test/support/temp-dir.ts';
import { type CopyOptions, copyImage, previewCopy } from './index.ts';

const PLATFORM = { os: 'linux', architecture: 'arm64' };

/** A registry that speaks plain HTTP, with an image for two platforms, which lies in a layout, too. */
class World implements AsyncDisposable {
  readonly #temp = makeMemoryDir();
  readonly image: MultiImage = makeMultiImage();
  readonly memory: MemoryRegistry;
  readonly server: FakeRegistry;
  answer: ((request: SeenRequest) => FakeAnswer | undefined) | undefined;

  private constructor(server: FakeRegistry, options: MemoryRegistryOptions) {
    this.server = server;
    this.memory = new MemoryRegistry(options);
    for (const [digest, bytes] of this.image.blobs) {
      if (!this.image.manifests.has(digest)) this.memory.addBlob('ns/app', bytes);
    }
    for (const digest of this.image.manifests) {
      const bytes = this.image.blobs.get(digest) ?? Buffer.alloc(0);
      const { mediaType } = JSON.parse(bytes.toString('utf8'));
      const tag = digest === this.image.digest ? 'v1' : undefined;
      this.memory.addManifest('ns/app', bytes, mediaType, tag);
    }
    writeMultiImage(this.path('layout'), 'v1', this.image);
  }

  static async start(options: MemoryRegistryOptions = {}): Promise<World> {
    let world: World | undefined;
    const server = await FakeRegistry.start(
      (request) => world?.answer?.(request) ?? (world as World).memory.handler(request),
    );
    world = new World(server, options);
    return world;
  }

  path(name: string): string {
    return join(this.#temp.path, name);
  }

  at(name: string): string {
    return `docker://${this.server.plainHost}/${name}`;
  }

  /** Bytes of a blob of a layout that was written. */
  blobIn(layout: string, digest: string): Buffer {
    return readFileSync(this.path(`${layout}/blobs/sha256/${digest.slice(7)}`));
  }

  requests(method: string, part: string): SeenRequest[] {
    return this.server.seen.filter(
      (one) => one.method === method && `${one.url.pathname}${one.url.search}`.includes(part),
    );
  }

  async refuses(code: string, from: string, to: string, options?: CopyOptions): Promise<void> {
    await rejects(copyImage(from, to, options), { code });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#temp[Symbol.dispose]();
  }
}

test('one image of an index is copied from a registry into a layout, byte for byte', async () => {
  await using world = await World.start();
  const to = `oci:${world.path('out')}:mine`;
  const report = await copyImage(world.at('ns/app:v1'), to, { platform: PLATFORM });
  const { image } = world;
  equal(report.digest, image.arm64);
  equal(report.tag, 'mine');
  deepEqual(report.manifests, []);
  equal(
    report.bytes.copied,
    report.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  const index = JSON.parse(readFileSync(world.path('out/index.json'), 'utf8'));
  deepEqual(
    index.manifests.map((one: { digest: string }) => one.digest),
    [image.arm64],
  );
  for (const name of readdirSync(world.path('out/blobs/sha256'))) {
    deepEqual(world.blobIn('out', `sha256:${name}`), image.blobs.get(`sha256:${name}`));
  }
  // Each manifest and blob is asked for once, the config too.
  const asked = world.requests('GET', '/v2/ns').map(({ url }) => url.pathname);
  deepEqual(asked.length, new Set(asked).size);
  const again = await copyImage(world.at('ns/app:v1'), to, { platform: PLATFORM });
  equal(again.bytes.copied, 0);
  ok(again.bytes.fetched < 4000, 'manifests and the config');
});

test('a whole index is copied to a registry: blobs, then manifests by digest, then the index', async () => {
  await using world = await World.start();
  const { image, memory } = world;
  const from = `oci:${world.path('layout')}:v1`;
  const report = await copyImage(from, world.at('ns/all:v2'), { all: true });
  equal(report.digest, image.digest);
  deepEqual(report.manifests, [image.amd64, image.arm64, image.attestation]);
  const puts = world
    .requests('PUT', '/manifests/')
    .map(({ url }) => url.pathname.split('/').at(-1));
  deepEqual(puts, [image.amd64, image.arm64, image.attestation, 'v2']);
  deepEqual(memory.manifests.get('ns/all v2')?.bytes, image.blobs.get(image.digest));
  equal(
    report.bytes.copied,
    report.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  // The layer that both platforms have is sent once.
  equal(report.blobs.length, new Set(report.blobs.map(({ digest }) => digest)).size);
  equal(world.requests('PUT', '/uploads/').length, report.blobs.length);
  const again = await copyImage(from, world.at('ns/all:v3'), { all: true });
  equal(again.bytes.copied, 0);
  equal(again.bytes.present, report.bytes.copied);
  const byDigest = world.at(`ns/all@${image.digest}`);
  await copyImage(from, byDigest, { all: true });
  await world.refuses('BLOB_DIGEST_MISMATCH', from, byDigest, { platform: PLATFORM });
});

test('a copy within a registry mounts the blobs and reads none', async () => {
  await using world = await World.start();
  const options = { all: true };
  const report = await copyImage(world.at('ns/app:v1'), world.at('other/copy:v1'), options);
  equal(
    report.bytes.mounted,
    report.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  equal(report.bytes.copied, 0);
  ok(report.bytes.fetched < 4000, 'manifests');
  equal(world.requests('GET', '/blobs/').length, 0);
  equal(world.memory.manifests.has('other/copy v1'), true);
  // A registry that does not let the other repository be asked for.
  world.answer = ({ url }) => (url.search.includes('mount=') ? { status: 401 } : undefined);
  const sent = await copyImage(world.at('ns/app:v1'), world.at('third/copy:v1'), options);
  equal(sent.bytes.copied, report.bytes.mounted);
});

test('referrers of an image are copied, before its tag is set', async () => {
  for (const referrers of [true, false]) {
    await using world = await World.start({ referrers });
    const { image } = world;
    const layout = `oci:${world.path('layout')}:v1`;
    const options = { all: true, withReferrers: true };
    const report = await copyImage(layout, world.at('ns/signed:v1'), options);
    const wanted = [image.signature, image.signatureOfSbom, image.sbom].toSorted();
    deepEqual(report.referrers.map(({ digest }) => digest).toSorted(), wanted);
    equal(world.requests('PUT', '/manifests/').at(-1)?.url.pathname, '/v2/ns/signed/manifests/v1');
    // And back, by the API or the tags that stand for it, also the referrer of a referrer.
    const back = await copyImage(world.at('ns/signed:v1'), `oci:${world.path('back')}:v1`, options);
    deepEqual(back.referrers.map(({ digest }) => digest).toSorted(), wanted);
    for (const digest of wanted) deepEqual(world.blobIn('back', digest), image.blobs.get(digest));
    // The layout still offers one image to a reference without a tag.
    const bare = await copyImage(`oci:${world.path('back')}`, `dir:${world.path('one')}`, {
      platform: PLATFORM,
    });
    equal(bare.digest, image.arm64);
    await world.refuses('TARGET_UNSUPPORTED', layout, `dir:${world.path('two')}`, options);
  }
});

test('copies to directories and archives hold all platforms and can be read again', async () => {
  await using world = await World.start();
  const { image } = world;
  const all = { all: true };
  const layout = `oci:${world.path('layout')}:v1`;
  const places = [`dir:${world.path('dir')}`, `oci-archive:${world.path('a.tar')}:v1`];
  for (const [at, place] of places.entries()) {
    const report = await copyImage(layout, place, all);
    equal(report.digest, image.digest);
    const back = await copyImage(place, world.at(`ns/back${at}:v1`), all);
    equal(back.digest, image.digest);
    const first = await copyImage(place, `oci:${world.path(`one${at}`)}`, { platform: PLATFORM });
    equal(first.digest, image.arm64);
  }
  await copyImage(layout, `oci-archive:${world.path('b.tar')}:v1`, all);
  ok(readFileSync(world.path('a.tar')).equals(readFileSync(world.path('b.tar'))));
});

test('a dry run lists what would be copied, and does not contact the target', async () => {
  await using world = await World.start();
  const found = await previewCopy(world.at('ns/app:v1'), { all: true, withReferrers: false });
  equal(found.digest, world.image.digest);
  equal(found.blobs.length, 7);
  equal(world.requests('GET', '/blobs/').length, 0);
  equal(world.requests('POST', '').length, 0);
});

test('the signature policy is evaluated for every platform before the first layer is copied', async () => {
  await using world = await World.start();
  const signaturePolicy = world.path('policy.json');
  writeFileSync(signaturePolicy, '{"default":[{"type":"reject"}]}');
  const from = { signaturePolicy };
  const to = `oci:${world.path('out')}`;
  await world.refuses('IMAGE_REJECTED', world.at('ns/app:v1'), to, { all: true, from });
  await world.refuses('IMAGE_REJECTED', `oci:${world.path('layout')}:v1`, to, { all: true, from });
  equal(existsSync(world.path('out')), false);
  equal(world.requests('GET', '/blobs/').length, 0);
});

test('a blob with wrong bytes is not completed at the target, and no tag is set', async () => {
  await using world = await World.start();
  const { image } = world;
  const layer = [...image.blobs].find(([, bytes]) => bytes.length > 50_000)?.[0] ?? '';
  const lie = Buffer.from(image.blobs.get(layer) ?? '');
  lie[lie.length - 1] = (lie.at(-1) ?? 0) ^ 1;
  world.answer = ({ method, url }) =>
    method === 'GET' && url.pathname === `/v2/ns/app/blobs/${layer}`
      ? { status: 200, body: lie }
      : undefined;
  const options = { platform: PLATFORM };
  const from = world.at('ns/app:v1');
  const to = world.at('ns/new:v1');
  // Not in the same registry, by another name of the host.
  const elsewhere = to.replace('127.0.0.1', 'localhost');
  await world.refuses('BLOB_DIGEST_MISMATCH', from, elsewhere, options);
  await world.refuses('BLOB_DIGEST_MISMATCH', from, `oci:${world.path('out')}:v1`, options);
  equal(world.memory.manifests.has('ns/new v1'), false);
  equal(world.memory.links.has(`ns/new ${layer}`), false);
  const whole = world.requests('PUT', '/uploads/').some(({ body }) => body.length >= lie.length);
  equal(whole, false);
  equal(existsSync(world.path('out/index.json')), false);
  equal(existsSync(world.path(`out/blobs/sha256/${layer.slice(7)}`)), false);
});

test('an interrupted upload is resumed, and credentials go to their registry only', async () => {
  await using world = await World.start({ tellsStatus: true, chunkMinBytes: 16 << 20 });
  let broken = 0;
  world.answer = ({ method }) => {
    if (method !== 'PATCH' || broken++ > 0) return undefined;
    return (response) => response.destroy();
  };
  const from = `oci:${world.path('layout')}:v1`;
  const report = await copyImage(from, world.at('ns/new:v1'), { platform: PLATFORM });
  ok(broken > 1);
  equal(report.digest, world.image.arm64);
  // Another host gets the bytes, and not the password.
  await using clouded = await World.start();
  const cloud = clouded.server.plainHost.replace('127.0.0.1', 'localhost');
  const creds = { user: 'user', password: 'secret' };
  const wanted = `Basic ${Buffer.from('user:secret').toString('base64')}`;
  clouded.answer = (request) => {
    const { headers, url, method } = request;
    if (url.hostname === 'localhost') {
      url.hostname = '127.0.0.1';
      return undefined;
    }
    if (headers.authorization !== wanted) {
      return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
    }
    if (method !== 'POST') return undefined;
    const answer = clouded.memory.handler(request);
    if (typeof answer === 'function') return answer;
    const location = String(answer.headers?.['location']).replace('127.0.0.1', 'localhost');
    return { ...answer, headers: { ...answer.headers, location } };
  };
  await copyImage(from, clouded.at('ns/new:v1'), { platform: PLATFORM, to: { creds } });
  const away = clouded.server.seen.filter(({ headers }) => headers.host === cloud);
  ok(away.length > 0);
  equal(away.filter(({ headers }) => headers.authorization !== undefined).length, 0);
});

test('references without an image transport, unsupported targets and ambiguous sources are refused with their code', async () => {
  await using world = await World.start();
  const layout = `oci:${world.path('layout')}`;
  const out = `oci:${world.path('out')}`;
  await world.refuses('USAGE', 'app', out);
  await world.refuses('USAGE', `${layout}:v1`, 'app');
  await world.refuses('TRANSPORT_UNSUPPORTED', 'ostree-local:x:y', out);
  await world.refuses('TARGET_UNSUPPORTED', `${layout}:v1`, `docker-archive:${world.path('x')}`, {
    platform: PLATFORM,
  });
  await world.refuses('USAGE', `${layout}:v1`, `${out}:@0`, { platform: PLATFORM });
  await world.refuses('IMAGE_AMBIGUOUS', layout, out, { all: true });
  await world.refuses('MANIFEST_NOT_FOUND', world.at('ns/none:v1'), out);
  await rejects(copyImage('app', out), (error: Error) => {
    match(JSON.stringify(error), /onecopy export app/);
    return true;
  });
});
