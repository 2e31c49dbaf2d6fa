/** Kinds of findings. The first names are those of `cfsctl fsck` 0.9 (oci-and-cli section 1.6), the last group is specific to onecopy. */
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
  /** A link in `streams/` or `images/` does not point to an object, or the name of an image is not its id. */
  'entry-wrong-target',
  /** The target of a reference is missing, but its content was found among the objects and is kept. */
  'rescued-root',
] as const;

/** Name of a kind of finding. */
export type FindingKind = (typeof FINDING_KINDS)[number];

/** One problem, as a value. */
export interface Finding {
  readonly kind: FindingKind;
  /** Where, relative to the repository, for display. */
  readonly path: string;
  /** Details; empty if kind and path are sufficient. */
  readonly detail: string;
}
