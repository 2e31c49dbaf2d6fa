import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { decodeBase64 } from '#base/bytes';
import { FormatError } from '#base/errors';

/** A public key that may verify image signatures. */
export interface PublicKey {
  /** Path of its file, or `keyData`. */
  readonly source: string;
  /** `sha256:` and the hex of the hash of its SPKI DER. */
  readonly fingerprint: string;
  readonly key: KeyObject;
  readonly algorithm: 'ecdsa' | 'ed25519' | 'rsa';
  /** Length of `r‖s` of an ECDSA signature, in bytes; 0 for other keys. */
  readonly pairBytes: number;
}

/** The accepted curves, with the length of `r‖s`. Names of OpenSSL. */
const CURVES: Readonly<Record<string, number>> = { prime256v1: 64, secp384r1: 96, secp521r1: 132 };
/**
 * PEM labels of public keys, with the names of node:crypto. Without this check, a private key or a certificate would be accepted as its public
 * half.
 */
const LABELS: Readonly<Record<string, 'spki' | 'pkcs1'>> = {
  'PUBLIC KEY': 'spki',
  'RSA PUBLIC KEY': 'pkcs1',
};
const BEGIN = /^-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?$/m;

/**
 * Parses a key file. Only the first PEM block is used; text around it and further blocks are ignored. Accepts ECDSA on P-256, P-384 and P-521,
 * ed25519, and RSA. Source: recorded with skopeo 1.22.
 * @throws FormatError KEY_UNUSABLE
 */
export function parsePublicKey(source: string, bytes: Uint8Array): PublicKey {
  const { label, der } = firstBlock(source, Buffer.from(bytes).toString('latin1'));
  const type = LABELS[label];
  if (type === undefined) throw unusable(source, 'a public key', `a block "${label}"`);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type });
  } catch (cause) {
    throw unusable(source, 'a public key', 'other bytes', cause);
  }
  const spki = key.export({ format: 'der', type: 'spki' });
  const fingerprint = `sha256:${createHash('sha256').update(spki).digest('hex')}`;
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const pairBytes = CURVES[curve] ?? 0;
  const base = { source, fingerprint, key, pairBytes };
  switch (key.asymmetricKeyType) {
    case 'ed25519':
    case 'rsa':
      return { ...base, algorithm: key.asymmetricKeyType };
    case 'ec':
      if (pairBytes > 0) return { ...base, algorithm: 'ecdsa' };
      throw unusable(source, 'P-256, P-384 or P-521', curve === '' ? 'another curve' : curve);
    default:
      throw unusable(source, 'ECDSA, ed25519 or RSA', `${key.asymmetricKeyType}`);
  }
}

/**
 * True when the signature of these bytes was made with this key. ECDSA signs the SHA-256 on every curve, as DER or as `r‖s`; RSA is PKCS#1 v1.5
 * with SHA-256; ed25519 signs the bytes themselves. Source: recorded with skopeo 1.22.
 */
export function isSignedBy(key: PublicKey, payload: Uint8Array, signature: Uint8Array): boolean {
  try {
    if (key.algorithm !== 'ecdsa') {
      return verify(key.algorithm === 'rsa' ? 'sha256' : null, payload, key.key, signature);
    }
    if (verify('sha256', payload, key.key, signature)) return true;
    const isPair = signature.length === key.pairBytes;
    const pair = { key: key.key, dsaEncoding: 'ieee-p1363' } as const;
    return isPair && verify('sha256', payload, pair, signature);
  } catch {
    return false; // Depending on its version, OpenSSL throws for a malformed signature.
  }
}

function firstBlock(source: string, text: string): { label: string; der: Uint8Array } {
  const begin = BEGIN.exec(text);
  const label = begin?.[1] ?? '';
  if (begin === null) throw unusable(source, 'a PEM block', text === '' ? 'nothing' : 'none');
  const rest = text.slice(begin.index + begin[0].length);
  const end = rest.indexOf(`-----END ${label}-----`);
  const der = end < 0 ? undefined : decodeBase64(rest.slice(0, end).replace(/[ \t]+$/gm, ''));
  if (der === undefined || der.length === 0) throw unusable(source, 'a PEM block', 'a broken one');
  return { label, der };
}

/** The error for an unusable key, or a missing key file. */
export function unusable(
  source: string,
  expected: string,
  found: string,
  cause?: unknown,
): FormatError {
  return new FormatError(
    'KEY_UNUSABLE',
    `Cannot use key "${source}": expected ${expected}, found ${found}`,
    { offset: 0, what: source, expected, found },
    cause === undefined ? {} : { cause },
  );
}
