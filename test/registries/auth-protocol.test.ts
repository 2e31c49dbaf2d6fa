/**
 * Recorded cases of credentials and tokens, against a fake registry: which requests are made, in which order, and where each
 * credential goes, and some cases of our own. Credentials come from the files of the case, as on a host.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeContentDigest } from '#base/digest';
import { type ErrorCode, isOnecopyError } from '#base/errors';
import type { ImageEndpoint } from '#formats/containers-config';
import { MEDIA_TYPES, parseImageName } from '#formats/oci';
import { type Endpoint, RegistryRepository } from '#remotes/registry';
import { openRegistryConfiguration } from '#work/registries';
import { type FakeAnswer, FakeRegistry, type SeenRequest } from '../support/fake-registry.ts';
import { optionOf, readCases, recordedHost } from '../support/recorded-host.ts';

interface Recorded {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | null;
  readonly body?: string;
  readonly status: number;
}

interface AuthCase {
  readonly name: string;
  readonly operation: string;
  readonly reference: string;
  readonly challenge?: string | string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly server?: {
    readonly token_response?: Readonly<Record<string, unknown>>;
    readonly deny_manifest?: string;
    readonly deny_times?: number;
    readonly redirect_manifest?: boolean;
    readonly redirect_to?: string;
    readonly upload_base?: string;
    readonly expire_after?: number;
    readonly reject_auth?: boolean;
    readonly missing?: readonly string[];
  };
  readonly requests: readonly Recorded[];
  readonly rc: number;
}

const CONFIG = Buffer.from('{}');
const CONFIG_DIGEST = computeContentDigest(CONFIG);
const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: CONFIG_DIGEST, size: 2 },
    layers: [],
  }),
);
/** Credentials that the tools send when nobody is logged in; we send none. */
const NOBODY = 'Basic Og==';
const T1 = 'Bearer T1';
const PING = { method: 'GET', url: 'https://reg.test/v2/', authorization: null, status: 401 };
const GET = { method: 'GET', url: 'https://reg.test/v2/ns/img/manifests/1', status: 200 };
const TOKEN = {
  method: 'GET',
  url: 'https://auth.test/token?service=reg.test&scope=repository:ns/img:pull',
  authorization: null,
  status: 200,
};
const TOKEN_AS_U = {
  ...TOKEN,
  url: `${TOKEN.url}&account=u`,
  authorization: 'Basic dTpw',
};
const EXCHANGE = {
  method: 'POST',
  url: 'https://auth.test/token',
  authorization: null,
  body: 'grant_type=refresh_token&refresh_token=REFRESH&scope=repository:ns/img:pull&service=reg.test',
  status: 200,
};

const REFUSED_TOKEN = 'own: a refused identity token beside a password without a user';

/** What we do where it is not what the tools did: requests, or the error that comes after the first few recorded ones. */
const OURS: Readonly<Record<string, readonly Recorded[] | { after: number; code: ErrorCode }>> = {
  'token-empty-answer': { after: 2, code: 'AUTH_TOKEN_INVALID' },
  'identity-token-without-auth-field': [PING, EXCHANGE, { ...GET, authorization: T1 }],
  'username-password-fields': [PING, { ...GET, authorization: 'Basic dTpw' }],
  'identity-token-with-basic-challenge': [PING, { ...GET, authorization: null }],
  'insufficient-scope-retry': [
    PING,
    TOKEN,
    { ...GET, authorization: T1, status: 401 },
    { ...TOKEN, url: TOKEN.url.replace('pull', 'pull,delete') },
    { ...GET, authorization: T1 },
  ],
  'manifest-401-other-error-is-final': [
    PING,
    TOKEN,
    { ...GET, authorization: T1, status: 401 },
    TOKEN,
    { ...GET, authorization: T1 },
  ],
  'creds-store-in-auth-file-ignored': [PING, { ...GET, authorization: 'Basic aHU6aHM=' }],
  'token-401-in-mid-pull': [
    PING,
    TOKEN_AS_U,
    { ...GET, authorization: T1 },
    { ...GET, url: blobUrl('reg.test'), authorization: T1, status: 401 },
    TOKEN_AS_U,
    { ...GET, url: blobUrl('reg.test'), authorization: T1 },
  ],
  'registry-token-option-is-sent-to-mirror': [
    { ...PING, url: 'https://mirror-a.test/v2/' },
    TOKEN,
    { ...GET, url: GET.url.replace('reg.test', 'mirror-a.test'), authorization: T1 },
  ],
  'realm-plain-http-gets-the-password': { after: 1, code: 'AUTH_CHALLENGE_UNUSABLE' },
  'redirect-manifest-to-same-host-plain-http': { after: 2, code: 'REDIRECT_REFUSED' },
  'redirect-manifest-to-link-local-address': { after: 2, code: 'REDIRECT_REFUSED' },
  'redirect-scheme-file': { after: 2, code: 'REDIRECT_REFUSED' },
  'realm-not-http': { after: 1, code: 'AUTH_CHALLENGE_UNUSABLE' },
  'bearer-realm-missing': { after: 1, code: 'AUTH_CHALLENGE_UNUSABLE' },
  'token-401': { after: 2, code: 'HTTP_DENIED' },
  [REFUSED_TOKEN]: { after: 2, code: 'AUTH_CHALLENGE_UNUSABLE' },
};

