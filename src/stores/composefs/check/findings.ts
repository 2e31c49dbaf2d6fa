/**
 * What can be wrong with a repository. The first names are those of `cfsctl fsck` 0.9 (oci-and-cli section 1.6), the last group is ours.
 */
export const FINDING_KINDS = [
  'metadata-algorithm-mismatch',
  'metadata-parse-failed',
  'object-check-failed',
  'object-digest-mismatch',
  'object-invalid-name',
  'object-open-failed',
  'object-verity-failed',
  'object-verity-missing',
  'broken-symlink',
  'entry-not-symlink',
  'stat-failed',
  'unexpected-file-type',
  'missing-named-ref',
  'missing-object-ref',
  'stream-open-failed',
  'stream-read-failed',
  'image-invalid',
  'image-missing-object',
  'image-open-failed',
  'image-read-failed',
  /** A link in `streams/` or `images/` leads to something else than an object, or an image's name is not its id. */
  'entry-wrong-target',
  /** A reference lost its target, but what it meant was found again among the objects and is kept. */
  'rescued-root',
] as const;

/** Name of a kind of finding. */
export type FindingKind = (typeof FINDING_KINDS)[number];

/** One thing that is wrong, as a value. */
export interface Finding {
  readonly kind: FindingKind;
  /** Where, relative to the repository, for display. */
  readonly path: string;
  /** More about it; empty when kind and path say all. */
  readonly detail: string;
}
