/** Recorded cases of certs.d: which folder and which files count for each endpoint that is asked. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { parseImageName } from '#formats/oci';
import { openRegistryConfiguration } from '#work/registries';
import { optionOf, readCases, recordedHost } from '../support/recorded-host.ts';

interface CertsCase {
  readonly name: string;
  readonly reference: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly connections: readonly {
    readonly host?: string;
    readonly target?: string;
    readonly client_certificate?: boolean;
    readonly tls_failed?: string;
  }[];
}

const pem = (name: string) =>
  readFileSync(new URL(`../golden/trust/keys/${name}`, import.meta.url), 'utf8');
const PEM: Readonly<Record<string, string>> = {
  $CA: pem('ca.crt'),
  $CLIENT_CERT: pem('leaf.crt'),
  $CLIENT_KEY: pem('leaf.key'),
};
const CASES = readCases<CertsCase>('certs-cases.json');

async function openCase(one: CertsCase) {
  const files = Object.entries(one.files ?? {}).map(([path, text]) => [path, PEM[text] ?? text]);
  const host = recordedHost(Object.fromEntries(files), one.env);
  const certDir = optionOf(one.args, '--cert-dir');
  const options = certDir === undefined ? {} : { certDir };
  return { host, configuration: await openRegistryConfiguration(host.root, host.env, options) };
}

for (const one of CASES.filter(({ name }) => name !== 'key-without-cert')) {
  test(`certs.d case ${one.name}: the recorded certificates are used`, async () => {
    const { host, configuration } = await openCase(one);
    using _ = host;
    for (const endpoint of configuration.endpointsFor(parseImageName(one.reference))) {
      const failed = one.connections.some(({ tls_failed }) => tls_failed === endpoint.host);
      const first = one.connections.find(({ host: name }) => name === endpoint.host.split(':')[0]);
      if (!failed && first === undefined) continue;
      const found = configuration.tlsFor(endpoint);
      // Later versions of the tools look below XDG_CONFIG_HOME too, and so do we.
      const trusts = !failed || one.name === 'xdg-config-home';
      assert.equal((found.tls.caPem?.length ?? 0) > 0, trusts);
      const { client } = found.tls;
      if (first !== undefined) assert.equal(client !== undefined, first.client_certificate);
      if (client !== undefined) assert.equal(client.keyPem, PEM['$CLIENT_KEY']);
      assert.equal(found.warnings.length, one.name === 'bad-ca-file' ? 1 : 0);
    }
  });
}

test('a client certificate without its key, or a key alone, is refused with the names of both files', async () => {
  const one = CASES.find(({ name }) => name === 'key-without-cert');
  assert.ok(one !== undefined);
  const { host, configuration } = await openCase(one);
  using _ = host;
  assert.throws(
    () => configuration.tlsFor({ registry: 'reg.test' }),
    (error) =>
      hasCode(error, 'CONFIG_INVALID') && /"client\.cert" and "client\.key"/.test(error.message),
  );
});

test('a registry client has the certificates of its host, and looks up credentials only when asked', async () => {
  using host = recordedHost({
    '/etc/containers/registries.conf':
      '[[registry]]\nlocation = "reg.test"\n[[registry.mirror]]\nlocation = "m.test"\ninsecure = true\nx-onecopy-ns = true\n',
    '/etc/containers/certs.d/m.test/ca.crt': PEM['$CA'] ?? '',
    '/etc/containers/certs.d/m.test/a.cert': PEM['$CLIENT_CERT'] ?? '',
    '/etc/containers/certs.d/m.test/a.key': PEM['$CLIENT_KEY'] ?? '',
    '/etc/containers/certs.d/m.test/b.cert': PEM['$CLIENT_CERT'] ?? '',
    '/etc/containers/certs.d/m.test/b.key': PEM['$CLIENT_KEY'] ?? '',
    '/run/containers/0/auth.json': '{"auths":{"m.test":{"auth":"dTpw"}}}',
  });
  const configuration = await openRegistryConfiguration(host.root, host.env, {
    creds: { user: 'option', password: 'p' },
  });
  const [mirror, primary] = configuration
    .endpointsFor(parseImageName('reg.test/img'))
    .map((endpoint) => configuration.clientEndpoint(endpoint, 'reg.test'));
  const { credentials: ofMirror, ...rest } = mirror ?? {};
  assert.deepEqual(rest, {
    host: 'm.test',
    repository: 'img',
    insecure: true,
    mayUsePlainHttp: true,
    namespace: 'reg.test',
    tls: {
      caPem: [PEM['$CA']],
      client: { certPem: PEM['$CLIENT_CERT'], keyPem: PEM['$CLIENT_KEY'] },
    },
  });
  assert.deepEqual(await ofMirror?.(undefined), {
    credentials: { kind: 'password', user: 'u', password: 'p' },
    source: '"m.test" in "/run/containers/0/auth.json"',
  });
  assert.deepEqual(primary?.tls, { caPem: [] });
  const found = await primary?.credentials?.(undefined);
  assert.equal(found?.source, 'the option --creds');
  assert.match(
    configuration.tlsFor({ registry: 'm.test' }).warnings[0] ?? '',
    /b\.cert" is a second/,
  );
});

test('a folder named by --cert-dir must exist', async () => {
  using host = recordedHost({});
  const configuration = await openRegistryConfiguration(host.root, host.env, { certDir: '/none' });
  assert.throws(
    () => configuration.tlsFor({ registry: 'reg.test' }),
    (error) => hasCode(error, 'CONFIG_NOT_FOUND'),
  );
});
