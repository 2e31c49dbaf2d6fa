import { decodeBase64 } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import { hasCode } from '#base/errors';
import type { ImageName } from '#formats/oci';
import type { AttachedSignature } from './attachment.ts';
import { acceptsIdentity, isBareRepository } from './identity.ts';
import { SIGNATURE_ANNOTATION } from './layout.ts';
import { parsePayload, type SignedPayload } from './payload.ts';
import type { PolicyRule } from './policy.ts';
import { isSignedBy, type PublicKey, parsePublicKey, unusable } from './public-key.ts';
import type { KeySource, Requirement } from './requirement.ts';

/** Why a signature, or an image, is not accepted. */
export type RefusalClass =
  | 'rejected'
  | 'not-built'
  | 'no-signature'
  | 'attachments-unreadable'
  | 'annotation-missing'
  | 'signature-invalid'
  | 'payload-invalid'
  | 'digest-mismatch'
  | 'identity-mismatch'
  | 'key-unusable'
  | 'none-accepted';

/** Why one signature does not satisfy a requirement. */
export interface SignatureFault {
  readonly place: string;
  readonly class: RefusalClass;
  readonly reason: string;
  /** The signed name is a repository without tag, as written by cosign. */
  readonly isBareRepository: boolean;
}

/** A refusal: the first unsatisfied requirement, and the reason. */
export interface Refusal {
  readonly isAccepted: false;
  readonly class: RefusalClass;
  /** From 1, in the order of the policy. */
  readonly requirement: number;
  readonly reason: string;
  readonly faults: readonly SignatureFault[];
}

/** How one requirement was satisfied. */
export type SatisfiedRequirement =
  | { readonly type: 'insecureAcceptAnything' }
  | {
      readonly type: 'sigstoreSigned';
      readonly key: { readonly source: string; readonly fingerprint: string };
      readonly signedIdentity: string;
      readonly place: string;
      readonly by: AttachedSignature['by'];
    };

/** An acceptance: how each requirement was satisfied, in the order of the policy. */
export interface Acceptance {
  readonly isAccepted: true;
  readonly requirements: readonly SatisfiedRequirement[];
}

/** The image to judge. */
export interface JudgedImage {
  /** As written by the user, normalised; undefined for transports without names. */
  readonly name: ImageName | undefined;
  /** The sha256 digest of the manifest's bytes. */
  readonly manifest: ContentDigest;
  readonly signatures: readonly AttachedSignature[];
  /** Bytes of the key files by path, or why a file could not be read; a path without either is a missing file. */
  readonly keyFiles: ReadonlyMap<string, Uint8Array | string>;
}

/**
 * Refuses images that no signature can make acceptable: `reject`, and unsupported kinds, anywhere in the list. Undefined means that the
 * signatures decide.
 */
export function refuseWithoutSignatures(rule: PolicyRule): Refusal | undefined {
  for (const [at, requirement] of rule.requirements.entries()) {
    if (requirement.type === 'reject') {
      return refusal(at, 'rejected', `the policy rejects images of ${rule.scope}`);
    }
    if (requirement.type === 'not-built') {
      return refusal(at, 'not-built', `requirements "${requirement.kind}" are not supported`);
    }
  }
  return undefined;
}

/** True when a requirement of the rule needs signatures. */
export function needsSignatures(rule: PolicyRule): boolean {
  return rule.requirements.some(({ type }) => type === 'sigstoreSigned');
}

/** Paths of the key files that the rule names. */
export function keyFilesOf(rule: PolicyRule): readonly string[] {
  const keys = rule.requirements.flatMap((one) => (one.type === 'sigstoreSigned' ? one.keys : []));
  return [...new Set(keys.flatMap((key) => (key.kind === 'file' ? [key.path] : [])))];
}

/**
 * Judges an image: every requirement must be satisfied, each by one signature that satisfies all of it. The first unsatisfied requirement ends
 * the judgement. Nothing is parsed before its signature was verified, and unknown input is refused.
 */
export function judgeImage(rule: PolicyRule, image: JudgedImage): Acceptance | Refusal {
  const early = refuseWithoutSignatures(rule);
  if (early !== undefined) return early;
  const satisfied: SatisfiedRequirement[] = [];
  for (const [at, requirement] of rule.requirements.entries()) {
    const outcome = satisfy(requirement, at, image);
    if ('isAccepted' in outcome) return outcome;
    satisfied.push(outcome);
  }
  const isEmpty = satisfied.length === 0; // The parser refuses empty lists.
  return isEmpty
    ? refusal(0, 'rejected', `${rule.scope} has no requirement`)
    : { isAccepted: true, requirements: satisfied };
}

