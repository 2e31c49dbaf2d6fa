import type { AnyKeyPacket, PublicKey, SignaturePacket } from 'openpgp';
import { FormatError, UnsupportedError } from '#base/errors';
import type { SignatureVerifier } from '#formats/ostree';
import { GpgKeys, type OpenPgp } from './gpg-keys.ts';

const ARMOR_START = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
const ARMORED = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g;
/** Most signature packets of one blob that are tried. */
const PACKETS_MAX = 64;

/**
 * A verifier for detached OpenPGP signatures by any key of the keyrings (binary or armored). Keys are
 * judged as of now: expired and revoked ones do not count, whatever was true on the day of the signature, and renewed ones do.
 * Neither do weak keys and digests that are no longer safe.
 * @throws FormatError OSTREE_KEY_INVALID; UnsupportedError OPENPGP_MISSING where the optional package is not installed
 */
export async function createGpgVerifier(
  keyrings: readonly Uint8Array[],
): Promise<SignatureVerifier> {
  const openpgp = await loadOpenPgp();
  const keys: PublicKey[] = [];
  for (const keyring of keyrings) keys.push(...(await readKeyring(openpgp, keyring)));
  const ring = new GpgKeys(openpgp, keys);
  return {
    scheme: 'gpg',
    verify: async (data, signature) => await signerOf(openpgp, ring, data, signature),
  };
}

/** An optional peer: most users verify no OpenPGP signature, and the package is larger than all others together. */
async function loadOpenPgp(): Promise<OpenPgp> {
  try {
    return await import('openpgp');
  } catch (cause) {
    throw new UnsupportedError(
      'OPENPGP_MISSING',
      'Cannot verify OpenPGP signatures: expected the package "openpgp", found none that loads',
      { package: 'openpgp' },
      {
        hint: 'Run "npm install openpgp" where onecopy is installed, with --global if onecopy was installed with it',
        cause,
      },
    );
  }
}

/** Whether a file begins as an OpenPGP key does, binary or armored; other files lie beside keyrings too. */
export function isKeyring(bytes: Uint8Array): boolean {
  const [tag = 0] = bytes;
  const isBinary = (tag & 0xfc) === 0x98 || tag === 0xc6;
  return isBinary || textOf(bytes).includes(ARMOR_START);
}

async function readKeyring(openpgp: OpenPgp, keyring: Uint8Array): Promise<PublicKey[]> {
  try {
    const blocks = textOf(keyring).match(ARMORED);
    if (blocks === null) return await openpgp.readKeys({ binaryKeys: new Uint8Array(keyring) });
    const keys: PublicKey[] = [];
    for (const block of blocks) keys.push(...(await openpgp.readKeys({ armoredKeys: block })));
    return keys;
  } catch (cause) {
    throw new FormatError(
      'OSTREE_KEY_INVALID',
      'Cannot read key: expected an OpenPGP keyring, found other bytes',
      { offset: 0, what: 'key', expected: 'an OpenPGP keyring', found: 'other bytes' },
      { cause },
    );
  }
}

/** Fingerprint of the key that made one of the signatures in a blob and may vouch now, or undefined. */
async function signerOf(
  openpgp: OpenPgp,
  keys: GpgKeys,
  data: Uint8Array,
  blob: Uint8Array,
): Promise<string | undefined> {
  try {
    const { packets } = await openpgp.readSignature({ binarySignature: new Uint8Array(blob) });
    const message = await openpgp.createMessage({ binary: new Uint8Array(data) });
    const literal = message.packets.findPacket(openpgp.enums.packet.literalData);
    if (literal === undefined) return undefined;
    for (const signature of packets.slice(0, PACKETS_MAX)) {
      const signer = keys.issuersOf(signature);
      for (const { packet, fingerprint, isValidAt } of signer) {
        if (!(await isSignedBy(openpgp, packet, signature, literal))) continue;
        if (await isValidAt(new Date())) return fingerprint;
      }
    }
  } catch {
    // What cannot be read as a signature is none; the others in the list may still be good.
  }
  return undefined;
}

async function isSignedBy(
  { enums }: OpenPgp,
  key: AnyKeyPacket,
  signature: SignaturePacket,
  data: object,
): Promise<boolean> {
  const { signatureType: type, created } = signature;
  if (type !== enums.signature.binary && type !== enums.signature.text) return false;
  if (created === null || created < key.created) return false;
  if (signature.getExpirationTime() <= new Date()) return false;
  try {
    await signature.verify(key, type, data, created, true);
    return true;
  } catch {
    return false;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
