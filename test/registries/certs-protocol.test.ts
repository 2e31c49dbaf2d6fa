/** Recorded cases of certs.d, against a fake registry: who is trusted, and to whom the client certificate is shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { MEDIA_TYPES, parseImageName } from '#formats/oci';
import { RegistryRepository } from '#remotes/registry';
import { openRegistryConfiguration } from '#work/registries';
import { FakeRegistry, makePair } from '../support/fake-registry.ts';
import { optionOf, readCases, recordedHost } from '../support/recorded-host.ts';

interface CertsCase {
  readonly name: string;
  readonly reference: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly server?: { readonly bearer?: boolean; readonly redirect?: boolean };
  readonly connections: readonly {
    readonly host?: string;
    readonly target?: string;
    readonly client_certificate?: boolean;
    readonly tls_failed?: string;
  }[];
}

const MANIFEST = JSON.stringify({ schemaVersion: 2, manifests: [] });
const client = makePair();

/** Later versions of the tools look below XDG_CONFIG_HOME too, and so do we. */
const TRUSTED_BY_OURS = 'xdg-config-home';
/** Refused when the files are read, before there is a client. */
const REFUSED_BEFORE = 'key-without-cert';

async function serve(one: CertsCase): Promise<FakeRegistry> {
  return await FakeRegistry.start(({ url, headers }) => {
    if (url.pathname === '/token') return { status: 200, body: '{"token":"T1"}' };
    if (url.pathname === '/v2/' && one.server?.bearer === true) {
      const challenge = 'Bearer realm="https://auth.test/token"';
      return { status: 401, headers: { 'www-authenticate': challenge } };
    }
    if (url.pathname !== '/v2/' && one.server?.redirect === true && headers.host !== 'cdn.test') {
      return { status: 307, headers: { location: `https://cdn.test${url.pathname}` } };
    }
    const type = url.pathname === '/v2/' ? 'application/json' : MEDIA_TYPES.ociIndex;
    return { status: 200, headers: { 'content-type': type }, body: MANIFEST };
  });
}

for (const one of readCases<CertsCase>('certs-cases.json')) {
  if (one.name === REFUSED_BEFORE) continue;
  test(`protocol of case ${one.name}: the recorded connections are made, with the recorded certificates`, async () => {
    await using server = await serve(one);
    const pem: Readonly<Record<string, string>> = {
      $CA: server.authority,
      $CLIENT_CERT: client.cert,
      $CLIENT_KEY: client.key,
    };
    const files = Object.entries(one.files ?? {}).map(([path, text]) => [path, pem[text] ?? text]);
    using host = recordedHost(Object.fromEntries(files), one.env);
    const certDir = optionOf(one.args, '--cert-dir');
    const options = certDir === undefined ? {} : { certDir };
    const configuration = await openRegistryConfiguration(host.root, host.env, options);
    const name = parseImageName(one.reference);
    const endpoints = configuration
      .endpointsFor(name)
      .map((endpoint) => configuration.clientEndpoint(endpoint, name.registry));
    const settings = { resolve: server.resolve, retry: { attempts: 2, baseMs: 1 } };
    await using repository = new RegistryRepository(endpoints, settings);
    const asking = repository.requireManifest({ tag: name.tag ?? 'latest' });
    const isRefused = one.connections.some(({ tls_failed }) => tls_failed !== undefined);
    if (isRefused && one.name !== TRUSTED_BY_OURS) {
      await assert.rejects(asking, (error) => hasCode(error, 'TLS_UNTRUSTED'));
      assert.deepEqual(server.seen, []);
      return;
    }
    await asking;
    const expected = one.connections.map(({ host: at, target = '', client_certificate }) => ({
      host: at,
      path: target.split('?')[0],
      // The tools show it to token servers too; ours goes to the registry alone.
      shown: client_certificate === true && at !== 'auth.test' && at !== 'cdn.test',
    }));
    const seen = server.seen.map(({ url, hasClientCertificate }) => ({
      host: url.host,
      path: url.pathname,
      shown: hasClientCertificate,
    }));
    if (one.name !== TRUSTED_BY_OURS) assert.deepEqual(seen, expected);
    assert.ok(seen.length > 0);
  });
}

test('a client certificate and credentials are not sent to the target of a manifest redirect', async () => {
  const name = 'redirected';
  const one = { name, reference: 'reg.test/ns/img:1', server: { redirect: true }, connections: [] };
  await using server = await serve(one);
  const endpoint = {
    host: 'reg.test',
    repository: 'ns/img',
    insecure: false,
    tls: { caPem: [server.authority], client: { certPem: client.cert, keyPem: client.key } },
  };
  await using repository = new RegistryRepository([endpoint], { resolve: server.resolve });
  await repository.requireManifest({ tag: '1' });
  const shown = server.seen.map(({ url, hasClientCertificate }) => [
    url.host,
    hasClientCertificate,
  ]);
  assert.deepEqual(shown, [
    ['reg.test', true],
    ['reg.test', true],
    ['cdn.test', false],
  ]);
});
