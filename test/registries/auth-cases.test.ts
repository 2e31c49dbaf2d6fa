/** Recorded cases of credentials: which file, key or helper answers, and what login and logout write. The protocol is not looked at here. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, hasCode } from '#base/errors';
import type { Credentials, ImageEndpoint } from '#formats/containers-config';
import { parseImageName } from '#formats/oci';
import { authorityOf, type Endpoint } from '#remotes/registry';
import {
  type LoginContext,
  login,
  openRegistryConfiguration,
  type RegistryOptions,
} from '#work/registries';
import { optionOf, type RecordedHost, readCases, recordedHost } from '../support/recorded-host.ts';

interface AuthCase {
  readonly name: string;
  readonly operation: string;
  readonly reference: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly server?: Readonly<Record<string, unknown>>;
  readonly requests: readonly {
    readonly method: string;
    readonly url: string;
    readonly authorization: string | null;
    readonly body?: string;
  }[];
  readonly rc: number;
  readonly helper_calls?: string;
  readonly files_after?: Readonly<Record<string, string>>;
}

const CASES = readCases<AuthCase>('auth-cases.json');

/** Where we read credentials that the recorded tools ignored (`ours`). */
const OURS: Readonly<Record<string, Credentials>> = {
  'identity-token-without-auth-field': { kind: 'identity-token', token: 'REFRESH' },
  'username-password-fields': { kind: 'password', user: 'u', password: 'p' },
  'identity-token-with-basic-challenge': {
    kind: 'identity-token',
    token: 'REFRESH',
    user: 'u',
    password: '',
  },
  'creds-store-in-auth-file-ignored': { kind: 'password', user: 'hu', password: 'hs' },
};

const LOGINS = CASES.filter(({ operation }) => operation.endsWith('login'));
const LOOKUPS = CASES.filter((one) => !LOGINS.includes(one));
/** Refused before any request, because of what a file or helper says. */
const UNREADABLE: Readonly<Record<string, ErrorCode>> = {
  'cred-helper-missing-program': 'CREDENTIAL_HELPER_FAILED',
  'empty-file': 'CONFIG_INVALID',
  'bad-base64': 'CONFIG_INVALID',
};

/** Programs write their calls to this path in the records. */
function withLog(files: Readonly<Record<string, string>>, log: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, text.replaceAll('/tmp/helper.log', log)]),
  );
}

function hostOf(one: AuthCase): RecordedHost {
  const host = recordedHost({}, one.env);
  const files = withLog(one.files ?? {}, join(host.folder, 'helper.log'));
  host.write(files);
  return host;
}

function optionsOf(one: AuthCase): RegistryOptions {
  const authFile = optionOf(one.args, '--authfile');
  const creds = optionOf(one.args, '--creds')?.split(':');
  const registryToken = optionOf(one.args, '--registry-token');
  const [user = '', password = ''] = creds ?? [];
  return {
    ...(authFile === undefined ? {} : { authFile }),
    ...(creds === undefined ? {} : { creds: { user, password } }),
    ...(registryToken === undefined ? {} : { registryToken }),
    ...(one.args?.includes('--no-creds') === true ? { noCreds: true } : {}),
  };
}

/** What the requests of a case prove about the credentials of one host; undefined when they prove nothing. */
function provenFor(one: AuthCase, endpoint: ImageEndpoint): string | undefined {
  let token: AuthCase['requests'][number] | undefined;
  for (const request of one.requests) {
    if (request.url.includes('/token')) token = request;
    if (!request.url.startsWith(`https://${endpoint.host}/v2/${endpoint.repository}/`)) continue;
    const sent = request.authorization ?? '';
    if (sent === 'Basic Og==') return 'nobody';
    if (sent === 'Bearer RAWTOKEN' || sent.startsWith('Basic ')) return sent;
    if (token?.method === 'POST') return 'identity token';
    return token === undefined ? undefined : (token.authorization ?? 'nobody');
  }
  return undefined;
}

