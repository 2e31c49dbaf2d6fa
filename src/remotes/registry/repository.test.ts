import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type ContentDigest, parseContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import type { BlobPiece } from '#base/flow';
import { MEDIA_TYPES, parsePlatform } from '#formats/oci';
import { type FakeHandler, FakeRegistry } from '../../../test/support/fake-registry.ts';
import {
  digestOf,
  MemoryRegistry,
  type MemoryRegistryOptions,
  refusal,
} from '../../../test/support/memory-registry.ts';
import type { Endpoint } from './endpoint.ts';
import type { RegistrySettings } from './host.ts';
import { RegistryRepository } from './repository.ts';

const RETRY = { attempts: 3, baseMs: 1, capMs: 2 };

function endpointOf(
  server: FakeRegistry,
  host = 'reg.test',
  more: Partial<Endpoint> = {},
): Endpoint {
  return {
    host,
    repository: 'ns/img',
    insecure: false,
    tls: { caPem: [server.authority] },
    ...more,
  };
}

/** A repository at some hosts of one server. */
async function open(
  registry: MemoryRegistry | FakeHandler,
  hosts: readonly string[] = ['reg.test'],
  settings: RegistrySettings = {},
) {
  const handler = registry instanceof MemoryRegistry ? registry.handler : registry;
  const server = await FakeRegistry.start(handler);
  const endpoints = hosts.map((host) => endpointOf(server, host));
  const repository = new RegistryRepository(endpoints, {
    resolve: server.resolve,
    retry: RETRY,
    ...settings,
  });
  return {
    server,
    repository,
    async [Symbol.asyncDispose]() {
      await repository[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const lines = ({ server }: { server: FakeRegistry }) =>
  server.seen.map(({ method, url }) => `${method} ${url.host}${url.pathname}${url.search}`);

async function bytesIn(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(new Uint8Array(piece));
  return Buffer.concat(pieces);
}

/** An image with a config for linux/amd64 and one for arm64, behind an index. */
function addImages(registry: MemoryRegistry): { index: ContentDigest; manifests: string[] } {
  const manifests = ['amd64', 'arm64'].map((architecture) => {
    const config = Buffer.from(
      JSON.stringify({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: [] } }),
    );
    const digest = registry.addBlob('ns/img', config);
    const descriptor = { mediaType: MEDIA_TYPES.ociConfig, digest, size: config.length };
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: descriptor,
      layers: [],
    };
    const bytes = Buffer.from(JSON.stringify(document));
    registry.addManifest('ns/img', bytes, MEDIA_TYPES.ociManifest);
    return { bytes, architecture };
  });
  const entries = manifests.map(({ bytes, architecture }) => ({
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(bytes),
    size: bytes.length,
    platform: { os: 'linux', architecture },
  }));
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries }),
  );
  const digest = registry.addManifest('ns/img', index, MEDIA_TYPES.ociIndex, '1');
  return { index: parseContentDigest(digest), manifests: entries.map((one) => one.digest) };
}

test('an image is resolved by tag and by digest, for a platform, and each document is fetched once', async () => {
  const registry = new MemoryRegistry();
  const { index, manifests } = addImages(registry);
  for (const reference of [{ tag: '1' }, { digest: index }]) {
    await using session = await open(registry);
    const { repository } = session;
    const found = await repository.resolve(reference, { platform: parsePlatform('linux/arm64') });
    assert.equal(found.manifest.digest, manifests[1]);
    assert.equal(found.indexes[0]?.digest, index);
    assert.equal(lines(session).length, 4);
    assert.equal(repository.traffic.requests, 3);
  }
});

