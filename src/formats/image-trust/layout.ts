/**
 * Limits and names of image trust.
 * Sources: containers-policy.json(5) and containers-signature(5) of container-libs 5.41; cosign's specs/SIGNATURE_SPEC.md; seen with
 * skopeo 1.22 and podman 5.8.
 */

/** Maximum size of a policy.json, signature manifest or payload that is read, in bytes. */
export const TRUST_DOCUMENT_MAX_BYTES = 4 * 1024 * 1024;

/** Maximum nesting of a JSON document of trust; real documents have six levels. */
export const JSON_DEPTH_MAX = 64;

/** Maximum number of layers of a signature manifest, and of `signature-N` files, that are read. */
export const SIGNATURES_MAX = 128;

/** Maximum size of a key file, in bytes. */
export const KEY_FILE_MAX_BYTES = 64 * 1024;

/** Media type of a layer that is a payload to be verified. Source: cosign, specs/SIGNATURE_SPEC.md. */
export const SIMPLE_SIGNING_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** Artifact type of older signatures that are attached as referrers. Source: cosign, pkg/oci/remote. */
export const SIGNATURE_ARTIFACT_TYPE = 'application/vnd.dev.cosign.artifact.sig.v1+json';

/** Prefix of the media types of sigstore bundles. Source: sigstore, protobuf-specs, bundle. */
export const BUNDLE_TYPE_PREFIX = 'application/vnd.dev.sigstore.bundle';

/** Annotation with the base64 of the signature. Source: cosign, specs/SIGNATURE_SPEC.md. */
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

/** `critical.type` of a payload. Source: cosign, specs/SIGNATURE_SPEC.md. */
export const PAYLOAD_TYPE = 'cosign container image signature';

/** Magic of a `signature-N` file of `dir:` that is not a GPG message. Source: container-libs, image/internal/signature. */
export const SIGNATURE_FILE_MAGIC = '\0sigstore-json\n';