function inWords(credentials: Credentials | undefined): string {
  if (credentials === undefined) return 'nobody';
  if (credentials.kind === 'registry-token') return `Bearer ${credentials.token}`;
  if (credentials.kind === 'identity-token') return 'identity token';
  const pair = `${credentials.user}:${credentials.password}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

const proven = new Set<string>();

for (const one of LOOKUPS) {
  test(`credentials case ${one.name}: the recorded credentials are found`, async () => {
    using host = hostOf(one);
    const name = parseImageName(one.reference);
    const configuration = await openRegistryConfiguration(host.root, host.env, optionsOf(one));
    const unreadable = UNREADABLE[one.name];
    for (const endpoint of configuration.endpointsFor(name)) {
      const looking = configuration.credentials.find(endpoint, name.registry);
      if (unreadable !== undefined) {
        proven.add(one.name);
        await assert.rejects(looking, (error) => hasCode(error, unreadable));
        return;
      }
      const found = (await looking)?.credentials;
      const expected = provenFor(one, endpoint);
      if (expected === undefined) continue;
      proven.add(one.name);
      if (OURS[one.name] !== undefined) assert.deepEqual(found, OURS[one.name]);
      // The tools send this option to mirrors too; ours belongs to the host of the reference.
      else if (endpoint.isMirror && expected === 'Bearer RAWTOKEN') assert.equal(found, undefined);
      else assert.equal(inWords(found), expected);
    }
    if (one.helper_calls !== undefined) assert.equal(host.read('/helper.log'), one.helper_calls);
    const isRuntimeGone = one.name === 'xdg-runtime-dir-missing';
    assert.equal(configuration.credentials.warnings.length, isRuntimeGone ? 1 : 0);
  });
}

test('every recorded case but those without credentials shows which credentials were found', () => {
  const silent = LOOKUPS.map(({ name }) => name).filter((name) => !proven.has(name));
  const sendingNone = ['none-needed', 'bearer-realm-missing', 'token-401', 'realm-not-http'];
  assert.deepEqual(silent, sendingNone);
});

/** A login as recorded: `-u lu -p lp`, and a registry that refuses where skopeo was refused. */
async function replayLogin(one: AuthCase, host: RecordedHost): Promise<LoginContext> {
  const { root, env } = host;
  const configuration = await openRegistryConfiguration(root, env, optionsOf(one));
  const context = { root, env, configuration };
  const pair = { user: 'lu', password: 'lp' };
  const asked: string[] = [];
  const verifyLogin = async (endpoint: Endpoint) => {
    asked.push(authorityOf(endpoint));
    const found = await endpoint.credentials?.(undefined);
    assert.deepEqual(found?.credentials, { kind: 'password', ...pair });
    if (one.rc !== 0) throw new RangeError('wrong password');
  };
  const running = login(context, one.reference, pair, { verifyLogin });
  if (one.rc === 0) await running;
  else await assert.rejects(running, RangeError);
  assert.deepEqual(asked, [new URL(one.requests[0]?.url ?? '').host]);
  return context;
}

for (const one of LOGINS) {
  test(`login case ${one.name}: the recorded file is written, the recorded helper is called`, async () => {
    using host = hostOf(one);
    await replayLogin(one, host);
    for (const [path, text] of Object.entries(one.files_after ?? {})) {
      const expected = JSON.parse(text);
      // What the tools drop is kept.
      const before = JSON.parse(one.files?.[path] ?? '{}');
      assert.deepEqual(JSON.parse(host.read(path)), { ...before, ...expected });
      if (one.files?.[path] !== undefined) continue;
      assert.equal(host.read(path), text);
      assert.equal(statSync(join(host.folder, path)).mode & 0o777, 0o600);
      assert.equal(statSync(join(host.folder, path, '..')).mode & 0o777, 0o700);
    }
    if (one.files_after === undefined && one.rc !== 0) {
      assert.ok(!existsSync(join(host.folder, 'run/containers/0/auth.json')));
    }
    if (one.helper_calls !== undefined) assert.equal(host.read('/helper.log'), one.helper_calls);
  });
}
