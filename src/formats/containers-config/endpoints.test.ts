import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { parseImageName } from '#formats/oci';
import { chooseEndpoints, choosePushEndpoint } from './endpoints.ts';
import { mergeRegistries, type RegistriesConfig } from './registries.ts';
import { parseRegistriesFile } from './registries-file.ts';
import { resolveShortName } from './short-names.ts';

async function configOf(...texts: readonly string[]): Promise<RegistriesConfig> {
  const files = texts.map((text, at) => parseRegistriesFile({ name: `${at}.conf`, text }));
  return mergeRegistries(await Promise.all(files));
}

const asked = (config: RegistriesConfig, text: string) =>
  chooseEndpoints(config, parseImageName(text)).map(
    ({ host, repository }) => `${host}/${repository}`,
  );

test('a mirror or location that another table blocks is not used', async () => {
  const config = await configOf(
    '[[registry]]\nlocation="a.test"\n[[registry.mirror]]\nlocation="m.test"\n[[registry.mirror]]\nlocation="n.test"',
    '[[registry]]\nlocation="m.test"\nblocked=true\n[[registry]]\nprefix="p.test"\nlocation="m.test/x"',
  );
  assert.deepEqual(asked(config, 'a.test/img'), ['n.test/img', 'a.test/img']);
  assert.throws(
    () => asked(config, 'p.test/img'),
    (error) => hasCode(error, 'REGISTRY_BLOCKED') && error.details['file'] === '1.conf',
  );
  assert.throws(
    () => choosePushEndpoint(config, parseImageName('m.test/img')),
    (error) => hasCode(error, 'REGISTRY_BLOCKED') && error.exitCode === 12,
  );
});

test('a later file replaces a whole table, including its mirrors', async () => {
  const config = await configOf(
    '[[registry]]\nlocation="a.test"\ninsecure=true\n[[registry.mirror]]\nlocation="m.test"',
    '[[registry]]\nlocation="a.test"',
  );
  const [endpoint, ...more] = chooseEndpoints(config, parseImageName('a.test/img'));
  assert.equal(endpoint?.insecure, false);
  assert.deepEqual(more, []);
});

test('a table whose rewritten name is not a full name is refused, and the error names the file', async () => {
  for (const location of ['docker.io', 'short', 'UPPER.test/A']) {
    const config = await configOf(`[[registry]]\nprefix="a.test"\nlocation="${location}"`);
    assert.throws(
      () => asked(config, 'a.test/img'),
      (error) => hasCode(error, 'CONFIG_INVALID') && error.details['what'] === '0.conf',
    );
  }
});

test('docker.io is contacted at registry-1.docker.io but keeps its name for credentials', async () => {
  const [endpoint] = chooseEndpoints(
    await configOf(),
    parseImageName(`alpine@sha256:${'a'.repeat(64)}`),
  );
  assert.equal(endpoint?.registry, 'docker.io');
  assert.equal(endpoint?.host, 'registry-1.docker.io');
  assert.equal(endpoint?.repository, 'library/alpine');
  assert.equal(endpoint?.by, 'digest');
});

test('a push uses the original name instead of location and mirrors, and obeys insecure of its namespace table', async () => {
  const config = await configOf(
    '[[registry]]\nprefix="a.test/ns"\nlocation="b.test"\ninsecure=true\n[[registry.mirror]]\nlocation="m.test"',
  );
  const endpoint = choosePushEndpoint(config, parseImageName('a.test/ns/img'));
  assert.deepEqual(
    [endpoint.host, endpoint.repository, endpoint.insecure],
    ['a.test', 'ns/img', true],
  );
});

test('a mirror with x-onecopy-ns receives the original host', async () => {
  const config = await configOf(
    '[[registry]]\nlocation="a.test"\n[[registry.mirror]]\nlocation="m.test"\nx-onecopy-ns=true',
  );
  const [mirror, primary] = chooseEndpoints(config, parseImageName('a.test/img'));
  assert.equal(mirror?.namespace, 'a.test');
  assert.equal(primary?.namespace, undefined);
});

test('a short name without candidates, or with two under enforcing mode, is refused with the reason', async () => {
  const none = await configOf('', '[aliases]');
  assert.throws(
    () => resolveShortName(none, 'img'),
    (error) => hasCode(error, 'SHORT_NAME_UNRESOLVED') && /0\.conf, 1\.conf/.test(error.message),
  );
  const search = 'unqualified-search-registries=["a.test","b.test"]\nshort-name-mode="enforcing"';
  const two = await configOf(search);
  assert.throws(
    () => resolveShortName(two, 'img:1'),
    (error) =>
      hasCode(error, 'SHORT_NAME_AMBIGUOUS') && /a\.test\/img, b\.test\/img/.test(error.message),
  );
});

test('an alias keeps the tag or digest of the short name, and is the only candidate', async () => {
  const config = await configOf(
    'unqualified-search-registries=["a.test"]\n[aliases]\nimg="b.test/x/img"',
  );
  const digest = `sha256:${'a'.repeat(64)}`;
  const ENDS = {
    ':1': ':1',
    [`@${digest}`]: `@${digest}`,
    [`:1@${digest}`]: `@${digest}`,
    '': ':latest',
  };
  for (const [end, kept] of Object.entries(ENDS)) {
    const { by, names } = resolveShortName(config, `img${end}`);
    assert.equal(by, 'alias');
    assert.deepEqual(names, [parseImageName(`b.test/x/img${kept}`)]);
  }
});
