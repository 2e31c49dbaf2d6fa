import type { AnyKeyPacket, PublicKey, SignaturePacket, Subkey } from 'openpgp';

/** OpenPGP, loaded when the first GPG gate is made: it is large, and most pulls need none. */
export type OpenPgp = typeof import('openpgp');

/** A primary key or subkey of a keyring, that may have made a signature. */
export interface FoundKey {
  readonly packet: AnyKeyPacket;
  /** Fingerprint of the primary key, lowercase hex. */
  readonly fingerprint: string;
  /** Whether it may vouch at a time: the key, and the primary key when it is a subkey. */
  isValidAt(now: Date): Promise<boolean>;
}

/** What a self-signature is over, as OpenPGP.js names its parts. */
type Signed = Readonly<Record<string, unknown>>;

/** Shortest RSA modulus that is believed, in bits. */
const RSA_MIN_BITS = 2047;
/** Bit of the first octet of key flags. Source: RFC 9580, 5.2.3.29. */
const MAY_SIGN = 0x02;

/**
 * The keys of all keyrings, judged as GnuPG judges them: by what their self-signatures say now, not on the day of a signature.
 * Copies of one key in several keyrings are one key with the signatures of all. Source: GnuPG 2.4 g10/getkey.c merge_selfsigs.
 */
export class GpgKeys {
  readonly #openpgp: OpenPgp;
  readonly #copies = new Map<string, PublicKey[]>();

  constructor(openpgp: OpenPgp, keys: readonly PublicKey[]) {
    this.#openpgp = openpgp;
    for (const key of keys) {
      const fingerprint = key.getFingerprint();
      this.#copies.set(fingerprint, [...(this.#copies.get(fingerprint) ?? []), key]);
    }
  }

  /** Keys whose id is the one that a signature names as its issuer's. */
  issuersOf(signature: SignaturePacket): FoundKey[] {
    const found: FoundKey[] = [];
    for (const [fingerprint, copies] of this.#copies) {
      const [packet] = copies.map((key) => key.keyPacket);
      if (packet?.getKeyID().equals(signature.issuerKeyID)) {
        const isValidAt = (now: Date) => this.#isPrimaryValid(copies, now, true);
        found.push({ packet, fingerprint, isValidAt });
      }
      const subkeys = copies
        .flatMap((key) => key.subkeys)
        .filter((subkey) => subkey.getKeyID().equals(signature.issuerKeyID));
      const [subkey] = subkeys;
      if (subkey === undefined) continue;
      const isValidAt = async (now: Date) =>
        (await this.#isPrimaryValid(copies, now, false)) &&
        (await this.#isSubkeyValid(subkeys, now));
      found.push({ packet: subkey.keyPacket, fingerprint, isValidAt });
    }
    return found;
  }

  async #isPrimaryValid(
    copies: readonly PublicKey[],
    now: Date,
    toSign: boolean,
  ): Promise<boolean> {
    const [key] = copies.map((copy) => copy.keyPacket);
    if (key === undefined || key.created > now || !this.#isStrong(key)) return false;
    const direct = await this.#directSignatures(copies);
    if (await this.#isRevoked(copies, direct)) return false;
    const newest = newestOf(direct.filter((signature) => !isExpired(signature, now)));
    const certifications = await this.#certifications(copies, now);
    const stands = [...(newest === undefined ? [] : [newest]), ...certifications];
    if (stands.length === 0) return false;
    const expiring =
      newest !== undefined && newest.keyNeverExpires === false
        ? newest
        : newestOf(certifications.filter(({ keyNeverExpires }) => keyNeverExpires === false));
    if (expiring !== undefined && isKeyExpired(key, expiring, now)) return false;
    const flagged = [newest, newestOf(certifications)].find((one) => one?.keyFlags != null);
    return !toSign || maySign(flagged);
  }

  async #isSubkeyValid(copies: readonly Subkey[], now: Date): Promise<boolean> {
    const { subkeyBinding, subkeyRevocation, keyBinding } = this.#openpgp.enums.signature;
    const [subkey] = copies;
    if (subkey === undefined || subkey.keyPacket.created > now) return false;
    if (!this.#isStrong(subkey.keyPacket)) return false;
    const primary = subkey.mainKey.keyPacket;
    const signed = { key: primary, bind: subkey.keyPacket };
    const revocations = copies.flatMap((copy) => copy.revocationSignatures);
    if ((await made(revocations, primary, subkeyRevocation, signed)).length > 0) return false;
    const all = copies.flatMap((copy) => copy.bindingSignatures);
    const bindings = await made(all, primary, subkeyBinding, signed);
    const binding = newestOf(bindings.filter((signature) => !isExpired(signature, now)));
    if (binding === undefined || isKeyExpired(subkey.keyPacket, binding, now)) return false;
    if (!maySign(binding) || binding.embeddedSignature === null) return false;
    // Else anybody could claim the subkey of another, and its signatures with it.
    const back = [binding.embeddedSignature];
    return (await made(back, subkey.keyPacket, keyBinding, signed)).length > 0;
  }

  /** A revocation counts whatever its reason and date; one by another key, when the key named that one for it. */
  async #isRevoked(
    copies: readonly PublicKey[],
    direct: readonly SignaturePacket[],
  ): Promise<boolean> {
    const { keyRevocation } = this.#openpgp.enums.signature;
    const [key] = copies.map((copy) => copy.keyPacket);
    if (key === undefined) return false;
    const revocations = copies.flatMap((copy) => copy.revocationSignatures);
    if ((await made(revocations, key, keyRevocation, { key })).length > 0) return true;
    const named = direct.flatMap(({ revocationKeyFingerprint }) => revocationKeyFingerprint ?? []);
    const revokers = named.map((fingerprint) => Buffer.from(fingerprint).toString('hex'));
    for (const revoker of revokers.flatMap((fingerprint) => this.#copies.get(fingerprint) ?? [])) {
      const found = await made(revocations, revoker.keyPacket, keyRevocation, { key });
      if (found.length > 0) return true;
    }
    return false;
  }

  async #directSignatures(copies: readonly PublicKey[]): Promise<SignaturePacket[]> {
    const { enums } = this.#openpgp;
    const [key] = copies.map((copy) => copy.keyPacket);
    if (key === undefined) return [];
    const packets = copies.flatMap((copy) => [
      ...copy.toPacketList().filterByTag(enums.packet.signature),
    ]) as SignaturePacket[];
    const direct = packets.filter((one) => one.signatureType === enums.signature.key);
    return await made(direct, key, enums.signature.key, { key });
  }

  /** Of each user id the newest self-signature, unless that takes it back or has expired. */
  async #certifications(copies: readonly PublicKey[], now: Date): Promise<SignaturePacket[]> {
    const { certGeneric, certRevocation } = this.#openpgp.enums.signature;
    const found = new Map<string, SignaturePacket[]>();
    for (const { keyPacket: key, users } of copies) {
      for (const { userID, selfCertifications, revocationSignatures } of users) {
        if (userID === null) continue;
        const signed = { userID, key };
        found.set(userID.userID, [
          ...(found.get(userID.userID) ?? []),
          ...(await made(selfCertifications, key, certGeneric, signed)),
          ...(await made(revocationSignatures, key, certRevocation, signed)),
        ]);
      }
    }
    return [...found.values()]
      .map(newestOf)
      .filter((one) => one !== undefined)
      .filter((one) => one.signatureType !== certRevocation && !isExpired(one, now));
  }

  /** Weak keys are refused though GnuPG believes them: short RSA, DSA, ElGamal. */
  #isStrong(key: AnyKeyPacket): boolean {
    const { rejectCurves, rejectPublicKeyAlgorithms } = this.#openpgp.config;
    const { bits, curve } = key.getAlgorithmInfo();
    if (bits !== undefined && bits < RSA_MIN_BITS) return false;
    if (curve !== undefined && [...rejectCurves].some((one) => one === curve)) return false;
    return key.algorithm !== null && !rejectPublicKeyAlgorithms.has(key.algorithm);
  }
}

