import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import {
  createLoginVerifier,
  type LoginContext,
  login,
  logout,
  logoutAll,
  openRegistryConfiguration,
} from '#work/registries';
import { FakeRegistry } from '../support/fake-registry.ts';
import { type RecordedHost, recordedHost } from '../support/recorded-host.ts';

const AUTH_JSON = '/run/containers/0/auth.json';
const PAIR = { user: 'u', password: 'p' };
const ANYBODY = { verifyLogin: async () => undefined };

async function contextOf({ root, env }: RecordedHost): Promise<LoginContext> {
  return { root, env, configuration: await openRegistryConfiguration(root, env) };
}

const authOf = (keys: readonly string[]) =>
  JSON.stringify({ auths: Object.fromEntries(keys.map((key) => [key, { auth: 'dTpw' }])) });

test('login stores a key as typed, with its namespace, and reports what it replaced', async () => {
  using host = recordedHost({});
  const context = await contextOf(host);
  const first = await login(context, 'https://a.test/ns/', PAIR, ANYBODY);
  assert.deepEqual(first, { key: 'a.test/ns', storedIn: { file: AUTH_JSON }, hasReplaced: false });
  const second = await login(context, 'a.test/ns', PAIR, ANYBODY);
  assert.equal(second.hasReplaced, true);
  assert.deepEqual(Object.keys(JSON.parse(host.read(AUTH_JSON)).auths), ['a.test/ns']);
  assert.deepEqual(readdirSync(join(host.folder, 'run/containers/0')), ['auth.json']);
});

test('login stores credentials only after the registry accepted them', async () => {
  await using server = await FakeRegistry.start(({ headers }) =>
    headers.authorization === `Basic ${Buffer.from('u:p').toString('base64')}`
      ? { status: 200, body: '{}' }
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="reg"' }, body: '{}' },
  );
  const verifier = createLoginVerifier({ resolve: server.resolve });
  using host = recordedHost({ '/etc/containers/certs.d/reg.test/ca.crt': server.authority });
  const context = await contextOf(host);
  await assert.rejects(
    login(context, 'reg.test', { user: 'u', password: 'bad' }, verifier),
    (error) => hasCode(error, 'HTTP_DENIED'),
  );
  assert.ok(!existsSync(join(host.folder, AUTH_JSON)));
  const { storedIn } = await login(context, 'reg.test', PAIR, verifier);
  assert.deepEqual(storedIn, { file: AUTH_JSON });
});

test('two concurrent logins are both stored, in a file that only its owner can read', async () => {
  using host = recordedHost({ [AUTH_JSON]: authOf(['z.test']) });
  const context = await contextOf(host);
  const hosts = ['a.test', 'b.test', 'c.test'];
  await Promise.all(hosts.map((registry) => login(context, registry, PAIR, ANYBODY)));
  assert.deepEqual(Object.keys(JSON.parse(host.read(AUTH_JSON)).auths), [...hosts, 'z.test']);
  assert.equal(statSync(join(host.folder, AUTH_JSON)).mode & 0o777, 0o600);
});

for (const text of ['', 'a.test/ns:1', 'ns/img', 'a.test/UPPER', 'a b']) {
  test(`login refuses "${text}", which names no registry`, async () => {
    using host = recordedHost({});
    await assert.rejects(login(await contextOf(host), text, PAIR, ANYBODY), (error) =>
      hasCode(error, 'REFERENCE_INVALID'),
    );
  });
}

test('login stores nothing in a file that cannot be read', async () => {
  using host = recordedHost({ [AUTH_JSON]: '{' });
  await assert.rejects(login(await contextOf(host), 'a.test', PAIR, ANYBODY), (error) =>
    hasCode(error, 'CONFIG_INVALID'),
  );
  assert.equal(host.read(AUTH_JSON), '{');
});

test('logout removes exactly the given key, and names another file that has one', async () => {
  using host = recordedHost({
    [AUTH_JSON]: authOf(['a.test', 'a.test/ns']),
    '/root/.docker/config.json': authOf(['b.test']),
  });
  const context = await contextOf(host);
  const report = await logout(context, 'a.test');
  assert.deepEqual(report, { key: 'a.test', removedFrom: { file: AUTH_JSON } });
  assert.deepEqual(Object.keys(JSON.parse(host.read(AUTH_JSON)).auths), ['a.test/ns']);
  await assert.rejects(
    logout(context, 'b.test'),
    (error) => hasCode(error, 'LOGIN_NOT_FOUND') && /config\.json/.test(error.hint ?? ''),
  );
  await assert.rejects(logout(context, 'c.test'), (error) => hasCode(error, 'LOGIN_NOT_FOUND'));
});

test('logout --all removes all credentials and keeps the other keys of the file', async () => {
  using host = recordedHost({
    [AUTH_JSON]: '{"auths":{"a.test":{}},"credHelpers":{"b.test":"x"}}',
  });
  assert.equal(logoutAll(await contextOf(host)), AUTH_JSON);
  assert.deepEqual(JSON.parse(host.read(AUTH_JSON)), { auths: {}, credHelpers: { 'b.test': 'x' } });
  using empty = recordedHost({});
  const emptyContext = await contextOf(empty);
  assert.throws(
    () => logoutAll(emptyContext),
    (error) => hasCode(error, 'CONFIG_NOT_FOUND'),
  );
});

test('a listed helper that is not installed is ignored; login is refused if no helper is installed', async () => {
  const conf = '/etc/containers/registries.conf';
  using both = recordedHost({ [conf]: 'credential-helpers = ["none", "containers-auth.json"]' });
  const report = await login(await contextOf(both), 'a.test', PAIR, ANYBODY);
  assert.deepEqual(report.storedIn, { file: AUTH_JSON });
  const loggedOut = await logout(await contextOf(both), 'a.test');
  assert.deepEqual(loggedOut.removedFrom, { file: AUTH_JSON });
  using alone = recordedHost({ [conf]: 'credential-helpers = ["none"]' });
  for (const registry of ['a.test', 'a.test/ns']) {
    await assert.rejects(
      login(await contextOf(alone), registry, PAIR, ANYBODY),
      (error) => hasCode(error, 'CREDENTIAL_HELPER_FAILED') && error.details['helper'] === 'none',
    );
  }
});

test('logout asks the credential helper to erase', async () => {
  const script =
    '#!/bin/sh\nread -r host\ncase "$host" in a.test) ;; *) echo "credentials not found in native keychain"; exit 1;; esac\n';
  using host = recordedHost({
    [AUTH_JSON]: '{"credHelpers":{"a.test":"x","b.test":"x"}}',
    '/usr/local/bin/docker-credential-x': script,
  });
  const context = await contextOf(host);
  const report = await logout(context, 'a.test');
  assert.deepEqual(report, { key: 'a.test', removedFrom: { helper: 'x' } });
  await assert.rejects(logout(context, 'b.test'), (error) => hasCode(error, 'LOGIN_NOT_FOUND'));
});

test('a credential helper that fails or answers nonsense is an error without secrets', async () => {
  for (const body of ['echo "no keychain"; exit 1', 'echo "secret {"', 'echo \'{"Username":1}\'']) {
    using host = recordedHost({
      [AUTH_JSON]: '{"credHelpers":{"a.test":"x"}}',
      '/usr/local/bin/docker-credential-x': `#!/bin/sh\n${body}\n`,
    });
    const { configuration } = await contextOf(host);
    await assert.rejects(
      configuration.credentials.find({ registry: 'a.test' }, 'a.test'),
      (error) => hasCode(error, 'CREDENTIAL_HELPER_FAILED') && !/secret/.test(error.message),
    );
  }
});
