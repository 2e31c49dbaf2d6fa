import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { computeContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import { parseImageName } from '#formats/oci';
import {
  type AttachedSignature,
  parseSignatureFile,
  parseSignatureManifest,
} from './attachment.ts';
import { judgeImage } from './judge.ts';
import { parsePayload } from './payload.ts';
import { findRule, parsePolicy } from './policy.ts';
import { isSignedBy, parsePublicKey } from './public-key.ts';

const MANIFEST = computeContentDigest(Buffer.from('manifest'));
const NAME = parseImageName('r.test/app:1');
const SIGNATURE = 'dev.cosignproject.cosign/signature';

const payloadOf = (reference = 'r.test/app:1', digest: string = MANIFEST) =>
  Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': reference },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  );

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const PAIRS = {
  p256: ec('P-256'),
  p384: ec('P-384'),
  p521: ec('P-521'),
  ed25519: generateKeyPairSync('ed25519'),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const pemOf = (key: KeyObject) => Buffer.from(key.export({ format: 'pem', type: 'spki' }));

function signatureOf(payload: Uint8Array, key: KeyObject): Buffer {
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key);
}

function attach(payload: Uint8Array, signature: Uint8Array): AttachedSignature {
  const annotations = new Map([[SIGNATURE, Buffer.from(signature).toString('base64')]]);
  return { place: 'tag x, layer 1', by: 'tag', payload, annotations };
}

const RULE = findRule(
  parsePolicy('/p.json', Buffer.from('{"default":[{"type":"sigstoreSigned","keyPath":"/k"}]}')),
  'docker',
  [],
);
const judge = (signatures: readonly AttachedSignature[], pem: Uint8Array | string) =>
  judgeImage(RULE, {
    name: NAME,
    manifest: MANIFEST,
    signatures,
    keyFiles: new Map([['/k', pem]]),
  });

for (const [name, { publicKey, privateKey }] of Object.entries(PAIRS)) {
  test(`a signature by ${name} is accepted, and the verdict names the key`, () => {
    const payload = payloadOf();
    const verdict = judge([attach(payload, signatureOf(payload, privateKey))], pemOf(publicKey));
    const spki = publicKey.export({ format: 'der', type: 'spki' });
    const fingerprint = `sha256:${createHash('sha256').update(spki).digest('hex')}`;
    assert.deepEqual(verdict, {
      isAccepted: true,
      requirements: [
        {
          type: 'sigstoreSigned',
          key: { source: '/k', fingerprint },
          signedIdentity: 'r.test/app:1',
          place: 'tag x, layer 1',
          by: 'tag',
        },
      ],
    });
  });

  test(`a payload or signature by ${name} with any bit flipped, or truncated, is refused`, () => {
    const payload = payloadOf();
    const signature = signatureOf(payload, privateKey);
    const pem = pemOf(publicKey);
    const isAccepted = (changed: Uint8Array, by: Uint8Array) =>
      judge([attach(changed, by)], pem).isAccepted;
    for (let at = 0; at < payload.length; at += 7) {
      const changed = Buffer.from(payload);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      assert.equal(isAccepted(changed, signature), false);
    }
    for (let at = 0; at < signature.length; at += 5) {
      const changed = Buffer.from(signature);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      assert.equal(isAccepted(payload, changed), false);
      assert.equal(isAccepted(payload, signature.subarray(0, at)), false);
    }
    assert.equal(isAccepted(payload, Buffer.concat([signature, Buffer.alloc(1)])), false);
    assert.equal(isAccepted(payload, Buffer.alloc(0)), false);
  });
}

test('a signature by another type of key or over another hash is refused', () => {
  const payload = payloadOf();
  const key = parsePublicKey('k', pemOf(PAIRS.p384.publicKey));
  assert.ok(isSignedBy(key, payload, sign('sha256', payload, PAIRS.p384.privateKey)));
  assert.ok(!isSignedBy(key, payload, sign('sha384', payload, PAIRS.p384.privateKey)));
  assert.ok(!isSignedBy(key, payload, signatureOf(payload, PAIRS.ed25519.privateKey)));
  const pair = sign('sha256', payload, { key: PAIRS.p384.privateKey, dsaEncoding: 'ieee-p1363' });
  assert.ok(isSignedBy(key, payload, pair));
});

const UNUSABLE: readonly (readonly [string, Uint8Array | string])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a text', Buffer.from('ssh-ed25519 AAAA')],
  ['a private key', Buffer.from(PAIRS.p256.privateKey.export({ format: 'pem', type: 'pkcs8' }))],
  ['another curve', pemOf(ec('secp256k1').publicKey)],
  ['RSA-PSS', pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey)],
  ['X25519', pemOf(generateKeyPairSync('x25519').publicKey)],
  ['DER', PAIRS.p256.publicKey.export({ format: 'der', type: 'spki' })],
  ['a block without end', pemOf(PAIRS.p256.publicKey).subarray(0, 100)],
  ['a file that cannot be read', 'permission denied'],
];
for (const [name, bytes] of UNUSABLE) {
  test(`the key ${name} is refused`, () => {
    if (typeof bytes !== 'string') {
      assert.throws(
        () => parsePublicKey('/k', bytes),
        (error) => hasCode(error, 'KEY_UNUSABLE'),
      );
    }
    const payload = payloadOf();
    const verdict = judge([attach(payload, signatureOf(payload, PAIRS.p256.privateKey))], bytes);
    assert.ok(
      !verdict.isAccepted && verdict.class === 'key-unusable' && /"\/k"/.test(verdict.reason),
    );
  });
}

