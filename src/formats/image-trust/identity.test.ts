import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseImageName } from '#formats/oci';
import { acceptsIdentity, isBareRepository, type SignedIdentity } from './identity.ts';
import { scopesOfName, scopesOfPath } from './scopes.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const BY_TAG = parseImageName('r.test/app:1');
const BY_DIGEST = parseImageName(`r.test/app@${DIGEST}`);

/** Signed name, then for each kind: accepted for a pull by tag `1`, by digest. Recorded with skopeo 1.22. */
const TABLE: readonly (readonly [string, string, string, string])[] = [
  ['r.test/app:1', 'tn', 'tt', 'tt'],
  ['r.test/app:2', 'nn', 'nt', 'tt'],
  ['r.test/app', 'nn', 'nn', 'tt'],
  [`r.test/app@${DIGEST}`, 'nt', 'nt', 'tt'],
  [`r.test/app:1@${DIGEST}`, 'nn', 'nt', 'tt'],
  ['r.test/other:1', 'nn', 'nn', 'nn'],
  ['R.test/app:1', 'nn', 'nn', 'nn'],
  ['r.test/APP:1', 'nn', 'nn', 'nn'],
  ['', 'nn', 'nn', 'nn'],
];
const KINDS = ['matchExact', 'matchRepoDigestOrExact', 'matchRepository'] as const;

for (const [signed, ...columns] of TABLE) {
  test(`a signature for "${signed.slice(0, 40)}" matches each identity kind as recorded`, () => {
    for (const [at, type] of KINDS.entries()) {
      const found = [BY_TAG, BY_DIGEST].map((name) => acceptsIdentity({ type }, name, signed));
      assert.equal(found.map((one) => (one ? 't' : 'n')).join(''), columns[at], type);
      assert.equal(acceptsIdentity({ type }, undefined, signed), false);
    }
  });
}

test('exactReference and exactRepository compare their own name and need no image name', () => {
  const reference: SignedIdentity = { type: 'exactReference', name: parseImageName('short:1') };
  assert.ok(acceptsIdentity(reference, undefined, 'docker.io/library/short:1'));
  assert.ok(!acceptsIdentity(reference, BY_TAG, 'docker.io/library/short:2'));
  const repository: SignedIdentity = {
    type: 'exactRepository',
    name: parseImageName('v.test/a:9'),
  };
  assert.ok(acceptsIdentity(repository, undefined, 'v.test/a'));
  assert.ok(!acceptsIdentity(repository, BY_TAG, 'v.test/a/b'));
});

test('remapIdentity replaces the prefix by whole components, and then applies the rule of the default identity', () => {
  const remap = (prefix: string, signedPrefix: string, signed: string, name = BY_TAG) =>
    acceptsIdentity({ type: 'remapIdentity', prefix, signedPrefix }, name, signed);
  assert.ok(remap('r.test', 'v.test/x', 'v.test/x/app:1'));
  assert.ok(!remap('r.test', 'v.test/x', 'v.test/x/app:2'));
  assert.ok(remap('r.test', 'v.test/x', 'v.test/x/app:2', BY_DIGEST));
  assert.ok(remap('r.test/app', 'v.test/b', 'v.test/b:1'));
  assert.ok(!remap('r.test/ap', 'v.test/b', 'v.test/bp:1'));
  assert.ok(remap('r.test/ap', 'v.test/b', 'r.test/app:1'));
  assert.ok(!remap('r.test', 'v.test', 'r.test/app:1'));
});

test('isBareRepository accepts only names without a tag', () => {
  assert.ok(isBareRepository('r.test/app'));
  assert.ok(!isBareRepository('r.test/app:1'));
  assert.ok(!isBareRepository('NO NAME'));
});

test('the scopes of a name go from the tag through namespaces and host to wildcards', () => {
  assert.deepEqual(scopesOfName(parseImageName('a.b.test:5000/x/y:1')), [
    'a.b.test:5000/x/y:1',
    'a.b.test:5000/x/y',
    'a.b.test:5000/x',
    'a.b.test:5000',
    '*.b.test',
    '*.test',
  ]);
  assert.deepEqual(scopesOfName(parseImageName('localhost/x')), [
    'localhost/x',
    'localhost/x',
    'localhost',
  ]);
  assert.deepEqual(scopesOfPath('/a/b c/d'), ['/a/b c/d', '/a/b c', '/a']);
  assert.deepEqual(scopesOfPath('/'), []);
});
