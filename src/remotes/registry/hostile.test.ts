import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseContentDigest } from '#base/digest';
import { type ErrorCode, hasCode } from '#base/errors';
import type { Credentials } from '#formats/containers-config';
import { MEDIA_TYPES } from '#formats/oci';
import {
  type FakeAnswer,
  type FakeHandler,
  FakeRegistry,
} from '../../../test/support/fake-registry.ts';
import { digestOf } from '../../../test/support/memory-registry.ts';
import { RegistryRepository } from './repository.ts';

const PASSWORD: Credentials = { kind: 'password', user: 'u', password: 'secret' };
const INDEX = {
  headers: { 'content-type': MEDIA_TYPES.ociIndex },
  body: '{"schemaVersion":2,"manifests":[]}',
};

async function open(handler: FakeHandler, credentials: Credentials | undefined = PASSWORD) {
  const server = await FakeRegistry.start(handler);
  const endpoint = {
    host: 'reg.test',
    repository: 'ns/img',
    insecure: false,
    tls: { caPem: [server.authority] },
    credentials: () => credentials && { credentials, source: 'a test' },
  };
  const repository = new RegistryRepository([endpoint], {
    resolve: server.resolve,
    retry: { attempts: 3, baseMs: 1, capMs: 2 },
    noDataTimeoutMs: 400,
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

/** Sends a body without end. */
function endless(headers: Record<string, string>): FakeAnswer {
  return (response) => {
    response.writeHead(200, headers);
    const block = Buffer.alloc(65_536, 'x');
    const more = () => {
      while (!response.destroyed && response.write(block));
    };
    response.on('drain', more);
    response.on('error', () => {});
    more();
  };
}

const bearer = (parameters: string) => ({
  status: 401,
  headers: { 'www-authenticate': `Bearer ${parameters}` },
});
const REALM = bearer('realm="https://auth.test/token"');
const token = (document: unknown): FakeAnswer => ({ status: 200, body: JSON.stringify(document) });

interface Hostile {
  /** Response to the ping (default: 200). */
  readonly ping?: FakeAnswer;
  readonly token?: FakeAnswer;
  /** Responses to other requests, in order; the last one repeats. */
  readonly manifest?: readonly FakeAnswer[];
  readonly code: ErrorCode;
  /** Largest expected number of requests. */
  readonly requests: number;
}

const redirect = (location: string, status = 307): FakeAnswer => ({
  status,
  headers: { location },
});

const CASES: Readonly<Record<string, Hostile>> = {
  'a manifest without end': { manifest: [endless({})], code: 'RESPONSE_TOO_LARGE', requests: 2 },
  'a manifest that says it has a gigabyte': {
    manifest: [endless({ 'content-length': '1000000000' })],
    code: 'RESPONSE_TOO_LARGE',
    requests: 2,
  },
  'a token without end': {
    ping: REALM,
    token: endless({}),
    code: 'RESPONSE_TOO_LARGE',
    requests: 2,
  },
  'a ping without end': { ping: endless({}), code: 'RESPONSE_TOO_LARGE', requests: 1 },
  'a token with a line end': {
    ping: REALM,
    token: token({ token: 'a\r\nx: y' }),
    code: 'AUTH_TOKEN_INVALID',
    requests: 2,
  },
  'a token that is no text': {
    ping: REALM,
    token: token({ token: { a: 1 } }),
    code: 'AUTH_TOKEN_INVALID',
    requests: 2,
  },
  'a token answer that is not JSON': {
    ping: REALM,
    token: { status: 200, body: '<html>' },
    code: 'AUTH_TOKEN_INVALID',
    requests: 2,
  },
  'a token answer that is null': {
    ping: REALM,
    token: token(null),
    code: 'AUTH_TOKEN_INVALID',
    requests: 2,
  },
  'a token of a hundred thousand characters': {
    ping: REALM,
    token: token({ token: 'x'.repeat(100_000) }),
    code: 'AUTH_TOKEN_INVALID',
    requests: 2,
  },
  'a token server on another host by a redirect': {
    ping: REALM,
    token: redirect('https://auth2.test/token'),
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
  'a realm in javascript': {
    ping: bearer('realm="javascript:alert(1)"'),
    code: 'AUTH_CHALLENGE_UNUSABLE',
    requests: 1,
  },
  'a relative realm': {
    ping: bearer('realm="/token"'),
    code: 'AUTH_CHALLENGE_UNUSABLE',
    requests: 1,
  },
  'a realm with a user': {
    ping: bearer('realm="https://u:p@auth.test/token"'),
    code: 'AUTH_CHALLENGE_UNUSABLE',
    requests: 1,
  },
  'a realm at the metadata address of a cloud': {
    ping: bearer('realm="https://169.254.169.254/token"'),
    code: 'REDIRECT_REFUSED',
    requests: 1,
  },
  'a realm on this host': {
    ping: bearer('realm="https://127.0.0.1/token"'),
    code: 'REDIRECT_REFUSED',
    requests: 1,
  },
  '401 for ever with a token': {
    ping: REALM,
    token: token({ token: 'T' }),
    manifest: [REALM],
    code: 'HTTP_DENIED',
    requests: 5,
  },
  '401 for ever with a password': {
    ping: { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
    manifest: [{ status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }],
    code: 'HTTP_DENIED',
    requests: 2,
  },
  '429 for ever': { manifest: [{ status: 429 }], code: 'RATE_LIMITED', requests: 4 },
  'a pause of a year': {
    manifest: [{ status: 429, headers: { 'retry-after': '31536000' } }],
    code: 'RATE_LIMITED',
    requests: 2,
  },
  'a negative pause': {
    manifest: [{ status: 503, headers: { 'retry-after': '-5' } }],
    code: 'HTTP_STATUS',
    requests: 4,
  },
  'redirects in a circle': {
    manifest: [redirect('/v2/ns/img/manifests/1')],
    code: 'REDIRECT_REFUSED',
    requests: 12,
  },
  'a redirect to a file': {
    manifest: [redirect('file:///etc/passwd')],
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
  'a redirect to data': {
    manifest: [redirect('data:text/plain,x')],
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
  'a redirect to the metadata address of a cloud': {
    manifest: [redirect('https://169.254.169.254/latest/meta-data')],
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
  'a redirect to this host': {
    manifest: [redirect('https://[::1]:2375/')],
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
  'a redirect of nine thousand bytes': {
    manifest: [redirect(`/${'x'.repeat(9000)}`)],
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
  'a redirect with a tab': {
    manifest: [redirect('https://cdn.te\tst/')],
    code: 'REDIRECT_REFUSED',
    requests: 2,
  },
};

for (const [name, hostile] of Object.entries(CASES)) {
  test(`${name}: refused as ${hostile.code}, and no other host receives a secret`, async () => {
    let count = 0;
    const { manifest = [{ status: 200, ...INDEX }] } = hostile;
    await using session = await open(({ url }) => {
      if (url.host.startsWith('auth')) return hostile.token ?? token({ token: 'T' });
      if (url.pathname === '/v2/') return hostile.ping ?? { status: 200 };
      return manifest[Math.min(count++, manifest.length - 1)] as FakeAnswer;
    });
    const before = process.memoryUsage().rss;
    await assert.rejects(session.repository.requireManifest({ tag: '1' }), (error) => {
      assert.ok(hasCode(error, hostile.code), String(error));
      assert.doesNotMatch(JSON.stringify(error), /secret|dTpzZWNyZXQ/);
      return true;
    });
    const { seen } = session.server;
    assert.ok(seen.length <= hostile.requests, `${seen.length} requests`);
    assert.ok(process.memoryUsage().rss - before < 150_000_000, 'within bounded memory');
    for (const { url, headers } of seen) {
      const isMeant = url.host === 'reg.test' || url.host === 'auth.test';
      assert.ok(isMeant || headers.authorization === undefined, url.href);
    }
  });
}

test('an impossible token lifetime is replaced by one minute', async () => {
  for (const expires_in of [-1, 'soon', null, 1e300, 0]) {
    await using session = await open(({ url }) => {
      if (url.host === 'auth.test') return token({ token: 'T', expires_in });
      return url.pathname === '/v2/' ? REALM : { status: 200, ...INDEX };
    });
    for (let round = 0; round < 2; round++) await session.repository.readManifest({ tag: '1' });
    assert.equal(session.server.seen.length, 4);
  }
});

const EVIL_LOCATIONS: Readonly<Record<string, ErrorCode>> = {
  'https://169.254.169.254/upload': 'REDIRECT_REFUSED',
  'http://169.254.169.254/upload': 'REDIRECT_REFUSED',
  'file:///tmp/x': 'REGISTRY_ANSWER_INVALID',
  'https://u:p@reg.test/x': 'REGISTRY_ANSWER_INVALID',
  '': 'REGISTRY_ANSWER_INVALID',
  '/a b': 'REGISTRY_ANSWER_INVALID',
  'https://': 'REGISTRY_ANSWER_INVALID',
};

for (const [location, code] of Object.entries(EVIL_LOCATIONS)) {
  test(`an upload location "${location}" is refused`, async () => {
    await using session = await open(({ method }) => {
      if (method === 'HEAD') return { status: 404 };
      if (method !== 'POST') return { status: 200 };
      return { status: 202, headers: location === '' ? {} : { location } };
    });
    const bytes = Buffer.from('blob');
    const digest = parseContentDigest(digestOf(bytes));
    const open_ = async function* () {
      yield bytes;
    };
    await assert.rejects(
      session.repository.pushBlob({ digest, sizeBytes: 4, open: open_ }),
      (error) => hasCode(error, code),
    );
  });
}

test('an upload location with http behind a TLS proxy is read as https of the same registry', async () => {
  await using session = await open(({ method }) => {
    if (method === 'HEAD') return { status: 404 };
    if (method === 'POST') return { status: 202, headers: { location: 'http://reg.test/u?a=b' } };
    return { status: method === 'PUT' ? 201 : 200 };
  });
  const bytes = Buffer.from('blob');
  const digest = parseContentDigest(digestOf(bytes));
  const open_ = async function* () {
    yield bytes;
  };
  await session.repository.pushBlob({ digest, sizeBytes: 4, open: open_ });
  const { href } = session.server.seen.at(-1)?.url ?? {};
  assert.equal(href, `https://reg.test/u?a=b&digest=${encodeURIComponent(digest)}`);
});

/** Blobs with unexpected content. */
const BAD_BLOBS: Readonly<Record<string, readonly [FakeAnswer, ErrorCode]>> = {
  'longer than it should be': [{ status: 200, body: 'blob and more' }, 'BLOB_SIZE_MISMATCH'],
  'said to be shorter': [
    { status: 200, headers: { 'content-length': '2' }, body: 'bl' },
    'BLOB_SIZE_MISMATCH',
  ],
  shorter: [{ status: 200, body: 'bl' }, 'CONNECTION_LOST'],
  'of other bytes': [{ status: 200, body: 'blub' }, 'BLOB_DIGEST_MISMATCH'],
  'packed on the way': [
    { status: 200, headers: { 'content-encoding': 'gzip' }, body: 'blob' },
    'REGISTRY_ANSWER_INVALID',
  ],
  empty: [{ status: 200, body: '' }, 'REGISTRY_ANSWER_INVALID'],
};

for (const [what, [answer, code]] of Object.entries(BAD_BLOBS)) {
  test(`a blob that is ${what} is refused`, async () => {
    await using session = await open(({ url }) =>
      url.pathname === '/v2/' ? { status: 200 } : answer,
    );
    const digest = parseContentDigest(digestOf(Buffer.from('blob')));
    await assert.rejects(session.repository.readBlob({ digest, sizeBytes: 4 }), (error) =>
      hasCode(error, code),
    );
    assert.ok(session.server.seen.length < 12);
  });
}