function blobUrl(host: string): string {
  return `https://${host}/v2/ns/img/blobs/${CONFIG_DIGEST}`;
}

/** The servers of a case. */
function serverOf(one: AuthCase): (request: SeenRequest) => FakeAnswer {
  const server = one.server ?? {};
  let denied = 0;
  let afterPing = 0;
  const challenge = { 'www-authenticate': one.challenge ?? [] };
  return (request) => {
    const { pathname, host } = request.url;
    if (pathname === '/token') return tokenAnswer(server.token_response);
    if (pathname === '/v2/') {
      const isTried = request.headers.authorization !== undefined && server.reject_auth !== true;
      if (one.challenge === undefined || isTried) return { status: 200 };
      return { status: 401, headers: challenge };
    }
    if (++afterPing === server.expire_after) return { status: 401, headers: challenge };
    if (server.missing?.includes(host) === true) return { status: 404 };
    if (request.method === 'POST') {
      const base = server.upload_base ?? request.url.origin;
      const location = `${base}/v2/ns/img/blobs/uploads/u1?_state=x`;
      return { status: 202, headers: { location } };
    }
    if (request.method === 'PUT') return { status: 201 };
    if (request.method === 'HEAD') return { status: 404 };
    if (pathname.includes('/blobs/')) return { status: 200, body: CONFIG };
    if (server.deny_manifest !== undefined && denied++ < (server.deny_times ?? 0)) {
      return { status: 401, headers: { 'www-authenticate': server.deny_manifest } };
    }
    const isFirst = host !== 'cdn.test' && !request.url.search.includes('r');
    if (server.redirect_manifest === true && isFirst) {
      return { status: 307, headers: { location: `https://cdn.test${pathname}` } };
    }
    if (server.redirect_to !== undefined && isFirst) {
      return { status: 307, headers: { location: `${server.redirect_to}${pathname}?r` } };
    }
    return { status: 200, headers: { 'content-type': MEDIA_TYPES.ociManifest }, body: MANIFEST };
  };
}

function tokenAnswer(said: Readonly<Record<string, unknown>> | undefined): FakeAnswer {
  const { status, body } = said ?? {};
  if (typeof status === 'number') return { status, body: JSON.stringify(body) };
  return { status: 200, body: JSON.stringify(said ?? { token: 'T1', expires_in: 300 }) };
}

/** What a case does, by our client. */
async function perform(one: AuthCase, server: FakeRegistry): Promise<void> {
  using host = recordedHost(one.files ?? {}, one.env);
  const authFile = optionOf(one.args, '--authfile');
  const creds = optionOf(one.args, '--creds') ?? loginPair(one);
  const registryToken = optionOf(one.args, '--registry-token');
  const [user = '', password = ''] = creds?.split(':') ?? [];
  const configuration = await openRegistryConfiguration(host.root, host.env, {
    ...(authFile === undefined ? {} : { authFile }),
    ...(creds === undefined ? {} : { creds: { user, password } }),
    ...(registryToken === undefined ? {} : { registryToken }),
    ...(one.args?.includes('--no-creds') === true ? { noCreds: true } : {}),
  });
  const isLogin = one.operation.endsWith('login');
  const name = parseImageName(isLogin ? `${one.reference}/any` : one.reference);
  const endpointOf = (endpoint: ImageEndpoint): Endpoint => ({
    ...configuration.clientEndpoint(endpoint, name.registry),
    tls: { caPem: [server.authority] },
  });
  const isPush = one.operation.includes('push');
  const places =
    isPush || isLogin ? [configuration.pushEndpointFor(name)] : configuration.endpointsFor(name);
  const settings = { resolve: server.resolve, retry: { attempts: 2, baseMs: 1 } };
  await using repository = new RegistryRepository(places.map(endpointOf), settings);
  if (isLogin) return await repository.verifyLogin();
  if (isPush) {
    await repository.pushBlob({ digest: CONFIG_DIGEST, sizeBytes: 2, open: bytesOf });
    await repository.pushManifest({
      bytes: MANIFEST,
      mediaType: MEDIA_TYPES.ociManifest,
      tag: name.tag ?? 'latest',
    });
    return;
  }
  const { digest, tag = 'latest' } = name;
  const found = await repository.requireManifest(digest === undefined ? { tag } : { digest });
  assert.deepEqual(Buffer.from(found.bytes), MANIFEST);
  if (/podman|--config/.test(one.operation)) {
    assert.deepEqual(
      Buffer.from(await repository.readBlob({ digest: CONFIG_DIGEST, sizeBytes: 2 })),
      CONFIG,
    );
  }
}