/** Those of the signatures that the key made over the data, whenever that was. */
async function made(
  signatures: readonly SignaturePacket[],
  key: AnyKeyPacket,
  type: NonNullable<SignaturePacket['signatureType']>,
  data: Signed,
): Promise<SignaturePacket[]> {
  const good: SignaturePacket[] = [];
  for (const signature of signatures) {
    if (signature.created === null || signature.created < key.created) continue;
    if (await isMade(signature, key, type, data)) good.push(signature);
  }
  return good;
}

async function isMade(
  signature: SignaturePacket,
  key: AnyKeyPacket,
  type: NonNullable<SignaturePacket['signatureType']>,
  data: Signed,
): Promise<boolean> {
  // OpenPGP.js refuses every signature that names a revoker; what it says is judged here.
  const revokerClass = signature.revocationKeyClass;
  signature.revocationKeyClass = null;
  try {
    await signature.verify(key, type, data, signature.created ?? undefined);
    return true;
  } catch {
    return false;
  } finally {
    signature.revocationKeyClass = revokerClass;
  }
}

function newestOf(signatures: readonly SignaturePacket[]): SignaturePacket | undefined {
  let newest: SignaturePacket | undefined;
  for (const one of signatures) {
    if (newest === undefined || Number(one.created) >= Number(newest.created)) newest = one;
  }
  return newest;
}

function isExpired(signature: SignaturePacket, now: Date): boolean {
  return signature.getExpirationTime() <= now;
}

function isKeyExpired(key: AnyKeyPacket, signature: SignaturePacket, now: Date): boolean {
  if (signature.keyNeverExpires !== false) return false;
  return key.created.getTime() + (signature.keyExpirationTime ?? 0) * 1000 <= now.getTime();
}

/** Without flags a key may do what its algorithm can. */
function maySign(signature: SignaturePacket | undefined): boolean {
  const flags = signature?.keyFlags;
  return flags == null || ((flags[0] ?? 0) & MAY_SIGN) !== 0;
}
