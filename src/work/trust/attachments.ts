import { algorithmOf, type ContentDigest, computeContentDigest } from '#base/digest';
import { IntegrityError } from '#base/errors';
import {
  type AttachedSignature,
  BUNDLE_TYPE_PREFIX,
  isSimpleSigning,
  parseSignatureManifest,
  SIGNATURE_ARTIFACT_TYPE,
  SIGNATURES_MAX,
  signatureTag,
  TRUST_DOCUMENT_MAX_BYTES,
} from '#formats/image-trust';
import type { Descriptor, Manifest } from '#formats/oci';

/** A manifest as a registry gave it. */
export interface AttachedManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Options of every request. */
export interface AttachmentRequest {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Attachments of an image in its repository, at the real endpoint (mirror or rewritten location); implemented by `RegistryRepository`.
 * Every other answer than the content or "not found" is thrown.
 */
export interface AttachmentStore {
  /** Undefined only for 404 with MANIFEST_UNKNOWN, or without a JSON body. At most 4 MiB. */
  readManifest(
    reference: { readonly tag: string } | { readonly digest: ContentDigest },
    options: AttachmentRequest,
  ): Promise<AttachedManifest | undefined>;
  /** The bytes of a blob of at most `maximumBytes`. */
  readBlob(
    blob: Descriptor,
    options: AttachmentRequest & { readonly maximumBytes: number },
  ): Promise<Uint8Array>;
  /** What refers to a manifest, by the API or by its tag. */
  listReferrers(
    manifest: ContentDigest,
    options: AttachmentRequest,
  ): Promise<readonly Descriptor[]>;
}

/**
 * Signatures under the cosign tag of a manifest; none if the tag does not exist. @throws what the store throws; FormatError; IntegrityError
 */
export async function fetchTaggedSignatures(
  store: AttachmentStore,
  manifest: ContentDigest,
  options: AttachmentRequest,
): Promise<readonly AttachedSignature[]> {
  const tag = signatureTag(manifest);
  const found = await store.readManifest({ tag }, options);
  if (found === undefined) return [];
  const parsed = parseSignatureManifest(found.bytes, found.mediaType);
  return fetchLayers(store, parsed, { by: 'tag', place: `tag ${tag}` }, options);
}

/** Signatures that refer to a manifest. @throws what the store throws; FormatError; IntegrityError */
export async function fetchReferringSignatures(
  store: AttachmentStore,
  manifest: ContentDigest,
  options: AttachmentRequest,
): Promise<readonly AttachedSignature[]> {
  const referrers = await store.listReferrers(manifest, options);
  const wanted = referrers.filter((one) => one.artifactType === SIGNATURE_ARTIFACT_TYPE);
  const signatures: AttachedSignature[] = [];
  for (const { digest } of wanted.slice(0, SIGNATURES_MAX)) {
    const found = await store.readManifest({ digest }, options);
    if (found === undefined) continue;
    verifyBytes(`referrer ${digest}`, digest, found.bytes);
    const parsed = parseSignatureManifest(found.bytes, found.mediaType);
    // A list may name what belongs to another image.
    if (parsed.subject?.digest !== manifest) continue;
    const place = { by: 'referrer', place: `referrer ${digest}` } as const;
    signatures.push(...(await fetchLayers(store, parsed, place, options)));
  }
  return signatures;
}

/** Describes referrers without a valid signature, for the message of a refusal. Errors of the registry are ignored here. */
export async function describeReferrers(
  store: AttachmentStore,
  manifest: ContentDigest,
  options: AttachmentRequest,
): Promise<readonly string[]> {
  let referrers: readonly Descriptor[];
  try {
    referrers = await store.listReferrers(manifest, options);
  } catch {
    options.signal?.throwIfAborted();
    return []; // The image is already refused; this only adds details.
  }
  const types = new Set(referrers.map(({ artifactType }) => artifactType ?? ''));
  const found: string[] = [];
  if ([...types].some((type) => type.startsWith(BUNDLE_TYPE_PREFIX))) {
    found.push('a sigstore bundle: carries no identity');
  }
  if (types.has(SIGNATURE_ARTIFACT_TYPE)) found.push('a signature that is a referrer');
  return found;
}

/** Every layer is fetched and verified, including other types: a missing or altered layer invalidates all. */
async function fetchLayers(
  store: AttachmentStore,
  manifest: Manifest,
  origin: Pick<AttachedSignature, 'by' | 'place'>,
  options: AttachmentRequest,
): Promise<readonly AttachedSignature[]> {
  const signatures: AttachedSignature[] = [];
  for (const [at, layer] of manifest.layers.entries()) {
    const maximumBytes = TRUST_DOCUMENT_MAX_BYTES;
    const payload = await store.readBlob(layer, { ...options, maximumBytes });
    verifyBytes(`payload ${layer.digest}`, layer.digest, payload);
    if (!isSimpleSigning(layer)) continue;
    const place = `${origin.place}, layer ${at + 1}`;
    signatures.push({ place, by: origin.by, payload, annotations: layer.annotations });
  }
  return signatures;
}

/** The store also verifies, but the expression that trusts the bytes must verify them. */
function verifyBytes(what: string, expected: ContentDigest, bytes: Uint8Array): void {
  const found = computeContentDigest(bytes, algorithmOf(expected));
  if (found === expected) return;
  throw new IntegrityError(
    'BLOB_DIGEST_MISMATCH',
    `Cannot trust ${what}: expected ${expected}, found ${found}`,
    { expected, found },
  );
}
