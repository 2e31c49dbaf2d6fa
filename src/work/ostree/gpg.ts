import { FormatError } from '#base/errors';
import type { SignatureVerifier } from '#formats/ostree';

/** OpenPGP, loaded when the first GPG gate is made: it is large, and most pulls need none. */
type OpenPgp = typeof import('openpgp');
type PublicKey = Awaited<ReturnType<OpenPgp['readKey']>>;

const ARMOR_START = '-----BEGIN PGP';

/**
 * A verifier for detached OpenPGP signatures by any key of the keyrings (binary or armored). Expired and revoked keys, and digests
 * that are no longer safe, do not count.
 * @throws FormatError OSTREE_KEY_INVALID
 */
export async function createGpgVerifier(
  keyrings: readonly Uint8Array[],
): Promise<SignatureVerifier> {
  const openpgp = await import('openpgp');
  const keys: PublicKey[] = [];
  for (const keyring of keyrings) keys.push(...(await readKeyring(openpgp, keyring)));
  return {
    scheme: 'gpg',
    verify: async (data, signature) => await signerOf(openpgp, keys, data, signature),
  };
}

async function readKeyring(openpgp: OpenPgp, keyring: Uint8Array): Promise<PublicKey[]> {
  try {
    const text = Buffer.from(keyring).toString('latin1');
    return text.trimStart().startsWith(ARMOR_START)
      ? await openpgp.readKeys({ armoredKeys: text })
      : await openpgp.readKeys({ binaryKeys: new Uint8Array(keyring) });
  } catch (cause) {
    throw new FormatError(
      'OSTREE_KEY_INVALID',
      'Cannot read key: expected an OpenPGP keyring, found other bytes',
      { offset: 0, what: 'key', expected: 'an OpenPGP keyring', found: 'other bytes' },
      { cause },
    );
  }
}

/** Fingerprint of the key that made one of the signatures in a blob, or undefined. */
async function signerOf(
  openpgp: OpenPgp,
  keys: PublicKey[],
  data: Uint8Array,
  blob: Uint8Array,
): Promise<string | undefined> {
  try {
    const signature = await openpgp.readSignature({ binarySignature: new Uint8Array(blob) });
    const message = await openpgp.createMessage({ binary: new Uint8Array(data) });
    const { signatures } = await openpgp.verify({ message, signature, verificationKeys: keys });
    for (const { keyID, verified } of signatures) {
      if (!(await isGood(verified))) continue;
      const key = keys.find((one) => one.getKeys(keyID).length > 0);
      return key?.getFingerprint() ?? keyID.toHex();
    }
  } catch {
    // What cannot be read as a signature is none; the others in the list may still be good.
  }
  return undefined;
}

async function isGood(verified: Promise<unknown>): Promise<boolean> {
  try {
    return (await verified) === true;
  } catch {
    return false;
  }
}
