/**
 * Image trust as values: policy.json, the names that a signature may carry, keys, payloads, and the judgement. Unknown input is refused by name;
 * nothing here reads a disk or a network.
 *
 *     policy.json -> Policy -> rule of the image's scopes ─┐
 *     .sig manifest, payloads, signature-N -> signatures ──┼─> Acceptance (which key) | Refusal (class, reason)
 *     key files ───────────────────────────────────────────┘
 */
export {
  type AttachedSignature,
  isSimpleSigning,
  parseSignatureFile,
  parseSignatureManifest,
  signatureTag,
} from './attachment.ts';
export {
  type Acceptance,
  type JudgedImage,
  judgeImage,
  keyFilesOf,
  needsSignatures,
  type Refusal,
  type RefusalClass,
  refuseWithoutSignatures,
  type SatisfiedRequirement,
  type SignatureFault,
} from './judge.ts';
export {
  BUNDLE_TYPE_PREFIX,
  KEY_FILE_MAX_BYTES,
  SIGNATURE_ARTIFACT_TYPE,
  SIGNATURES_MAX,
  SIMPLE_SIGNING_TYPE,
  TRUST_DOCUMENT_MAX_BYTES,
} from './layout.ts';
export { parsePayload, type SignedPayload } from './payload.ts';
export { findRule, type Policy, type PolicyRule, parsePolicy } from './policy.ts';
export { isSignedBy, type PublicKey, parsePublicKey } from './public-key.ts';
export type { KeySource, Requirement } from './requirement.ts';
export { scopesOfName, scopesOfPath } from './scopes.ts';
