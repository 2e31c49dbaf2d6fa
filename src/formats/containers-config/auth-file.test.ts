import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import { findCredentials, parseAuthFile } from './auth-file.ts';
import { encodeWithEntry, encodeWithoutEntries, encodeWithoutEntry } from './auth-file-writer.ts';

const parse = (document: unknown, isLegacy = false) =>
  parseAuthFile({ name: 'auth.json', text: JSON.stringify(document) }, isLegacy);
const base64 = (text: string) => Buffer.from(text).toString('base64');

test('writing and reading an auth file keeps credentials and unknown keys', () => {
  const text = fc.string({ unit: 'binary', minLength: 1 });
  const user = text.filter((name) => !name.includes(':'));
  fc.assert(
    fc.property(user, text, fc.jsonValue(), (name, password, extra) => {
      fc.pre(!password.endsWith('\0'));
      const before = parse({
        'x-y': extra,
        auths: { 'b.test': { auth: base64('a:b'), email: 'e' } },
      });
      const written = encodeWithEntry(before, 'a.test', { user: name, password });
      const after = parseAuthFile({ name: 'auth.json', text: written });
      assert.deepEqual(findCredentials(after, { registry: 'a.test' }), {
        kind: 'entry',
        key: 'a.test',
        credentials: { kind: 'password', user: name, password },
      });
      assert.deepEqual(after.document['x-y'], before.document['x-y']);
      assert.deepEqual(after.entries.get('b.test'), before.entries.get('b.test'));
      const removed = encodeWithoutEntry(after, 'a.test') ?? '';
      assert.deepEqual(JSON.parse(removed), before.document);
    }),
    { numRuns: 30 },
  );
});

test('removing credentials removes exactly their key, and changes nothing if the key is absent', () => {
  const file = parse({ auths: { 'a.test/ns': {}, 'a.test': {} }, credHelpers: { 'b.test': 'x' } });
  assert.equal(encodeWithoutEntry(file, 'c.test'), undefined);
  assert.deepEqual(JSON.parse(encodeWithoutEntry(file, 'a.test') ?? ''), {
    auths: { 'a.test/ns': {} },
    credHelpers: { 'b.test': 'x' },
  });
  assert.deepEqual(JSON.parse(encodeWithoutEntries(file)), {
    auths: {},
    credHelpers: { 'b.test': 'x' },
  });
});

const REFUSED: readonly unknown[] = [
  [],
  'text',
  { auths: [] },
  { auths: { 'a.test': 'x' } },
  { auths: { 'a.test': { auth: 5 } } },
  { auths: { 'a.test': { auth: 'dTpw=' } } },
  { auths: { 'a.test': { auth: 'dTp_' } } },
  { credHelpers: { 'a.test': '../../bin/sh' } },
  { credsStore: 'a b' },
];
for (const document of REFUSED) {
  test(`an auth file with ${JSON.stringify(document)} is refused, not ignored`, () => {
    assert.throws(
      () => findCredentials(parse(document), { registry: 'a.test' }),
      (error) => hasCode(error, 'CONFIG_INVALID'),
    );
  });
}

test('findCredentials uses the first matching key, even if its entry is empty', () => {
  const auths = { 'a.test/ns': {}, 'a.test': { auth: base64('u:p') } };
  const file = parse({ auths });
  assert.equal(findCredentials(file, { registry: 'a.test', repository: 'ns/img' }), undefined);
  const other = findCredentials(file, { registry: 'a.test', repository: 'other' });
  assert.equal(other?.kind, 'entry');
});

test('the keys and the helper that Docker uses for Docker Hub apply to docker.io', () => {
  for (const key of ['https://index.docker.io/v1/', 'index.docker.io', 'registry-1.docker.io']) {
    const file = parse({ auths: { [key]: { auth: base64('u:p') } } });
    assert.equal(findCredentials(file, { registry: 'docker.io' })?.kind, 'entry', key);
  }
  assert.deepEqual(findCredentials(parse({ credsStore: 'x' }), { registry: 'docker.io' }), {
    kind: 'helper',
    helper: 'x',
    server: 'https://index.docker.io/v1/',
  });
});

test('an empty credHelpers entry disables credsStore for that host', () => {
  const file = parse({ credsStore: 'x', credHelpers: { 'a.test': '' } });
  assert.equal(findCredentials(file, { registry: 'a.test' }), undefined);
  assert.equal(findCredentials(file, { registry: 'b.test' })?.kind, 'helper');
});

test('a registry token is used unchanged, and auth without a colon gives no credentials', () => {
  const auths = {
    'a.test': { registrytoken: 'T', auth: base64('u:p') },
    'b.test': { auth: base64('up') },
  };
  const found = findCredentials(parse({ auths }), { registry: 'a.test' });
  assert.deepEqual(found?.kind === 'entry' && found.credentials, {
    kind: 'registry-token',
    token: 'T',
  });
  assert.equal(findCredentials(parse({ auths }), { registry: 'b.test' }), undefined);
});

test('the legacy form is a bare map whose keys are hosts with or without a path', () => {
  const file = parse({ 'https://a.test/v1/': { auth: base64('u:p\0\0') } }, true);
  assert.deepEqual(findCredentials(file, { registry: 'a.test', repository: 'ns/img' }), {
    kind: 'entry',
    key: 'https://a.test/v1/',
    credentials: { kind: 'password', user: 'u', password: 'p' },
  });
});
