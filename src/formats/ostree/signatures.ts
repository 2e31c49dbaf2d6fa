import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { equalBytes } from '#base/bytes';
import { FormatError, IntegrityError } from '#base/errors';
import { arrayOf, BYTES, lookupVariant, type VariantDict, variantOf } from '#formats/gvariant';

/** Keys of each scheme's signatures in detached metadata and signature files, as `aay`. OSTree spec 2.10, 2.14. */
export const SIGNATURE_KEYS = {
  gpg: 'ostree.gpgsigs',
  ed25519: 'ostree.sign.ed25519',
  spki: 'ostree.sign.spki',
} as const;

/** A signature scheme. */
export type SignatureScheme = keyof typeof SIGNATURE_KEYS;

/** One requirement of a signature policy: trusted keys of one scheme. GPG is implemented elsewhere, behind this interface. */
export interface SignatureVerifier {
  readonly scheme: SignatureScheme;
  /** Name of the trusted, unrevoked key that signed `data`, or undefined. */
  verify(data: Uint8Array, signature: Uint8Array): string | undefined | Promise<string | undefined>;
}

/** Most signatures of one scheme that are tried. Source: OSTree spec 9.5. */
export const SIGNATURES_MAX = 64;

const ED25519_PUBLIC_BYTES = 32;
const ED25519_SECRET_BYTES = 64;
const ED25519_SIGNATURE_BYTES = 64;
const SIGNATURES_TYPE = arrayOf(BYTES);

/** The signatures of a scheme in detached metadata, a signature file or a signed delta; empty when there are none. */
export function signaturesOf(dict: VariantDict, scheme: SignatureScheme): readonly Uint8Array[] {
  return lookupVariant(dict, SIGNATURE_KEYS[scheme], SIGNATURES_TYPE) ?? [];
}

/** The dict with one more signature; other keys keep their order. */
export function withSignature(
  dict: VariantDict,
  scheme: SignatureScheme,
  signature: Uint8Array,
): VariantDict {
  const key = SIGNATURE_KEYS[scheme];
  const all = variantOf(SIGNATURES_TYPE, [...signaturesOf(dict, scheme), signature]);
  return dict.some(([name]) => name === key)
    ? dict.map((pair) => (pair[0] === key ? [key, all] : pair))
    : [...dict, [key, all]];
}

/**
 * Verifies one requirement: at least one signature of the verifier's scheme over `data` by a trusted key. Other signatures are
 * skipped, even malformed ones. Resolves with the name of the key.
 * @throws IntegrityError OSTREE_SIGNATURE_MISSING, OSTREE_SIGNATURE_INVALID
 */
export async function verifySignatures(
  data: Uint8Array,
  dict: VariantDict,
  verifier: SignatureVerifier,
  what: string,
): Promise<string> {
  const { scheme } = verifier;
  const signatures = signaturesOf(dict, scheme);
  if (signatures.length === 0) {
    throw new IntegrityError(
      'OSTREE_SIGNATURE_MISSING',
      `Cannot trust ${what}: expected a signature of scheme ${scheme}, found none`,
      { what, scheme },
    );
  }
  for (const signature of signatures.slice(0, SIGNATURES_MAX)) {
    const key = await verifier.verify(data, signature);
    if (key !== undefined) return key;
  }
  throw new IntegrityError(
    'OSTREE_SIGNATURE_INVALID',
    `Cannot trust ${what}: expected a signature of scheme ${scheme} by a trusted key, found ${signatures.length} by other keys`,
    { what, scheme, found: signatures.length },
  );
}

/** Keys of an ed25519 or spki verifier. A key that is both trusted and revoked is revoked. */
export interface KeySet {
  readonly trusted: readonly Uint8Array[];
  readonly revoked?: readonly Uint8Array[];
}

/**
 * A verifier for raw Ed25519 signatures; keys are 32 bytes each.
 * @throws FormatError OSTREE_KEY_INVALID
 */
