import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { arrayOf, STRING, type VariantDict, variantOf } from '#formats/gvariant';
import { readTarFolder } from '../../../test/support/tar-fixture.ts';
import {
  type Commit,
  createEd25519Verifier,
  createSpkiVerifier,
  encodeMetadataDict,
  parseEd25519Keys,
  parseMetadataDict,
  parseSpkiKeys,
  signaturesOf,
  signEd25519,
  verifyBindings,
  verifyNotOlder,
  verifySignatures,
  withSignature,
} from './index.ts';

const KEYS = new URL('../../../test/golden/ostree/keys/', import.meta.url);
const PUBLIC = parseEd25519Keys(readFileSync(new URL('ed25519.public', KEYS), 'latin1'));
const SECRET = readFileSync(new URL('ed25519.secret', KEYS), 'latin1');
const signed = readTarFolder('ostree/mini.tar.gz', 'fxmini/r-signed');

test('every ed25519 signature of the fixtures verifies and equals the one we make', async () => {
  const verifier = createEd25519Verifier({ trusted: PUBLIC });
  let count = 0;
  for (const [path, { bytes }] of signed) {
    const target = path.endsWith('.commitmeta')
      ? path.replace('.commitmeta', '.commit')
      : path === 'summary.sig'
        ? 'summary'
        : undefined;
    if (target === undefined) continue;
    const dict = parseMetadataDict(bytes, path);
    assert.deepEqual(encodeMetadataDict(dict), bytes);
    const data = signed.get(target)?.bytes;
    assert.ok(data);
    await verifySignatures(data, dict, verifier, target);
    assert.deepEqual(signaturesOf(dict, 'ed25519')[0], signEd25519(data, SECRET));
    count++;
  }
  assert.equal(count, 4);
});

test('a signature by a revoked or unknown key, or over other bytes, is refused', async () => {
  const data = new Uint8Array([1, 2, 3]);
  const dict = withSignature([], 'ed25519', signEd25519(data, SECRET));
  const revoked = createEd25519Verifier({ trusted: PUBLIC, revoked: PUBLIC });
  const trusted = createEd25519Verifier({ trusted: PUBLIC });
  const invalid = { code: 'OSTREE_SIGNATURE_INVALID' };
  await assert.rejects(verifySignatures(data, dict, revoked, 'x'), invalid);
  await assert.rejects(verifySignatures(new Uint8Array(4), dict, trusted, 'x'), invalid);
  await assert.rejects(verifySignatures(data, [], trusted, 'x'), {
    code: 'OSTREE_SIGNATURE_MISSING',
    details: { what: 'x', scheme: 'ed25519' },
  });
});

test('one good signature among malformed ones is sufficient', async () => {
  const data = new Uint8Array([1, 2, 3]);
  let dict: VariantDict = [['other', variantOf(STRING, 'kept')]];
  for (const signature of [new Uint8Array(3), new Uint8Array(64), signEd25519(data, SECRET)]) {
    dict = withSignature(dict, 'ed25519', signature);
  }
  const parsed = parseMetadataDict(encodeMetadataDict(dict), 'x');
  assert.equal(signaturesOf(parsed, 'ed25519').length, 3);
  assert.equal(parsed[0]?.[0], 'other');
  const key = await verifySignatures(data, parsed, createEd25519Verifier({ trusted: PUBLIC }), 'x');
  assert.equal(key, Buffer.from(PUBLIC[0] ?? []).toString('base64'));
});

test('spki signatures verify with keys in PEM', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed448');
  const data = new Uint8Array([5]);
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const trusted = parseSpkiKeys(`# ours\n${pem}`);
  const dict = withSignature([], 'spki', new Uint8Array(sign(null, data, privateKey)));
  await verifySignatures(data, dict, createSpkiVerifier({ trusted }), 'x');
  const damaged = withSignature([], 'spki', new Uint8Array(5));
  await assert.rejects(verifySignatures(data, damaged, createSpkiVerifier({ trusted }), 'x'), {
    code: 'OSTREE_SIGNATURE_INVALID',
  });
});

test('keys in a wrong format are refused', () => {
  assert.deepEqual(parseEd25519Keys('\n\n'), []);
  for (const run of [
    () => parseEd25519Keys('not base64!'),
    () => parseEd25519Keys('AAAA'),
    () => parseSpkiKeys('nothing'),
    () => parseSpkiKeys('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'),
    () => createEd25519Verifier({ trusted: [new Uint8Array(31)] }),
    () => createSpkiVerifier({ trusted: [new Uint8Array(31)] }),
    () => signEd25519(new Uint8Array(1), 'AAAA'),
  ]) {
    assert.throws(run, { code: 'OSTREE_KEY_INVALID' });
  }
});

const SUM = 'ab'.repeat(32) as OstreeChecksum;

function commitWith(metadata: VariantDict, timestampSec = 0n): Commit {
  return {
    metadata,
    parent: undefined,
    related: [],
    subject: '',
    body: '',
    timestampSec,
    rootTree: SUM,
    rootMeta: SUM,
  };
}

const BOUND = commitWith([
  ['ostree.ref-binding', variantOf(arrayOf(STRING), ['a', 'b'])],
  ['ostree.collection-binding', variantOf(STRING, 'org.x')],
]);

test('a commit with ref bindings is accepted only under its refs and its collection', () => {
  verifyBindings(BOUND, { ref: 'b' });
  verifyBindings(BOUND, { ref: 'a', collectionId: 'org.x' });
  verifyBindings(BOUND, {});
  const mismatch = { code: 'OSTREE_BINDING_MISMATCH' };
  assert.throws(() => verifyBindings(BOUND, { ref: 'c' }), {
    code: 'OSTREE_BINDING_MISMATCH',
    message: 'Cannot accept commit: expected ref "c" in the ref binding, found "a", "b"',
  });
  assert.throws(() => verifyBindings(BOUND, { ref: 'a', collectionId: 'org.y' }), mismatch);
});

test('a commit without bindings is accepted unless the remote has a collection', () => {
  const unbound = commitWith([]);
  verifyBindings(unbound, { ref: 'a' });
  const mismatch = { code: 'OSTREE_BINDING_MISMATCH' };
  assert.throws(() => verifyBindings(unbound, { ref: 'a', collectionId: 'org.x' }), mismatch);
  assert.throws(() => verifyBindings(unbound, { collectionId: 'org.x' }), mismatch);
  const orphan = commitWith([['ostree.ref-binding', variantOf(arrayOf(STRING), [])]]);
  assert.throws(() => verifyBindings(orphan, { ref: 'a' }), mismatch);
  const odd = commitWith([['ostree.ref-binding', variantOf(STRING, 'a')]]);
  assert.throws(() => verifyBindings(odd, { ref: 'a' }), mismatch);
});

test('an older commit does not replace a newer one, but one with the same time does', () => {
  verifyNotOlder(commitWith([], 5n), commitWith([], 5n));
  verifyNotOlder(commitWith([], 2n ** 64n - 1n), commitWith([], 5n));
  assert.throws(() => verifyNotOlder(commitWith([], 4n), commitWith([], 5n)), {
    code: 'OSTREE_DOWNGRADE',
    details: { expected: '5', found: '4' },
  });
});