test('a missing manifest is distinguished from a refused one', async () => {
  await using session = await open(new MemoryRegistry());
  const { repository } = session;
  assert.equal(await repository.readManifest({ tag: 'none' }), undefined);
  await assert.rejects(
    repository.requireManifest({ tag: 'none' }),
    (error) => hasCode(error, 'MANIFEST_NOT_FOUND') && /nobody is logged in/.test(error.message),
  );
  await assert.rejects(repository.listTags(), (error) => hasCode(error, 'REGISTRY_NAME_NOT_FOUND'));
  const digest = parseContentDigest(digestOf(Buffer.from('x')));
  await assert.rejects(repository.readBlob({ digest, sizeBytes: 1 }), (error) =>
    hasCode(error, 'BLOB_NOT_FOUND'),
  );
  session.server.handle(() => refusal(403, 'DENIED', 'requested access\u001b[2J is denied'));
  await assert.rejects(repository.readManifest({ tag: 'none' }), (error) => {
    assert.ok(hasCode(error, 'HTTP_DENIED'));
    assert.match(error.message, /"DENIED: requested access \[2J is denied"/);
    return true;
  });
  session.server.handle(() => refusal(404, 'UNSUPPORTED', 'odd'));
  await assert.rejects(repository.readManifest({ tag: 'none' }), (error) =>
    hasCode(error, 'HTTP_STATUS'),
  );
});

/** Refused responses to a manifest request, and their errors. */
const BAD_MANIFESTS = {
  'too long by a byte': [
    { status: 200, body: Buffer.alloc((4 << 20) + 1, ' ') },
    'RESPONSE_TOO_LARGE',
  ],
  'with another digest in its header': [
    {
      status: 200,
      headers: { 'docker-content-digest': digestOf(Buffer.from('other')) },
      body: '{"schemaVersion":2,"manifests":[]}',
    },
    'BLOB_DIGEST_MISMATCH',
  ],
  'with a header that is no digest': [
    {
      status: 200,
      headers: { 'docker-content-digest': 'md5:1' },
      body: '{"schemaVersion":2,"manifests":[]}',
    },
    'REGISTRY_ANSWER_INVALID',
  ],
  'of another type than its header says': [
    {
      status: 200,
      headers: { 'content-type': MEDIA_TYPES.ociManifest },
      body: `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.ociIndex}","manifests":[]}`,
    },
    'REGISTRY_ANSWER_INVALID',
  ],
  'packed on the way': [
    { status: 200, headers: { 'content-encoding': 'gzip' }, body: 'x' },
    'REGISTRY_ANSWER_INVALID',
  ],
  'of Docker schema 1': [
    {
      status: 200,
      headers: { 'content-type': MEDIA_TYPES.dockerManifest1Signed },
      body: '{"schemaVersion":1}',
    },
    'MEDIA_TYPE_UNSUPPORTED',
  ],
  'that is not JSON': [{ status: 200, body: '<html>' }, 'OCI_DOCUMENT_INVALID'],
} as const;

for (const [what, [answer, code]] of Object.entries(BAD_MANIFESTS)) {
  test(`a manifest ${what} is refused`, async () => {
    await using session = await open(({ url }) =>
      url.pathname === '/v2/' ? { status: 200 } : answer,
    );
    await assert.rejects(session.repository.requireManifest({ tag: '1' }), (error) =>
      hasCode(error, code),
    );
  });
}

test('a manifest that does not match its digest is refused', async () => {
  const body = '{"schemaVersion":2,"manifests":[]}';
  await using session = await open(() => ({ status: 200, body }));
  const digest = parseContentDigest(digestOf(Buffer.from('other')));
  await assert.rejects(session.repository.requireManifest({ digest }), (error) =>
    hasCode(error, 'BLOB_DIGEST_MISMATCH'),
  );
});

const BLOB = randomBytes(700_000);
const NAME = { digest: parseContentDigest(digestOf(BLOB)), sizeBytes: BLOB.length };

