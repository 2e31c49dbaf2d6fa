/**
 * Kinds of findings about an OCI image. The first names are those of `cfsctl oci fsck` 0.9 (oci-and-cli section 1.6), the last group is
 * specific to onecopy.
 */
export const OCI_FINDING_KINDS = [
  'artifact-layer-object-missing',
  'artifact-layer-ref-missing',
  'config-digest-mismatch',
  'config-parse-failed',
  'config-read-failed',
  'config-ref-missing',
  'invalid-ref-name',
  'layer-check-failed',
  'layer-object-missing',
  'layer-ref-missing',
  'layer-stream-missing',
  'manifest-digest-mismatch',
  'manifest-parse-failed',
  'manifest-read-failed',
  'ref-resolve-failed',
  'seal-image-missing',
  /** The bytes of a layer of an artifact do not match their digest. */
  'artifact-layer-digest-mismatch',
  /** The stream of an image index is missing, cannot be read, or does not match its digest. */
  'index-read-failed',
  /** Rebuilding the image from its layers gives another id. */
  'image-id-mismatch',
  /** The image cannot be rebuilt from its layers. */
  'image-rebuild-failed',
  /** The bytes of a layer do not match its diff id. */
  'layer-diff-id-mismatch',
] as const;

/** Name of a kind of finding about an OCI image. */
export type OciFindingKind = (typeof OCI_FINDING_KINDS)[number];

/** One problem of an OCI image, as a value. */
export interface OciFinding {
  readonly kind: OciFindingKind;
  /** The tag. */
  readonly image: string;
  readonly detail: string;
}
