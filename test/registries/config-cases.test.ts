/** Every recorded case of registries.conf and short names: the endpoints that the real tools asked, in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOnecopyError } from '#base/errors';
import type { ImageEndpoint } from '#formats/containers-config';
import { parseReference } from '#formats/oci';
import { openRegistryConfiguration } from '#work/registries';
import { optionOf, readCases, recordedHost } from '../support/recorded-host.ts';

interface RecordedEndpoint {
  readonly host: string;
  readonly repository: string;
  readonly by?: 'tag' | 'digest';
  readonly value?: string;
  readonly insecure: boolean;
  readonly scheme?: 'http';
}

interface ConfigCase {
  readonly name: string;
  readonly tool: string;
  readonly reference: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly available?: readonly string[];
  readonly endpoints: readonly RecordedEndpoint[];
  readonly refused?: boolean;
  readonly ours?: string;
  readonly version_dependent?: boolean;
}

const one = (host: string, repository = 'ns/img'): RecordedEndpoint[] => [
  { host, repository, by: 'tag', value: '1', insecure: false },
];

/** What differs on purpose (`ours`), and what later versions of the tools do (`version_dependent`); `refused` = an error. */
const OURS: Readonly<Record<string, readonly RecordedEndpoint[] | 'refused' | 'as recorded'>> = {
  'loopback-is-not-special': one('localhost:5000', 'img'),
  'loopback-ip-is-not-special': one('127.0.0.1:5000', 'img'),
  'blocked-with-mirror': 'refused',
  'blocked-with-mirror-that-has-it-podman': 'refused',
  'prefix-is-tagged-reference': 'as recorded',
  'mirror-location-equals-primary': one('reg.test'),
  'usr-share-main-file': one('other.test'),
  'xdg-config-home': one('mirror-a.test'),
  'xdg-config-home-dropin': one('mirror-a.test'),
  'home-dropin-after-etc-dropin': one('mirror-b.test'),
  'same-dropin-name-home-and-etc': one('reg.test'),
  'rootful-dropin': one('mirror-a.test'),
  'env-conf': one('mirror-a.test'),
  'env-conf-missing-file': 'refused',
  'env-conf-alone': one('mirror-a.test'),
  'env-conf-and-dropin-podman': one('mirror-a.test'),
  'v1-format': 'as recorded',
  'v1-blocked': 'refused',
  'mixed-v1-and-v2': 'refused',
};

const CASES = readCases<ConfigCase>('config-cases.json');

/** Endpoints in the order of asking, up to the one that has the image; 'refused' when nothing would be asked. */
async function endpointsOf(one: ConfigCase): Promise<readonly ImageEndpoint[] | 'refused'> {
  using host = recordedHost(one.files ?? {}, one.env);
  const registriesConf = optionOf(one.args, '--registries-conf');
  const tlsVerify = optionOf(one.args, '--tls-verify');
  try {
    const configuration = await openRegistryConfiguration(host.root, host.env, {
      ...(registriesConf === undefined ? {} : { registriesConf }),
      ...(tlsVerify === undefined ? {} : { tlsVerify: tlsVerify === 'true' }),
    });
    const isPodman = one.tool.startsWith('podman') && !one.reference.startsWith('docker://');
    if (isPodman) {
      return configuration.candidatesFor(one.reference).flatMap(({ endpoints }) => endpoints);
    }
    const reference = parseReference(`docker://${one.reference.replace('docker://', '')}`);
    assert.ok(reference.transport === 'docker');
    return one.name.startsWith('push-')
      ? [configuration.pushEndpointFor(reference)]
      : configuration.endpointsFor(reference);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return 'refused';
  }
}

test('every recorded case that differs has an expectation', async () => {
  const differing = CASES.filter((one) => one.ours !== undefined || one.version_dependent === true);
  assert.deepEqual(differing.map(({ name }) => name).sort(), Object.keys(OURS).sort());
  assert.equal(CASES.length, 92);
});

for (const one of CASES) {
  test(`registries.conf case ${one.name}: the expected endpoints are asked`, async () => {
    const expected = OURS[one.name] ?? 'as recorded';
    const found = await endpointsOf(one);
    if (expected === 'refused' || (expected === 'as recorded' && one.refused === true)) {
      assert.equal(found, 'refused');
      return;
    }
    assert.ok(found !== 'refused');
    const endpoints = expected === 'as recorded' ? one.endpoints : expected;
    const stop = found.findIndex(({ host, repository }) =>
      one.available?.includes(`${host}/${repository}`),
    );
    const asked = stop < 0 ? found : found.slice(0, stop + 1);
    const isPush = one.name.startsWith('push-');
    assert.deepEqual(
      asked.map(({ host, repository, by, value, insecure }) =>
        isPush ? { host, repository, insecure } : { host, repository, by, value, insecure },
      ),
      endpoints.map(({ scheme: _, ...endpoint }) => endpoint),
    );
    for (const [at, { scheme }] of endpoints.entries()) {
      if (scheme === 'http') assert.equal(asked[at]?.mayUsePlainHttp, true);
    }
  });
}

test('a loopback host may be asked over plain HTTP, unless --tls-verify=true', async () => {
  using host = recordedHost({});
  const flags = async (text: string, tlsVerify?: boolean) => {
    const options = tlsVerify === undefined ? {} : { tlsVerify };
    const reference = parseReference(`docker://${text}/a`);
    assert.ok(reference.transport === 'docker');
    const configuration = await openRegistryConfiguration(host.root, host.env, options);
    return configuration
      .endpointsFor(reference)
      .map(({ insecure, mayUsePlainHttp }) => ({ insecure, mayUsePlainHttp }));
  };
  for (const text of ['localhost', 'localhost:5000', '127.0.0.1:5000', '127.1.2.3', '[::1]:5000']) {
    assert.deepEqual(await flags(text), [{ insecure: false, mayUsePlainHttp: true }], text);
    assert.deepEqual(await flags(text, true), [{ insecure: false, mayUsePlainHttp: false }], text);
  }
  for (const text of ['127.0.0.256', '128.0.0.1', 'localhost.test', '[::2]', '10.127.0.0.1']) {
    assert.deepEqual(await flags(text), [{ insecure: false, mayUsePlainHttp: false }], text);
  }
});

test('a prefix with a tag and a version 1 file cause warnings', async () => {
  for (const name of ['prefix-is-tagged-reference', 'v1-format']) {
    const found = CASES.find((one) => one.name === name);
    using host = recordedHost(found?.files ?? {});
    const { warnings } = await openRegistryConfiguration(host.root, host.env);
    assert.equal(warnings.length, 1, name);
    assert.match(warnings[0] ?? '', /registries\.conf/);
  }
});
