import type { OstreeChecksum } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import type { VariantDict } from '#formats/gvariant';
import {
  type Commit,
  parseCommit,
  parseMetadataDict,
  type SignatureVerifier,
  verifyBindings,
  verifyNotOlder,
  verifySignatures,
} from '#formats/ostree';

/** One thing to be shown: a signature that the verifier accepts, or, of several verifiers, that any of them accepts. */
export type SignatureGate = SignatureVerifier | readonly SignatureVerifier[];

/** Whom a pull believes. Without gates everything with the right checksum is accepted. */
export interface TrustPolicy {
  /** Each must find a signature by a key of its own over the commit. */
  readonly commitGates?: readonly SignatureGate[] | undefined;
  /** Each must find one over the summary (and over the summary index). */
  readonly summaryGates?: readonly SignatureGate[] | undefined;
  /** Collection of the remote: then bindings must be there and name it. */
  readonly collectionId?: string | undefined;
  /** Default true: a commit that is bound to refs must be bound to the one asked for. */
  readonly verifyBindings?: boolean | undefined;
  /** Refuse a commit older than the one the ref names now, or older than a commit named here. */
  readonly notOlderThan?: 'current' | OstreeChecksum | undefined;
  /** Accept a summary past its `ostree.summary.expires`. */
  readonly acceptExpired?: boolean | undefined;
}

/** What is known about a commit before its files are asked for. */
export interface CommitClaim {
  readonly bytes: Uint8Array;
  /** Undefined when it was asked for by its checksum alone. */
  readonly ref: string | undefined;
  /** The `.commitmeta` bytes, when the source has one. */
  readonly detached: Uint8Array | undefined;
  /** The commit that it must not be older than. */
  readonly current: Commit | undefined;
}

/**
 * Checks a commit against the policy.
 * @throws IntegrityError OSTREE_SIGNATURE_MISSING, OSTREE_SIGNATURE_INVALID, OSTREE_BINDING_MISMATCH, OSTREE_DOWNGRADE
 * @returns names of the keys that vouched for it
 */
export async function verifyCommit(claim: CommitClaim, policy: TrustPolicy): Promise<string[]> {
  const keys = await passGates(claim.bytes, claim.detached, policy.commitGates, 'commit');
  const commit = parseCommit(claim.bytes);
  if (policy.verifyBindings !== false) {
    verifyBindings(commit, {
      ...(claim.ref === undefined ? {} : { ref: claim.ref }),
      ...(policy.collectionId === undefined ? {} : { collectionId: policy.collectionId }),
    });
  }
  if (claim.current !== undefined) verifyNotOlder(commit, claim.current);
  return keys;
}

/** Passes every gate, or throws. `signatures` is an `a{sv}` file as it was fetched. */
export async function passGates(
  data: Uint8Array,
  signatures: Uint8Array | undefined,
  gates: readonly SignatureGate[] | undefined,
  what: string,
): Promise<string[]> {
  if (gates === undefined || gates.length === 0) return [];
  const dict =
    signatures === undefined ? [] : parseMetadataDict(signatures, `signatures of ${what}`);
  const keys: string[] = [];
  for (const gate of gates) {
    keys.push(
      'scheme' in gate
        ? await verifySignatures(data, dict, gate, what)
        : await passAny(data, dict, gate, what),
    );
  }
  return keys;
}

/** One verifier must be satisfied; a signature that is wrong says more than one that is missing. */
async function passAny(
  data: Uint8Array,
  dict: VariantDict,
  verifiers: readonly SignatureVerifier[],
  what: string,
): Promise<string> {
  const errors: unknown[] = [];
  for (const verifier of verifiers) {
    try {
      return await verifySignatures(data, dict, verifier, what);
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'integrity') throw error;
      errors.push(error);
    }
  }
  const isWrong = (error: unknown) =>
    isOnecopyError(error) && hasCode(error, 'OSTREE_SIGNATURE_INVALID');
  throw errors.find(isWrong) ?? errors[0];
}
