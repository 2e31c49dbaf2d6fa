import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConfigEnvironment,
  orderDropIns,
  planAttachmentsSearch,
  planAuthSearch,
  planCertificatesSearch,
  planPolicySearch,
  planRegistriesSearch,
} from './search-order.ts';

const env = (uid: number, variables: Record<string, string> = {}): ConfigEnvironment => ({
  uid,
  home: '/home/u',
  variables,
});

test('for a user without root, the folders of the user come before the common ones', () => {
  assert.deepEqual(planRegistriesSearch(env(5)), {
    main: [
      '/home/u/.config/containers/registries.conf',
      '/etc/containers/registries.conf',
      '/usr/share/containers/registries.conf',
    ],
    mainMustExist: false,
    dropInFolders: [
      '/home/u/.config/containers/registries.conf.d',
      '/etc/containers/registries.rootless.conf.d/5',
      '/etc/containers/registries.rootless.conf.d',
      '/etc/containers/registries.conf.d',
      '/usr/share/containers/registries.rootless.conf.d/5',
      '/usr/share/containers/registries.rootless.conf.d',
      '/usr/share/containers/registries.conf.d',
    ],
    override: undefined,
    aliasCache: '/home/u/.cache/containers/short-name-aliases.conf',
  });
});

test('an option or variable names the main file; the variable disables drop-ins, and the override comes last', () => {
  const variables = { CONTAINERS_REGISTRIES_CONF: '/e', CONTAINERS_REGISTRIES_CONF_OVERRIDE: '/o' };
  const byVariable = planRegistriesSearch(env(0, variables));
  assert.deepEqual(byVariable.main, ['/e']);
  assert.deepEqual(byVariable.dropInFolders, []);
  assert.equal(byVariable.override, '/o');
  assert.equal(byVariable.aliasCache, '/var/cache/containers/short-name-aliases.conf');
  const byOption = planRegistriesSearch(env(0, variables), '/f');
  assert.deepEqual(byOption.main, ['/f']);
  assert.equal(byOption.dropInFolders[1], '/etc/containers/registries.rootful.conf.d');
});

test('policy.json is searched from the user to the distribution, or read only at a given path', () => {
  assert.deepEqual(planPolicySearch(env(0, { XDG_CONFIG_HOME: '/x' })), {
    candidates: [
      '/x/containers/policy.json',
      '/etc/containers/policy.json',
      '/usr/share/containers/policy.json',
    ],
    mustExist: false,
  });
  const variables = { CONTAINERS_POLICY_JSON: '/p' };
  assert.deepEqual(planPolicySearch(env(0, variables)), { candidates: ['/p'], mustExist: true });
  assert.deepEqual(planPolicySearch(env(0, variables), '/q').candidates, ['/q']);
});

test('registries.d and certs.d are searched at the same levels', () => {
  assert.deepEqual(planAttachmentsSearch(env(0)), [
    '/home/u/.config/containers/registries.d',
    '/etc/containers/registries.rootful.d',
    '/etc/containers/registries.d',
    '/usr/share/containers/registries.rootful.d',
    '/usr/share/containers/registries.d',
  ]);
  assert.deepEqual(planAttachmentsSearch(env(0), '/d'), ['/d']);
  const certs = planCertificatesSearch(env(0), 'a.test:5000');
  assert.equal(certs[0], '/home/u/.config/containers/certs.d/a.test:5000');
  assert.equal(certs.at(-1), '/etc/docker/certs.d/a.test:5000');
  assert.deepEqual(planCertificatesSearch(env(0), 'a.test', '/d'), ['/d']);
});

test('credentials are read from the runtime folder first and the legacy file last, and written to the first', () => {
  const { files, writeTo, runtimeFolder } = planAuthSearch(env(5, { XDG_RUNTIME_DIR: '' }));
  assert.equal(runtimeFolder, undefined);
  assert.equal(writeTo, '/run/containers/5/auth.json');
  assert.deepEqual(
    files.map(({ path }) => path),
    [
      '/run/containers/5/auth.json',
      '/home/u/.config/containers/auth.json',
      '/home/u/.docker/config.json',
      '/home/u/.dockercfg',
    ],
  );
  assert.deepEqual(planAuthSearch(env(0, { REGISTRY_AUTH_FILE: '/a' })).files, [
    { path: '/a', isLegacy: false },
  ]);
});

test('of files with one name the strongest folder applies, and names are sorted across all folders', () => {
  const folders = [
    { folder: '/user', names: ['50.conf', '10.conf', 'x.toml'] },
    { folder: '/etc', names: ['50.conf', '20.conf', '.conf'] },
  ];
  assert.deepEqual(orderDropIns(folders, '.conf'), [
    '/etc/.conf',
    '/user/10.conf',
    '/etc/20.conf',
    '/user/50.conf',
  ]);
});
