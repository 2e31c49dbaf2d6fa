import { IntegrityError } from '#base/errors';
import { arrayOf, lookupAny, STRING } from '#formats/gvariant';
import type { Commit } from './commit.ts';

/** Metadata key: refs under which a commit may be served (`as`, sorted). Source: OSTree spec 2.13. */
export const REF_BINDING_KEY = 'ostree.ref-binding';
/** Metadata key: collection id that a commit belongs to (`s`). */
export const COLLECTION_BINDING_KEY = 'ostree.collection-binding';

/** The ref and collection under which a commit was requested. */
export interface BindingExpectation {
  /** Undefined for a commit requested by its checksum. */
  readonly ref?: string;
  /** The collection id configured for the remote. */
  readonly collectionId?: string;
}

const REFS_TYPE = arrayOf(STRING);

/**
 * Verifies that a commit may be served under a ref: its ref binding contains the ref, and its collection binding is the
 * remote's collection. Both bindings are required when the remote has a collection id.
 * @throws IntegrityError OSTREE_BINDING_MISMATCH
 */
export function verifyBindings(commit: Commit, expected: BindingExpectation): void {
  if (expected.ref !== undefined) {
    verifyRefBinding(commit, expected.ref, expected.collectionId !== undefined);
  }
  if (expected.collectionId !== undefined) verifyCollectionBinding(commit, expected.collectionId);
}

/** The refs to which a commit is bound; undefined without a binding. A binding of another type is a mismatch. */
export function refBindingOf(commit: Commit): readonly string[] | undefined {
  const found = lookupAny(commit.metadata, REF_BINDING_KEY);
  if (found === undefined) return undefined;
  return found.type.signature === REFS_TYPE.signature ? (found.value as readonly string[]) : [];
}

/** The collection to which a commit is bound, or undefined. */
export function collectionBindingOf(commit: Commit): string | undefined {
  const found = lookupAny(commit.metadata, COLLECTION_BINDING_KEY);
  if (found === undefined) return undefined;
  return found.type.signature === STRING.signature ? (found.value as string) : '';
}

/**
 * Rejects a commit older than the one it would replace; equal times pass. Times compare as unsigned 64-bit numbers.
 * Source: OSTree spec 5.1.
 * @throws IntegrityError OSTREE_DOWNGRADE
 */
export function verifyNotOlder(commit: Commit, current: Commit): void {
  if (commit.timestampSec >= current.timestampSec) return;
  throw new IntegrityError(
    'OSTREE_DOWNGRADE',
    `Cannot replace commit: expected a time of at least ${current.timestampSec}, found ${commit.timestampSec}`,
    { expected: String(current.timestampSec), found: String(commit.timestampSec) },
  );
}

function verifyRefBinding(commit: Commit, ref: string, isRequired: boolean): void {
  const refs = refBindingOf(commit);
  if (refs === undefined) {
    if (isRequired) failBinding('a ref binding', 'none');
    return;
  }
  if (refs.includes(ref)) return;
  const found = refs.length === 0 ? 'no refs' : refs.map((one) => `"${one}"`).join(', ');
  failBinding(`ref "${ref}" in the ref binding`, found);
}

function verifyCollectionBinding(commit: Commit, collectionId: string): void {
  const found = collectionBindingOf(commit);
  if (found === collectionId) return;
  failBinding(
    `collection "${collectionId}" in the collection binding`,
    found === undefined ? 'none' : `"${found}"`,
  );
}

function failBinding(expected: string, found: string): never {
  throw new IntegrityError(
    'OSTREE_BINDING_MISMATCH',
    `Cannot accept commit: expected ${expected}, found ${found}`,
    { expected, found },
  );
}