test('a blob is read from any offset, also over a redirect, by closed ranges', async () => {
  for (const blobBase of [undefined, 'https://cdn.test']) {
    const registry = new MemoryRegistry(blobBase === undefined ? {} : { blobBase });
    registry.addBlob('ns/img', BLOB);
    await using session = await open(registry);
    const blob = session.repository.openBlob(NAME);
    assert.deepEqual(await bytesIn(blob.read()), BLOB);
    assert.deepEqual(await bytesIn(blob.read({ offset: 650_000 })), BLOB.subarray(650_000));
    assert.equal(session.server.seen.at(-1)?.headers.range, 'bytes=650000-699999');
    assert.equal((await bytesIn(blob.read({ offset: BLOB.length }))).length, 0);
    assert.equal(session.repository.traffic.bodyBytes, 750_000);
  }
});

const RANGES = [
  { offset: 10, length: 100 },
  { offset: 1000, length: 1 },
  { offset: 600_000, length: 90_000 },
];

async function collect(pieces: AsyncIterable<BlobPiece>): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  for await (const { offset, bytes } of pieces) {
    for (const [at, byte] of bytes.entries()) found.set(offset + at, byte);
  }
  return found;
}

for (const parts of [true, false]) {
  test(`ranges of a blob arrive ${parts ? 'in one request' : 'one by one where several are refused'}`, async () => {
    const registry = new MemoryRegistry({ parts });
    registry.addBlob('ns/img', BLOB);
    await using session = await open(registry);
    const blob = session.repository.openBlob(NAME);
    for (let round = 0; round < 2; round++) {
      const answer = await blob.readRanges(RANGES);
      assert.ok(answer.kind === 'ranges');
      const found = await collect(answer.pieces);
      assert.equal(found.size, 90_101);
      for (const [at, byte] of found) assert.equal(byte, BLOB[at]);
    }
    // The ping, then one request per round, or one that is refused and not repeated.
    assert.equal(session.server.seen.length, parts ? 3 : 1 + 1 + 3 + 3);
    assert.equal(session.repository.traffic.bodyBytes, 2 * 90_101);
  });
}

test('a registry that ignores ranges and sends the whole blob is reported', async () => {
  const registry = new MemoryRegistry();
  registry.addBlob('ns/img', BLOB);
  await using session = await open((request) => {
    delete request.headers.range;
    return registry.handler(request);
  });
  const answer = await session.repository.openBlob(NAME).readRanges(RANGES);
  assert.ok(answer.kind === 'whole');
  assert.deepEqual(await bytesIn(answer.bytes), BLOB);
});

test('ranges interrupted inside their parts are requested again without repeated bytes', async () => {
  const registry = new MemoryRegistry({ parts: true });
  registry.addBlob('ns/img', BLOB);
  let cut = false;
  await using session = await open((request) => {
    const answer = registry.handler(request);
    if (cut || request.headers.range === undefined || typeof answer === 'function') return answer;
    cut = true;
    return (response) => {
      response.writeHead(206, { ...answer.headers, 'content-length': answer.body?.length ?? 0 });
      response.write(Buffer.from(answer.body ?? '').subarray(0, 30_000), () => response.destroy());
    };
  });
  const answer = await session.repository.openBlob(NAME).readRanges(RANGES);
  assert.ok(answer.kind === 'ranges');
  const found = await collect(answer.pieces);
  assert.equal(found.size, 90_101);
  assert.ok(session.repository.traffic.bodyBytes === 90_101);
});

test('if a mirror fails inside a blob, the next one continues at the same byte', async () => {
  const registry = new MemoryRegistry();
  addImages(registry);
  registry.addBlob('ns/img', BLOB);
  let dying = false;
  await using session = await open(
    (request) => {
      const answer = registry.handler(request);
      const isMirror = request.url.host === 'mirror-a.test';
      if (!isMirror || !request.url.pathname.includes(NAME.digest)) return answer;
      if (dying) return (response) => void response.destroy();
      dying = true;
      return (response) => {
        response.writeHead(200, { 'content-length': BLOB.length });
        response.write(BLOB.subarray(0, 400_000), () => response.destroy());
      };
    },
    ['mirror-a.test', 'reg.test'],
  );
  await session.repository.requireManifest({ tag: '1' });
  assert.deepEqual(await bytesIn(session.repository.openBlob(NAME).read()), BLOB);
  const last = session.server.seen.at(-1);
  assert.equal(last?.url.host, 'reg.test');
  assert.equal(last?.headers.range, 'bytes=400000-699999');
});

