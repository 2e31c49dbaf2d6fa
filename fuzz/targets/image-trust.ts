// Invariant: any bytes are a policy, payload, key or signature file, or one of our errors; what the strict parser accepts is JSON without repeated keys.
import assert from 'node:assert/strict';
import { isOnecopyError } from '#base/errors';
import {
  findRule,
  judgeImage,
  parsePayload,
  parsePolicy,
  parsePublicKey,
  parseSignatureFile,
  parseSignatureManifest,
  scopesOfName,
} from '#formats/image-trust';
import { parseImageName } from '#formats/oci';

/** Name of the target and of its folder of inputs. */
export const name = 'image-trust';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const DIGEST = `sha256:${'0'.repeat(64)}`;

/** One document of each kind. */
export function seeds(): readonly Uint8Array[] {
  const identity = { type: 'remapIdentity', prefix: 'a.test', signedPrefix: 'b.test/x' };
  const blob = {
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    digest: DIGEST,
    size: 1,
  };
  const documents = [
    {
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          'a.test': [{ type: 'sigstoreSigned', keyData: 'AAAA', signedIdentity: identity }],
        },
        dir: { '/a': [{ type: 'insecureAcceptAnything' }] },
      },
    },
    {
      critical: {
        identity: { 'docker-reference': 'a.test/b:1' },
        image: { 'docker-manifest-digest': DIGEST },
        type: 'cosign container image signature',
      },
      optional: { creator: 'x', timestamp: 1 },
    },
    { schemaVersion: 2, mediaType: MANIFEST_TYPE, config: blob, layers: [blob] },
  ];
  const texts = [
    ...documents.map((document) => JSON.stringify(document)),
    `\0sigstore-json\n${JSON.stringify({ mimeType: blob.mediaType, payload: 'e30=', annotations: {} })}`,
    '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n',
  ];
  return texts.map((text) => Buffer.from(text, 'latin1'));
}

/** Gives the bytes to every parser; whatever policy comes out never accepts an unsigned image by `sigstoreSigned`. */
export function run(bytes: Uint8Array): void {
  guarded(() => {
    const policy = parsePolicy('policy', bytes);
    JSON.parse(Buffer.from(bytes).toString('utf8'));
    const image = parseImageName('a.test/b:1');
    const rule = findRule(policy, 'docker', scopesOfName(image));
    const keyFiles = new Map<string, Uint8Array>();
    const manifest = DIGEST as Parameters<typeof judgeImage>[1]['manifest'];
    const verdict = judgeImage(rule, { name: image, manifest, signatures: [], keyFiles });
    const isOpen = rule.requirements.every(({ type }) => type === 'insecureAcceptAnything');
    assert.equal(verdict.isAccepted, isOpen);
  });
  guarded(() => {
    parsePayload(bytes);
    JSON.parse(Buffer.from(bytes).toString('utf8'));
  });
  guarded(() => parsePublicKey('key', bytes));
  guarded(() => parseSignatureFile('file', bytes));
  guarded(() => parseSignatureManifest(bytes, MANIFEST_TYPE));
}

function guarded(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}