async function* bytesOf(offset: number): AsyncGenerator<Uint8Array> {
  yield CONFIG.subarray(offset);
}

function loginPair(one: AuthCase): string | undefined {
  return one.operation.endsWith('login') ? 'lu:lp' : undefined;
}

const shape = (method: string, url: URL, authorization: string | null, body: string) => {
  const query = [...url.searchParams].map((pair) => pair.join('=')).sort();
  const form = [...new URLSearchParams(body)].filter(([key]) => key !== 'client_id');
  const fields = form.map((pair) => pair.join('=')).sort();
  return { method, at: url.origin + url.pathname, query, authorization, fields };
};

/** Uploads take other requests than the tools': what counts is where each goes, and with which credentials. */
function withoutUploads<T extends { readonly method: string; readonly at: string }>(all: T[]): T[] {
  return all.filter(({ method, at }) => method !== 'PATCH' && !at.includes('/uploads/u1'));
}

function seenIn(server: FakeRegistry) {
  return server.seen.map(({ method, url, headers, body }) => {
    const isForm = headers['content-type'] === 'application/x-www-form-urlencoded';
    return shape(method, url, headers.authorization ?? null, isForm ? body.toString() : '');
  });
}

function expectedOf(one: AuthCase): { requests: readonly Recorded[]; code: ErrorCode | undefined } {
  const ours = OURS[one.name];
  if (ours === undefined) return { requests: one.requests, code: undefined };
  if (!('code' in ours)) return { requests: ours, code: undefined };
  return { requests: one.requests.slice(0, ours.after), code: ours.code };
}

/** A case of our own: a manifest with the credentials of an entry in the file of the user. */
function ownCase(
  name: string,
  challenge: string,
  entry: Readonly<Record<string, string>>,
  requests: readonly Recorded[],
): AuthCase {
  const files = {
    '/root/.config/containers/auth.json': JSON.stringify({ auths: { 'reg.test': entry } }),
  };
  return {
    name,
    operation: 'manifest',
    reference: 'reg.test/ns/img:1',
    challenge,
    files,
    requests,
    rc: 0,
  };
}

const PASSWORD = { auth: 'dTpw' };
const BEARER = 'Bearer realm="https://auth.test/token",service="reg.test"';
const OWN_CASES: readonly AuthCase[] = [
  ownCase(
    'own: a challenge of an unknown scheme before Basic',
    'Digest realm="x", Basic realm="reg"',
    PASSWORD,
    [PING, { ...GET, authorization: 'Basic dTpw' }],
  ),
  ownCase('own: only a challenge of an unknown scheme', 'Negotiate', PASSWORD, [
    PING,
    { ...GET, authorization: null },
  ]),
  {
    ...ownCase(
      REFUSED_TOKEN,
      BEARER,
      { auth: Buffer.from(':p').toString('base64'), identitytoken: 'REFRESH' },
      [PING, EXCHANGE],
    ),
    server: { token_response: { status: 404, body: {} } },
  },
];

for (const one of [...readCases<AuthCase>('auth-cases.json'), ...OWN_CASES]) {
  test(`protocol of case ${one.name}: the recorded requests are sent, with the recorded credentials`, async () => {
    await using server = await FakeRegistry.start(serverOf(one));
    const { requests, code } = expectedOf(one);
    const failure = await perform(one, server).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (code !== undefined) assert.equal((failure as { code?: string } | undefined)?.code, code);
    else if (one.rc !== 0 && OURS[one.name] === undefined) assert.ok(isOnecopyError(failure));
    else if (failure !== undefined) throw failure;
    const expected = requests.map(({ method, url, authorization, body = '' }) => {
      const isForeign = one.server?.upload_base !== undefined && url.includes('cdn.test');
      const isSub = one.name === 'redirect-manifest-to-subdomain' && url.includes('//a.reg.test');
      const sent = authorization === NOBODY || isForeign || isSub ? null : authorization;
      return shape(method, new URL(url), sent, body);
    });
    assert.deepEqual(withoutUploads(seenIn(server)), withoutUploads(expected));
    for (const { url, headers } of server.seen) {
      if (!url.pathname.includes('/uploads/u1')) continue;
      const isRegistry = url.host === 'reg.test';
      const sent = expected.find(({ method }) => method === 'POST')?.authorization ?? undefined;
      assert.equal(headers.authorization, isRegistry ? sent : undefined);
    }
  });
}