test('a blob that is damaged at a mirror is read from the next endpoint', async () => {
  const registry = new MemoryRegistry();
  registry.addBlob('ns/img', BLOB);
  const wrong = Buffer.from(BLOB).fill(0, 5, 6);
  await using session = await open(
    (request) => {
      const isMirror = request.url.host === 'mirror-a.test' && request.url.pathname !== '/v2/';
      return isMirror ? { status: 200, body: wrong } : registry.handler(request);
    },
    ['mirror-a.test', 'reg.test'],
  );
  assert.deepEqual(await session.repository.readBlob(NAME), BLOB);
  const blob = session.repository.openBlob(NAME);
  assert.equal(session.repository.endpoint.host, 'reg.test');
  assert.equal(blob.distrust(), true);
  assert.equal(session.repository.endpoint.host, 'mirror-a.test');
});

test('a foreign layer that the registry lacks is fetched from the URL of its descriptor, without credentials', async () => {
  const mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const urls = ['file:///etc/passwd', 'https://other.test/gone', 'https://other.test/layer'];
  const handler: FakeHandler = ({ url }) => {
    if (url.pathname === '/v2/') return { status: 200 };
    return url.pathname === '/layer' ? { status: 200, body: BLOB } : { status: 404 };
  };
  await using session = await open(handler);
  assert.deepEqual(await session.repository.readBlob({ ...NAME, mediaType, urls }), BLOB);
  assert.deepEqual(lines(session).slice(2), ['GET other.test/gone', 'GET other.test/layer']);
  const plain = { ...NAME, mediaType: MEDIA_TYPES.ociLayer, urls };
  await assert.rejects(session.repository.readBlob(plain), (error) =>
    hasCode(error, 'BLOB_NOT_FOUND'),
  );
});

test('the first endpoint that has the manifest is used for all later requests', async () => {
  const registry = new MemoryRegistry();
  const { manifests } = addImages(registry);
  await using session = await open(
    (request) => {
      if (request.url.host === 'mirror-a.test') return { status: 500 };
      if (request.url.host === 'mirror-b.test') return refusal(404, 'MANIFEST_UNKNOWN', 'no');
      return registry.handler(request);
    },
    ['mirror-a.test', 'mirror-b.test', 'reg.test'],
  );
  const { repository } = session;
  await repository.requireManifest({ tag: '1' });
  const before = session.server.seen.length;
  await repository.requireManifest({ digest: parseContentDigest(manifests[0] as string) });
  assert.deepEqual(
    session.server.seen.slice(before).map(({ url }) => url.host),
    ['reg.test'],
  );
  session.server.handle(() => ({ status: 500 }));
  await assert.rejects(repository.requireManifest({ tag: '1' }), (error) => {
    assert.ok(hasCode(error, 'HTTP_STATUS'));
    assert.equal((error.details['others'] as string[]).length, 2);
    return true;
  });
});

