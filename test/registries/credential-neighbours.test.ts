/** What skopeo 1.22 does with files of credentials and helpers that are odd, as found by running it beside the recorded cases. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { parseReference } from '#formats/oci';
import { openRegistryConfiguration } from '#work/registries';
import { recordedHost } from '../support/recorded-host.ts';

const OWN = '/root/.config/containers/auth.json';
const DOCKER = '/root/.docker/config.json';
const CONF = '/root/.config/containers/registries.conf';
const HELPER = '/usr/local/bin/docker-credential-test';

const entry = (pair: string) => ({ auth: Buffer.from(pair).toString('base64') });
const auths = (pairs: object, more: object = {}) => JSON.stringify({ auths: pairs, ...more });
const helper = (output: string, status = 0) =>
  `#!/bin/sh\ncat >/dev/null\nprintf '%s' '${output}'\nexit ${status}\n`;
const asked = { credHelpers: { 'reg.test': 'test' } };
const NEXT = { [DOCKER]: auths({ 'reg.test': entry('next:1') }) };
const OUT_OF_FILE = { [OWN]: auths({ 'reg.test': entry('file:1') }) };
const list = (...names: string[]) => `credential-helpers=${JSON.stringify(names)}\n`;

/** Files, and whom the registry sees: `USER:PASSWORD`, nobody, or an error. */
const CASES: Readonly<Record<string, readonly [Record<string, string>, string | undefined]>> = {
  'a user and a password that are empty': [
    { [OWN]: auths({ 'reg.test': entry(':') }), ...NEXT },
    'next:1',
  ],
  'NULs around a password': [{ [OWN]: auths({ 'reg.test': entry('u:\0p\0\0') }) }, 'u:p'],
  'keys in another case': [
    { [OWN]: JSON.stringify({ AUTHS: { 'reg.test': { Auth: entry('u:p').auth } } }) },
    'u:p',
  ],
  'a helper that has nothing': [
    { [OWN]: auths({}, asked), ...NEXT, [HELPER]: helper('{}') },
    'next:1',
  ],
  'a helper that says so': [
    {
      [OWN]: auths({}, asked),
      ...NEXT,
      [HELPER]: helper('credentials not found in native keychain', 1),
    },
    'next:1',
  ],
  'a helper that says more': [
    {
      [OWN]: auths({}, asked),
      ...NEXT,
      [HELPER]: helper('error: credentials not found in native keychain', 1),
    },
    'CREDENTIAL_HELPER_FAILED',
  ],
  'a helper that answers in lower case': [
    { [OWN]: auths({}, asked), [HELPER]: helper('{"username":"u","secret":"s"}') },
    'u:s',
  ],
  'a helper of another host that cannot be one': [
    { [OWN]: auths({ 'reg.test': entry('u:p') }, { credHelpers: { 'other.test': 'a/b' } }) },
    'u:p',
  ],
  'a helper of this host that cannot be one': [
    { [OWN]: auths({ 'reg.test': entry('u:p') }, { credHelpers: { 'reg.test': 'a/b' } }) },
    'CONFIG_INVALID',
  ],
  'a list of helpers of which the first fails': [
    { [CONF]: list('test', 'containers-auth.json'), ...OUT_OF_FILE, [HELPER]: helper('no', 1) },
    'file:1',
  ],
  'a list of helpers of which one fails and the others have nothing': [
    { [CONF]: list('test', 'containers-auth.json'), [HELPER]: helper('no', 1) },
    'CREDENTIAL_HELPER_FAILED',
  ],
  'a list of helpers of which one is not installed': [
    { [CONF]: list('gone', 'containers-auth.json'), ...OUT_OF_FILE },
    'file:1',
  ],
  'a helper that is not installed, and nothing else': [
    { [CONF]: list('gone', 'containers-auth.json') },
    'CREDENTIAL_HELPER_FAILED',
  ],
  'a broken file before a helper': [
    {
      [CONF]: list('containers-auth.json', 'test'),
      [OWN]: '{',
      [HELPER]: helper('{"Username":"u","Secret":"s"}'),
    },
    'u:s',
  ],
  'an empty list of helpers': [{ [CONF]: list(), ...OUT_OF_FILE }, 'file:1'],
};

for (const [name, [files, expected]] of Object.entries(CASES)) {
  test(`${name}: ${expected}`, async () => {
    using host = recordedHost(files);
    const configuration = await openRegistryConfiguration(host.root, host.env);
    const reference = parseReference('docker://reg.test/ns/img:1');
    assert.ok(reference.transport === 'docker');
    const [endpoint] = configuration.endpointsFor(reference);
    assert.ok(endpoint !== undefined);
    const { credentials } = configuration.clientEndpoint(endpoint, 'reg.test');
    const find = async () => await credentials?.(undefined);
    if (expected === 'CONFIG_INVALID' || expected === 'CREDENTIAL_HELPER_FAILED') {
      await assert.rejects(find, (error) => hasCode(error, expected));
      return;
    }
    const found = (await find())?.credentials;
    assert.ok(found?.kind === 'password');
    assert.equal(`${found.user}:${found.password}`, expected);
  });
}