test('each fault of a signature is reported by its class, in the order of the checks', () => {
  const { publicKey, privateKey } = PAIRS.p256;
  const signed = (payload: Uint8Array) => attach(payload, signatureOf(payload, privateKey));
  const other = computeContentDigest(Buffer.from('other'));
  const classOf = (one: AttachedSignature) => {
    const verdict = judge([one], pemOf(publicKey));
    return verdict.isAccepted ? 'accepted' : verdict.class;
  };
  const bare = { ...signed(payloadOf()), annotations: new Map<string, string>() };
  assert.equal(classOf(bare), 'annotation-missing');
  assert.equal(classOf({ ...bare, annotations: new Map([[SIGNATURE, 'A']]) }), 'signature-invalid');
  assert.equal(classOf(signed(Buffer.from('{}'))), 'payload-invalid');
  assert.equal(classOf(signed(payloadOf('r.test/app:2', other))), 'digest-mismatch');
  assert.equal(classOf(signed(payloadOf('r.test/app:2'))), 'identity-mismatch');
  assert.equal(classOf(signed(payloadOf())), 'accepted');
});

test('bad signatures before a good one are ignored, and two bad ones are both reported', () => {
  const { publicKey, privateKey } = PAIRS.p256;
  const good = attach(payloadOf(), signatureOf(payloadOf(), privateKey));
  const bad = attach(payloadOf('x.test/y:1'), signatureOf(payloadOf(), privateKey));
  assert.equal(judge([bad, bad, good], pemOf(publicKey)).isAccepted, true);
  const verdict = judge([bad, bad], pemOf(publicKey));
  assert.ok(!verdict.isAccepted && verdict.class === 'none-accepted');
  assert.equal(verdict.faults.length, 2);
});

test('text from a signature is escaped and truncated in messages', () => {
  const { publicKey, privateKey } = PAIRS.p256;
  const foreign = `\u001b[31m\u202e${'x'.repeat(500)}`;
  const payloads = [payloadOf(foreign), payloadOf('r.test/app:1', foreign)];
  for (const payload of payloads) {
    const verdict = judge([attach(payload, signatureOf(payload, privateKey))], pemOf(publicKey));
    assert.ok(!verdict.isAccepted);
    assert.match(verdict.reason, /^[\x20-\x7e]{0,400}$/);
  }
});

test('a payload truncated at any byte is refused', () => {
  const whole = payloadOf();
  assert.equal(parsePayload(whole).dockerReference, 'r.test/app:1');
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(
      () => parsePayload(whole.subarray(0, length)),
      (error) => hasCode(error, 'SIGNATURE_PAYLOAD_INVALID'),
    );
  }
});

test('a signature file of another kind is ignored, and a malformed one is refused', () => {
  const file = (text: string) =>
    parseSignatureFile('signature-1', Buffer.from(`\0sigstore-json\n${text}`));
  const type = 'application/vnd.dev.cosign.simplesigning.v1+json';
  const read = file(`{"mimeType":"${type}","payload":"e30=","annotations":{"a":"b"}}`);
  assert.equal(Buffer.from(read?.payload ?? []).toString(), '{}');
  assert.deepEqual(read?.annotations, new Map([['a', 'b']]));
  assert.equal(file('{"mimeType":"x","payload":"e30=","annotations":null}'), undefined);
  assert.equal(parseSignatureFile('signature-1', Buffer.from('\x90\x0d')), undefined);
  for (const text of [
    '',
    '{}',
    '[]',
    `{"mimeType":"${type}","payload":"e"}`,
    '{"mimeType":1,"payload":""}',
  ]) {
    assert.throws(
      () => file(text),
      (error) => hasCode(error, 'SIGNATURE_FILE_INVALID'),
    );
  }
});

test('only an OCI manifest with at most 128 layers is read as a list of signatures', () => {
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const blob = { mediaType: 'x/y', digest: MANIFEST, size: 1 };
  const bytes = (layers: number, mediaType = type) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: blob,
        layers: Array(layers).fill(blob),
      }),
    );
  assert.equal(parseSignatureManifest(bytes(128), type).layers.length, 128);
  const docker = 'application/vnd.docker.distribution.manifest.v2+json';
  for (const [text, stated] of [
    [bytes(129), type],
    [bytes(1, docker), docker],
    [bytes(1, docker), type],
    [bytes(1), docker],
  ] as const) {
    assert.throws(
      () => parseSignatureManifest(text, stated),
      (error) => hasCode(error, 'SIGNATURE_FILE_INVALID'),
    );
  }
});