test('plain HTTP is used only for loopback and insecure hosts', async () => {
  const registry = new MemoryRegistry();
  addImages(registry);
  await using server = await FakeRegistry.start(registry.handler);
  for (const host of ['localhost:5000', 'reg.test:5000', 'other.test:5000']) server.plain.add(host);
  const pull = async (endpoint: Endpoint) => {
    await using repository = new RegistryRepository([endpoint], {
      resolve: server.resolve,
      retry: { attempts: 1 },
    });
    await repository.requireManifest({ tag: '1' });
    return server.seen.at(-1)?.url.protocol;
  };
  const at = (host: string, more: Partial<Endpoint>) => endpointOf(server, host, more);
  assert.equal(await pull(at('localhost:5000', {})), 'http:');
  assert.equal(await pull(at('reg.test:5000', { insecure: true })), 'http:');
  await assert.rejects(pull(at('other.test:5000', {})), (error) =>
    hasCode(error, 'CONNECTION_LOST'),
  );
  const strict = at('localhost:5000', { mayUsePlainHttp: false });
  await assert.rejects(pull(strict), (error) => hasCode(error, 'CONNECTION_LOST'));
  // A host with an untrusted certificate is not a host without TLS.
  const stranger = at('localhost:443', { tls: {} });
  await assert.rejects(pull(stranger), (error) => hasCode(error, 'TLS_UNTRUSTED'));
  assert.equal(await pull(at('reg.test', { insecure: true, tls: {} })), 'https:');
});

test('tags are read from all pages, each once, and invalid ones are skipped', async () => {
  const registry = new MemoryRegistry({ tagsPerPage: 2 });
  const index = Buffer.from('{"schemaVersion":2,"manifests":[]}');
  for (const tag of ['b', 'a', 'c', '-no', '1.0']) {
    registry.addManifest('ns/img', index, MEDIA_TYPES.ociIndex, tag);
  }
  await using session = await open(registry);
  assert.deepEqual(await session.repository.listTags(), ['b', 'a', 'c', '1.0']);
  assert.equal(session.server.seen.length, 4);
});

test('next-page links must stay at their host, and a cycle of them is refused', async () => {
  let link = '<https://evil.test/v2/ns/img/tags/list?n=2>; rel=next';
  await using session = await open(({ url }) => {
    if (url.search !== '') link = '</v2/ns/img/tags/list?n=2>; rel="next"';
    return { status: 200, headers: { link }, body: '{"tags":["a"]}' };
  });
  await assert.rejects(session.repository.listTags(), (error) =>
    hasCode(error, 'REGISTRY_ANSWER_INVALID'),
  );
  assert.ok(session.server.seen.every(({ url }) => url.host === 'reg.test'));
});

const SUBJECT = parseContentDigest(digestOf(Buffer.from('subject')));
const ARTIFACT = {
  mediaType: MEDIA_TYPES.ociManifest,
  bytes: Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      artifactType: 'application/x.note',
      config: { mediaType: MEDIA_TYPES.ociEmpty, digest: SUBJECT, size: 2 },
      layers: [],
      subject: { mediaType: MEDIA_TYPES.ociManifest, digest: SUBJECT, size: 7 },
      annotations: { a: 'b' },
    }),
  ),
};

for (const referrers of [true, false]) {
  test(`a referrer is listed ${referrers ? 'by the registry' : 'under the tag of its subject'}`, async () => {
    const registry = new MemoryRegistry({ referrers });
    await using session = await open(registry);
    const { repository } = session;
    assert.deepEqual(await repository.listReferrers(SUBJECT), []);
    const pushed = await repository.pushManifest(ARTIFACT);
    assert.equal(pushed.isListed, referrers);
    await repository.pushManifest(ARTIFACT);
    const found = await repository.listReferrers(SUBJECT);
    assert.deepEqual(
      found.map(({ digest, artifactType }) => [digest, artifactType]),
      [[pushed.digest, 'application/x.note']],
    );
    const tag = `sha256-${SUBJECT.slice(7)}`;
    assert.equal(registry.manifests.has(`ns/img ${tag}`), !referrers);
    const asked = lines(session).filter((line) => line.includes('/referrers/'));
    assert.equal(asked.length, referrers ? 2 : 1, 'a registry without the API is asked once');
  });
}

