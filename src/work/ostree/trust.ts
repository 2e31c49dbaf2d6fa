import type { OstreeChecksum } from '#base/digest';
import {
  type Commit,
  parseCommit,
  parseMetadataDict,
  type SignatureVerifier,
  verifyBindings,
  verifyNotOlder,
  verifySignatures,
} from '#formats/ostree';

/** Whom a pull believes. Without gates everything with the right checksum is accepted. */
export interface TrustPolicy {
  /** Each must find a signature by a key of its own over the commit. */
  readonly commitGates?: readonly SignatureVerifier[] | undefined;
  /** Each must find one over the summary (and over the summary index). */
  readonly summaryGates?: readonly SignatureVerifier[] | undefined;
  /** Collection of the remote: then bindings must be there and name it. */
  readonly collectionId?: string | undefined;
  /** Default true: a commit that is bound to refs must be bound to the one asked for. */
  readonly verifyBindings?: boolean | undefined;
  /** Refuse a commit older than the ref's present one, or than a commit named here. */
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
  gates: readonly SignatureVerifier[] | undefined,
  what: string,
): Promise<string[]> {
  if (gates === undefined || gates.length === 0) return [];
  const dict =
    signatures === undefined ? [] : parseMetadataDict(signatures, `signatures of ${what}`);
  const keys: string[] = [];
  for (const gate of gates) keys.push(await verifySignatures(data, dict, gate, what));
  return keys;
}
