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

function openCase(one: CertsCase) {
  const files = Object.entries(one.files ?? {}).map(([path, text]) => [path, PEM[text] ?? text]);
  const host = recordedHost(Object.fromEntries(files), one.env);
  const certDir = optionOf(one.args, '--cert-dir');
  const options = certDir === undefined ? {} : { certDir };
  return { host, configuration: openRegistryConfiguration(host.root, host.env, options) };
}

for (const one of CASES.filter(({ name }) => name !== 'key-without-cert')) {
  test(`certs.d case ${one.name}: the same certificates are used`, () => {
    const { host, configuration } = openCase(one);
    using _ = host;
    for (const endpoint of configuration.endpointsFor(parseImageName(one.reference))) {
      const failed = one.connections.some(({ tls_failed }) => tls_failed === endpoint.host);
      const first = one.connections.find(({ host: name }) => name === endpoint.host.split(':')[0]);
      if (!failed && first === undefined) continue;
      const found = configuration.tlsFor(endpoint);
      const trusts = found.authorities.length > 0 || found.systemAuthorities !== undefined;
      // Later versions of the tools look below XDG_CONFIG_HOME too, and so do we.
      assert.equal(trusts, !failed || one.name === 'xdg-config-home');
      const pairs = found.clientCertificates.length;
      if (first !== undefined) assert.equal(pairs > 0, first.client_certificate);
      if (pairs > 0) assert.equal(found.clientCertificates[0]?.key, PEM['$CLIENT_KEY']);
      assert.equal(found.warnings.length, one.name === 'bad-ca-file' ? 1 : 0);
    }
  });
}

test('half a client pair is refused by the names of both files, before any connection', () => {
  const one = CASES.find(({ name }) => name === 'key-without-cert');
  assert.ok(one !== undefined);
  const { host, configuration } = openCase(one);
  using _ = host;
  assert.throws(
    () => configuration.tlsFor({ registry: 'reg.test' }),
    (error) =>
      hasCode(error, 'CONFIG_INVALID') && /"client\.cert" and "client\.key"/.test(error.message),
  );
});

test('a folder that --cert-dir names must be there', () => {
  using host = recordedHost({});
  const configuration = openRegistryConfiguration(host.root, host.env, { certDir: '/none' });
  assert.throws(
    () => configuration.tlsFor({ registry: 'reg.test' }),
    (error) => hasCode(error, 'CONFIG_NOT_FOUND'),
  );
});