test('a referrers list that another client overwrites is written again, up to a limit', async () => {
  const registry = new MemoryRegistry();
  let overwrites = 2;
  await using session = await open((request) => {
    const isList = request.method === 'PUT' && request.url.pathname.includes('sha256-');
    if (isList && overwrites-- > 0) return { status: 201 };
    return registry.handler(request);
  });
  await session.repository.pushManifest(ARTIFACT);
  assert.equal((await session.repository.listReferrers(SUBJECT)).length, 1);
  registry.manifests.clear();
  overwrites = 100;
  await assert.rejects(session.repository.pushManifest(ARTIFACT), (error) =>
    hasCode(error, 'REGISTRY_ANSWER_INVALID'),
  );
});

test('each warning of a registry is reported once', async () => {
  const registry = new MemoryRegistry();
  addImages(registry);
  const told: string[] = [];
  const headers = { warning: '299 - "soon closed"', 'ratelimit-remaining': '3;w=21600' };
  await using session = await open(
    (request) => {
      const answer = registry.handler(request);
      if (typeof answer === 'function' || request.url.pathname === '/v2/') return answer;
      return { ...answer, headers: { ...answer.headers, ...headers } };
    },
    ['reg.test'],
    { onWarning: (text) => told.push(text) },
  );
  await session.repository.resolve({ tag: '1' });
  assert.deepEqual(told, [
    'reg.test warns: soon closed',
    'reg.test allows 3 more requests within 21600 s',
  ]);
});

test('a proxy for several registries receives the upstream host', async () => {
  const registry = new MemoryRegistry();
  addImages(registry);
  await using server = await FakeRegistry.start(registry.handler);
  const endpoint = endpointOf(server, 'mirror-a.test', { namespace: 'docker.io' });
  await using repository = new RegistryRepository([endpoint], { resolve: server.resolve });
  await repository.resolve({ tag: '1' });
  assert.ok(server.seen.every(({ url }) => url.searchParams.get('ns') === 'docker.io'));
});

type PushCase = MemoryRegistryOptions & { readonly expected: readonly string[] };

const PUSHES: Readonly<Record<string, PushCase>> = {
  'in one request': { expected: ['HEAD', 'POST', 'PUT'] },
  'in chunks where they are announced': {
    chunkMinBytes: 17 << 20,
    expected: ['HEAD', 'POST', 'PATCH', 'PATCH', 'PUT'],
  },
};

for (const [how, { expected, ...options }] of Object.entries(PUSHES)) {
  test(`a blob is pushed ${how}, and not again if it exists`, async () => {
    const big = Buffer.alloc(options.chunkMinBytes === undefined ? 300_000 : 20 << 20, 'blob');
    const registry = new MemoryRegistry(options);
    await using session = await open(registry);
    const blob = {
      digest: parseContentDigest(digestOf(big)),
      sizeBytes: big.length,
      open: async function* (offset: number) {
        for (let at = offset; at < big.length; at += 100_000) yield big.subarray(at, at + 100_000);
      },
    };
    const progress: number[] = [];
    const onProgress = (sent: number) => progress.push(sent);
    assert.equal(await session.repository.pushBlob(blob, { onProgress }), 'uploaded');
    assert.deepEqual(registry.blobs.get(blob.digest), big);
    assert.deepEqual(
      session.server.seen.slice(1).map(({ method }) => method),
      expected,
    );
    assert.equal(progress.at(-1), big.length);
    assert.equal(await session.repository.pushBlob(blob), 'present');
  });
}