function satisfy(
  requirement: Requirement,
  at: number,
  image: JudgedImage,
): SatisfiedRequirement | Refusal {
  if (requirement.type === 'insecureAcceptAnything') return { type: requirement.type };
  if (requirement.type !== 'sigstoreSigned') return refusal(at, 'rejected', requirement.type);
  if (image.signatures.length === 0) return refusal(at, 'no-signature', 'there is no signature');
  const keys: PublicKey[] = [];
  for (const source of requirement.keys) {
    const key = loadKey(source, image.keyFiles);
    if (typeof key === 'string') return refusal(at, 'key-unusable', key);
    keys.push(key);
  }
  const faults: SignatureFault[] = [];
  for (const signature of image.signatures) {
    const outcome = verifySignature(signature, keys, requirement, image);
    if ('type' in outcome) return outcome;
    faults.push(outcome);
  }
  const [first, ...more] = faults;
  if (first !== undefined && more.length === 0) {
    return { ...refusal(at, first.class, first.reason), faults };
  }
  return {
    ...refusal(at, 'none-accepted', `none of ${faults.length} signatures satisfies the policy`),
    faults,
  };
}

/** The key, or why it is unusable. */
function loadKey(
  source: KeySource,
  files: ReadonlyMap<string, Uint8Array | string>,
): PublicKey | string {
  const name = source.kind === 'file' ? source.path : 'keyData';
  const bytes = source.kind === 'file' ? files.get(source.path) : source.bytes;
  try {
    if (bytes === undefined) throw unusable(name, 'a file', 'nothing');
    if (typeof bytes === 'string') throw unusable(name, 'a file that can be read', bytes);
    return parsePublicKey(name, bytes);
  } catch (error) {
    if (hasCode(error, 'KEY_UNUSABLE')) return error.message;
    throw error;
  }
}

/** The order matters: base64, cryptography, JSON, digest, identity. */
function verifySignature(
  signature: AttachedSignature,
  keys: readonly PublicKey[],
  requirement: Extract<Requirement, { type: 'sigstoreSigned' }>,
  image: JudgedImage,
): SatisfiedRequirement | SignatureFault {
  const { place, by } = signature;
  const fault = (kind: RefusalClass, reason: string, isBare = false): SignatureFault => ({
    place,
    class: kind,
    reason,
    isBareRepository: isBare,
  });
  const annotation = signature.annotations.get(SIGNATURE_ANNOTATION);
  if (annotation === undefined) {
    return fault('annotation-missing', `there is no annotation "${SIGNATURE_ANNOTATION}"`);
  }
  const bytes = decodeBase64(annotation);
  if (bytes === undefined) return fault('signature-invalid', 'the signature is not base64');
  const key = keys.find((one) => isSignedBy(one, signature.payload, bytes));
  if (key === undefined) {
    return fault('signature-invalid', `none of ${keys.length} keys made the signature`);
  }
  const payload = tryParsePayload(signature.payload);
  if (typeof payload === 'string') return fault('payload-invalid', printable(payload));
  const { manifestDigest, dockerReference: signed } = payload;
  if (manifestDigest !== image.manifest) {
    return fault('digest-mismatch', `it signs ${manifestDigest}, not ${image.manifest}`);
  }
  if (!acceptsIdentity(requirement.identity, image.name, signed)) {
    const reason = `it signs the name ${quote(signed)}, which ${requirement.identity.type} does not accept`;
    return fault('identity-mismatch', reason, isBareRepository(signed));
  }
  const { source, fingerprint } = key;
  const type = requirement.type;
  return { type, key: { source, fingerprint }, signedIdentity: signed, place, by };
}

function tryParsePayload(bytes: Uint8Array): SignedPayload | string {
  try {
    return parsePayload(bytes);
  } catch (error) {
    if (hasCode(error, 'SIGNATURE_PAYLOAD_INVALID')) return error.message;
    throw error;
  }
}

/** Formats untrusted text for messages: escaped and truncated. */
function quote(text: string): string {
  return printable(JSON.stringify(text.slice(0, 200)));
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

function refusal(at: number, kind: RefusalClass, reason: string): Refusal {
  return { isAccepted: false, class: kind, requirement: at + 1, reason, faults: [] };
}