export function createEd25519Verifier(keys: KeySet): SignatureVerifier {
  const usable = withoutRevoked(keys).map((bytes) => ({
    name: Buffer.from(bytes).toString('base64'),
    key: ed25519PublicKey(bytes),
  }));
  return {
    scheme: 'ed25519',
    verify: (data, signature) =>
      signature.length === ED25519_SIGNATURE_BYTES
        ? usable.find(({ key }) => verify(null, data, key, signature))?.name
        : undefined,
  };
}

/**
 * A verifier for one-shot signatures by keys in SubjectPublicKeyInfo DER (Ed25519, Ed448 and the like).
 * @throws FormatError OSTREE_KEY_INVALID
 */
export function createSpkiVerifier(keys: KeySet): SignatureVerifier {
  const usable = withoutRevoked(keys).map((bytes) => ({
    name: Buffer.from(bytes).toString('base64'),
    key: spkiPublicKey(bytes),
  }));
  return {
    scheme: 'spki',
    verify: (data, signature) => usable.find(({ key }) => isSignedBy(key, data, signature))?.name,
  };
}

/**
 * Parses a file of ed25519 keys: base64, one per line; empty lines are skipped. Public keys have 32 bytes.
 * @throws FormatError OSTREE_KEY_INVALID
 */
export function parseEd25519Keys(text: string): Uint8Array[] {
  return keyLines(text).map((line) => decodeKey(line, ED25519_PUBLIC_BYTES));
}

/**
 * Parses PEM public keys, the content of spki key files, into DER.
 * @throws FormatError OSTREE_KEY_INVALID
 */
export function parseSpkiKeys(text: string): Uint8Array[] {
  const blocks = text.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g) ?? [];
  if (blocks.length === 0) failKey('a PEM public key', 'none');
  return blocks.map((pem) => {
    try {
      return new Uint8Array(createPublicKey(pem).export({ type: 'spki', format: 'der' }));
    } catch (cause) {
      return failKey('a PEM public key', 'other text', cause);
    }
  });
}

/**
 * Signs bytes with an ed25519 secret key in OSTree's form: base64 of seed and public key, 64 bytes.
 * @throws FormatError OSTREE_KEY_INVALID
 */
export function signEd25519(data: Uint8Array, secret: string): Uint8Array {
  const bytes = decodeKey(secret.trim(), ED25519_SECRET_BYTES);
  const key = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: base64Url(bytes.subarray(0, ED25519_PUBLIC_BYTES)),
      x: base64Url(bytes.subarray(ED25519_PUBLIC_BYTES)),
    },
  });
  return new Uint8Array(sign(null, data, key));
}

function isSignedBy(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, data, key, signature);
  } catch {
    // OpenSSL throws instead of returning false when a signature cannot belong to this kind of key.
    return false;
  }
}

function withoutRevoked({ trusted, revoked = [] }: KeySet): readonly Uint8Array[] {
  return trusted.filter((key) => !revoked.some((other) => equalBytes(key, other)));
}

function ed25519PublicKey(bytes: Uint8Array): KeyObject {
  if (bytes.length !== ED25519_PUBLIC_BYTES) {
    failKey(`${ED25519_PUBLIC_BYTES} bytes of ed25519 key`, `${bytes.length} bytes`);
  }
  const key = { kty: 'OKP', crv: 'Ed25519', x: base64Url(bytes) };
  return createPublicKey({ format: 'jwk', key });
}

function spkiPublicKey(bytes: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(bytes), format: 'der', type: 'spki' });
  } catch (cause) {
    return failKey('a SubjectPublicKeyInfo', `${bytes.length} other bytes`, cause);
  }
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

function keyLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function decodeKey(line: string, lengthBytes: number): Uint8Array {
  const bytes = Buffer.from(line, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(line) || bytes.length !== lengthBytes) {
    failKey(`base64 of ${lengthBytes} bytes`, `${line.length} other characters`);
  }
  return new Uint8Array(bytes);
}

function failKey(expected: string, found: string, cause?: unknown): never {
  throw new FormatError(
    'OSTREE_KEY_INVALID',
    `Cannot read key: expected ${expected}, found ${found}`,
    { offset: 0, what: 'key', expected, found },
    cause === undefined ? {} : { cause },
  );
}