/** A blob in pieces, for pushes. */
function toPush(bytes: Buffer) {
  return {
    digest: parseContentDigest(digestOf(bytes)),
    sizeBytes: bytes.length,
    open: async function* (offset: number) {
      for (let at = offset; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
    },
  };
}

test('a blob is mounted from another repository, or sent in the upload that the registry opens instead', async () => {
  const registry = new MemoryRegistry();
  registry.addBlob('other/img', BLOB);
  await using session = await open(registry);
  const blob = toPush(BLOB);
  assert.equal(await session.repository.pushBlob(blob, { mountFrom: ['other/img'] }), 'mounted');
  registry.links.clear();
  const way = await session.repository.pushBlob(blob, { mountFrom: ['elsewhere'] });
  assert.equal(way, 'uploaded');
  assert.equal(session.server.seen.filter(({ method }) => method === 'POST').length, 2);
});

test('an empty blob is pushed', async () => {
  await using session = await open(new MemoryRegistry());
  assert.equal(await session.repository.pushBlob(toPush(Buffer.alloc(0))), 'uploaded');
});

test('an upload whose last response is lost is not sent again', async () => {
  const registry = new MemoryRegistry();
  await using session = await open((request) => {
    const answer = registry.handler(request);
    return request.method === 'PUT' ? (response) => void response.destroy() : answer;
  });
  assert.equal(await session.repository.pushBlob(toPush(BLOB)), 'uploaded');
  const methods = session.server.seen.map(({ method }) => method);
  assert.deepEqual(methods, ['GET', 'HEAD', 'POST', 'PUT', 'HEAD']);
});

for (const tellsStatus of [true, false]) {
  test(`an upload that fails in a chunk ${tellsStatus ? 'goes on from what the registry has' : 'begins again where the registry does not say'}`, async () => {
    const big = randomBytes(20 << 20);
    const registry = new MemoryRegistry({ tellsStatus, chunkMinBytes: 1 << 20 });
    let breaks = 1;
    await using session = await open((request) => {
      const isSecond = request.method === 'PATCH' && request.url.searchParams.has('step');
      if (isSecond && breaks-- > 0) {
        const id = /uploads\/(u[0-9]+)/.exec(request.url.pathname)?.[1] ?? '';
        registry.partial(id, big.subarray(0, (16 << 20) + 1000));
        return (response) => void response.destroy();
      }
      return registry.handler(request);
    });
    const states: number[] = [];
    const onState = ({ sentBytes }: { sentBytes: number }) => states.push(sentBytes);
    await session.repository.pushBlob(toPush(big), { onState });
    assert.ok(registry.blobs.has(digestOf(big)));
    const sent = session.server.seen.reduce((sum, { body }) => sum + body.length, 0);
    if (tellsStatus) {
      assert.ok(states.includes((16 << 20) + 1000));
      assert.ok(sent < 30 << 20);
    }
    assert.equal(states.filter((count) => count === 0).length, tellsStatus ? 1 : 2);
  });
}

test('an upload is resumed in another run from its saved state', async () => {
  const big = randomBytes(18 << 20);
  const registry = new MemoryRegistry({ tellsStatus: true, chunkMinBytes: 1 << 20 });
  await using session = await open(registry);
  let state: { location: string; sentBytes: number } | undefined;
  const stop = new AbortController();
  const first = session.repository.pushBlob(toPush(big), {
    signal: stop.signal,
    onState: (now) => {
      state = now;
      if (now.sentBytes > 0) stop.abort(new Error('stopped'));
    },
  });
  await assert.rejects(first, /stopped/);
  assert.equal(state?.sentBytes, 16 << 20);
  const before = session.server.seen.length;
  await session.repository.pushBlob(toPush(big), { state });
  const again = session.server.seen.slice(before);
  assert.equal(
    again.reduce((sum, { body }) => sum + body.length, 0),
    2 << 20,
  );
});

test('pushed bytes that do not match the digest are refused, and an upload that always fails is abandoned', async () => {
  const registry = new MemoryRegistry();
  await using session = await open(registry);
  const wrong = { ...toPush(BLOB), digest: SUBJECT };
  await assert.rejects(
    session.repository.pushBlob(wrong),
    (error) => hasCode(error, 'HTTP_STATUS') && /DIGEST_INVALID/.test(error.message),
  );
  session.server.handle((request) => {
    if (request.method === 'PUT') return (response) => void response.destroy();
    return request.method === 'HEAD' ? { status: 404 } : registry.handler(request);
  });
  await assert.rejects(session.repository.pushBlob(toPush(BLOB)), (error) =>
    hasCode(error, 'CONNECTION_LOST'),
  );
});
