import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { findRule, parsePolicy } from './policy.ts';

const parse = (value: unknown) =>
  parsePolicy('/p.json', Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const ACCEPT = [{ type: 'insecureAcceptAnything' }];
const signed = (more: object) => [{ type: 'sigstoreSigned', ...more }];
const K = { keyPath: '/k' };
const FULCIO = { caPath: '/c', oidcIssuer: 'i', subjectEmail: 'e' };
const PKI = { caRootsPath: '/c', subjectEmail: 'e' };

const REFUSED: readonly unknown[] = [
  [],
  { default: [] },
  { default: ACCEPT, more: 1 },
  { default: ACCEPT, transports: [] },
  { default: ACCEPT, transports: { docker: null } },
  { default: ACCEPT, transports: { docker: { '': ACCEPT[0] } } },
  { default: [{}] },
  { default: ['reject'] },
  { default: [{ type: 'Reject' }] },
  { default: signed({}) },
  { default: signed({ ...K, signedIdentity: { type: 'matchExact', more: 1 } }) },
  { default: signed({ ...K, signedIdentity: { type: 'exactReference' } }) },
  {
    default: signed({
      ...K,
      signedIdentity: { type: 'exactReference', dockerReference: 'a.test/b' },
    }),
  },
  { default: signed({ ...K, signedIdentity: { type: 'exactRepository', dockerRepository: 'A' } }) },
  { default: signed({ ...K, signedIdentity: { type: 'remapIdentity', prefix: 'a.test' } }) },
  { default: signed({ keyPath: 'relative' }) },
  { default: signed({ keyPath: 5 }) },
  { default: signed({ keyPath: null }) },
  { default: signed({ keyPaths: null, keyPath: '/k' }) },
  { default: signed({ fulcio: { ...FULCIO, oidcIssuer: '' }, rekorPublicKeyPath: '/r' }) },
  { default: signed({ pki: { caRootsPath: '/c', subjectEmail: '' } }) },
  {
    default: signed({
      ...K,
      signedIdentity: { type: 'remapIdentity', prefix: '', signedPrefix: 'b' },
    }),
  },
  { default: ACCEPT, transports: { 'containers-storage': { '[@/g]': ACCEPT } } },
  {
    default: ACCEPT,
    transports: {
      'containers-storage': { [`[/g]n@${'a'.repeat(64)}@sha256:${'a'.repeat(64)}`]: ACCEPT },
    },
  },
  { default: signed({ keyPaths: [] }) },
  { default: signed({ keyPaths: '' }) },
  { default: signed({ keyData: 'A' }) },
  { default: signed({ keyDatas: ['A-__'] }) },
  { default: signed({ ...K, rekorPublicKeyPaths: [] }) },
  { default: signed({ ...K, fulcio: FULCIO }) },
  { default: signed({ fulcio: { ...FULCIO, caData: '' }, rekorPublicKeyPath: '/r' }) },
  { default: signed({ fulcio: { caPath: '/c', oidcIssuer: 'i' }, rekorPublicKeyPath: '/r' }) },
  { default: signed({ fulcio: { ...FULCIO, more: 1 }, rekorPublicKeyPath: '/r' }) },
  { default: signed({ pki: PKI, rekorPublicKeyPath: '/r' }) },
  { default: signed({ pki: { caRootsPath: '/c' } }) },
  { default: signed({ pki: { ...PKI, caIntermediatesPath: '/i', caIntermediatesData: '' } }) },
  { default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k', keyData: '' }] },
  { default: [{ type: 'signedBaseLayer' }] },
  { default: ACCEPT, transports: { oci: { '/a/': ACCEPT } } },
  { default: ACCEPT, transports: { dir: { '/': ACCEPT } } },
  { default: ACCEPT, transports: { dir: { '/a//b': ACCEPT } } },
  { default: ACCEPT, transports: { 'docker-archive': { '/a': ACCEPT } } },
  { default: ACCEPT, transports: { 'containers-storage': { '[overlay@rel]': ACCEPT } } },
  { default: ACCEPT, transports: { 'containers-storage': { '[/g]a@x': ACCEPT } } },
];
for (const value of REFUSED) {
  test(`parsePolicy refuses ${JSON.stringify(value)}`, () => {
    assert.throws(
      () => parse(value),
      (error) => hasCode(error, 'POLICY_INVALID') && error.details['class'] === 'policy-invalid',
    );
  });
}

const NOT_BUILT: readonly (readonly [object, RegExp])[] = [
  [{ fulcio: FULCIO, rekorPublicKeyPath: '/r' }, /fulcio/],
  [{ pki: { ...PKI, caIntermediatesData: '' } }, /pki/],
  [{ ...K, rekorPublicKeyDatas: ['AAAA'] }, /rekorPublicKey/],
];
for (const [more, kind] of NOT_BUILT) {
  test(`a policy with ${kind} is valid, and its requirement names the kind as not built`, () => {
    const [requirement] = parse({ default: signed(more) }).byDefault;
    assert.ok(requirement?.type === 'not-built');
    assert.match(requirement.kind, kind);
  });
}

test('a JSON syntax error is reported with line and offset', () => {
  assert.throws(
    () => parse('{\n "default": [\n  {"type": "reject"},\n ]\n}'),
    (error) =>
      hasCode(error, 'POLICY_INVALID') &&
      /line 4/.test(error.message) &&
      error.details['offset'] === 39,
  );
});

const VALID: readonly unknown[] = [
  { default: signed({ keyPath: null, keyData: 'AAAA' }) },
  { default: signed({ ...K, rekorPublicKeyPath: '' }) },
  {
    default: signed({
      ...K,
      signedIdentity: { type: 'remapIdentity', prefix: 'a/b', signedPrefix: 'docker.io/x' },
    }),
  },
  { default: ACCEPT, transports: { 'docker-daemon': { x: ACCEPT }, ostree: { x: ACCEPT } } },
  {
    default: ACCEPT,
    transports: { 'containers-storage': { '[/g/../x]': ACCEPT, '[o@/g+/r]': ACCEPT } },
  },
];
for (const value of VALID) {
  test(`parsePolicy accepts ${JSON.stringify(value)}, as skopeo does`, () => {
    assert.ok(parse(value));
  });
}

test('bytes that are not UTF-8, and a policy above the size limit, are refused', () => {
  const broken = Buffer.from(
    '{"default":[{"type":"reject"}],"transports":{"docker":{"\xff":[]}}}',
    'latin1',
  );
  for (const bytes of [broken, Buffer.alloc(4 * 1024 * 1024 + 1, ' ')]) {
    assert.throws(
      () => parsePolicy('/p.json', bytes),
      (error) => hasCode(error, 'POLICY_INVALID'),
    );
  }
});

const WHOLE = JSON.stringify({
  default: [{ type: 'reject' }],
  transports: {
    docker: {
      'a.test': signed({ keyPaths: ['/k1', '/k2'], signedIdentity: { type: 'matchRepository' } }),
      '': [{ type: 'signedBy', keyType: 'GPGKeys', keyData: 'AAAA' }],
    },
    dir: { '/a': ACCEPT },
    'containers-storage': { [`[overlay@/g]a.test/b@${'a'.repeat(64)}`]: ACCEPT },
    pigeon: { 'any thing': ACCEPT },
  },
});

test('a policy truncated at any byte is refused', () => {
  assert.ok(parse(WHOLE));
  for (let length = 0; length < WHOLE.length; length += 1) {
    assert.throws(
      () => parse(WHOLE.slice(0, length)),
      (error) => hasCode(error, 'POLICY_INVALID'),
      `${length}`,
    );
  }
});

test('only the most specific scope applies, then the transport, then the default', () => {
  const policy = parse(WHOLE);
  const scopeOf = (transport: string, scopes: readonly string[]) =>
    findRule(policy, transport, scopes).scope;
  assert.equal(scopeOf('docker', ['a.test/b:1', 'a.test/b', 'a.test']), 'docker "a.test"');
  assert.equal(scopeOf('docker', ['b.test']), 'docker ""');
  assert.equal(scopeOf('dir', ['/b', '/a']), 'dir "/a"');
  assert.equal(scopeOf('dir', ['/b']), 'default');
  assert.equal(scopeOf('oci', ['any thing']), 'default');
});
