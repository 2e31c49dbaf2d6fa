import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { parsePublicKey } from './public-key.ts';

const read = (name: string) =>
  parsePublicKey(
    name,
    readFileSync(new URL(`../../../test/golden/trust/keys/${name}`, import.meta.url)),
  );

const ALGORITHMS = {
  'k1.pub': 'ecdsa',
  'p384.pub': 'ecdsa',
  'p521.pub': 'ecdsa',
  'skopeo.pub': 'ecdsa',
  'ed25519.pub': 'ed25519',
  'rsa1024.pub': 'rsa',
  'rsa2048.pub': 'rsa',
};
for (const [name, algorithm] of Object.entries(ALGORITHMS)) {
  test(`the key file ${name} has the algorithm ${algorithm}`, () => {
    assert.equal(read(name).algorithm, algorithm);
  });
}

test('a key has one fingerprint in every file format, and the first PEM block is read', () => {
  assert.equal(read('rsa2048-pkcs1.pub').fingerprint, read('rsa2048.pub').fingerprint);
  assert.equal(read('text-before.pub').fingerprint, read('k1.pub').fingerprint);
  assert.equal(read('two-blocks.pub').fingerprint, read('k2.pub').fingerprint);
});

for (const name of [
  'secp256k1.pub',
  'empty.pub',
  'not-a-key.pub',
  'k1.der',
  'k1.key',
  'ca.crt',
  'gpg.pub',
]) {
  test(`the file ${name} is refused as a key`, () => {
    assert.throws(
      () => read(name),
      (error) => hasCode(error, 'KEY_UNUSABLE') && error.details['what'] === name,
    );
  });
}

test('any line ends, and blanks at the ends of lines, are accepted', () => {
  const text = readFileSync(
    new URL('../../../test/golden/trust/keys/k1.pub', import.meta.url),
    'utf8',
  );
  for (const changed of [
    text.replaceAll('\n', '\r\n'),
    text.replaceAll('\n', ' \n'),
    text.trimEnd(),
  ]) {
    const { fingerprint } = parsePublicKey('k', Buffer.from(changed));
    assert.equal(fingerprint, read('k1.pub').fingerprint);
  }
});
