import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  isContentDigest,
} from '#base/digest';
import { verifyDigest } from '#base/flow';
import {
  type Descriptor,
  MANIFEST_MAX_BYTES,
  MEDIA_TYPES,
  parseManifest,
  referrersTag,
  requireDocumentSize,
} from '#formats/oci';
import { transportError } from '#remotes/http';
import type { EndpointAccess } from './access.ts';
import { REFERRERS_WRITES_MAX, SMALL_ANSWER_MAX_BYTES } from './layout.ts';
import { fetchManifest, type ManifestReference, manifestPath } from './manifest.ts';
import { repositoryScopes } from './scope.ts';

/** A manifest or index to push. */
export interface ManifestToPush {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** The tag; without it, the manifest is pushed by digest: a child of an index, or a referrer. */
  readonly tag?: string;
  /** Digest by which others refer to it (default: sha256). */
  readonly digest?: ContentDigest;
}

/** A manifest that was pushed. */
export interface PushedManifest {
  readonly digest: ContentDigest;
  readonly subject: ContentDigest | undefined;
  /** True if the registry maintains the list of referrers of the subject. */
  readonly isListed: boolean;
}

/** PUTs a manifest; retried after a failure, because the request is idempotent. */
export async function pushManifest(
  access: EndpointAccess,
  { bytes, mediaType, tag, digest = computeContentDigest(bytes) }: ManifestToPush,
  signal: AbortSignal | undefined,
): Promise<PushedManifest> {
  requireDocumentSize(bytes.length, 'manifest', MANIFEST_MAX_BYTES);
  verifyDigest(digest, computeContentDigest(bytes, algorithmOf(digest)));
  const reference: ManifestReference = tag === undefined ? { digest } : { tag };
  const answer = await access.ask({
    path: manifestPath(reference),
    method: 'PUT',
    headers: { 'content-type': mediaType },
    content: bytes,
    attempts: 5,
    accept: [201, 200],
    maxBytes: SMALL_ANSWER_MAX_BYTES,
    scopes: repositoryScopes(access.endpoint.repository, ['pull', 'push']),
    signal,
  });
  const stated = answer.headers.get('docker-content-digest');
  if (stated !== undefined && isContentDigest(stated)) {
    verifyDigest(stated, computeContentDigest(bytes, algorithmOf(stated)));
  }
  const subject = parseManifest(bytes, mediaType).subject?.digest;
  const isListed = subject !== undefined && answer.headers.get('oci-subject') === subject;
  return { digest, subject, isListed };
}

/**
 * Adds a manifest to the list of referrers under the tag of its subject. There is no lock, so the list is read again until it holds the
 * entry.
 * @throws TransportError REGISTRY_ANSWER_INVALID if other clients keep overwriting it
 */
export async function addReferrer(
  access: EndpointAccess,
  pushed: PushedManifest,
  manifest: ManifestToPush,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { subject, digest } = pushed;
  if (subject === undefined) return;
  const tag = referrersTag(subject);
  for (let write = 0; ; write++) {
    const found = await fetchManifest(access, { tag }, signal);
    const listed = found?.document.kind === 'index' ? found.document.manifests : [];
    if (listed.some((one) => one.digest === digest)) return;
    if (write === REFERRERS_WRITES_MAX) break;
    const kept = found === undefined ? [] : (entriesOf(found.bytes) ?? []);
    const index = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [...kept, entryOf(pushed, manifest)],
    };
    const bytes = Buffer.from(JSON.stringify(index));
    await pushManifest(access, { bytes, mediaType: MEDIA_TYPES.ociIndex, tag }, signal);
  }
  const where = { url: (await access.base(signal)).href, method: 'PUT' };
  const problem = `others wrote the list of referrers under ${tag} at the same time`;
  throw transportError('REGISTRY_ANSWER_INVALID', where, problem, {
    retryable: true,
    details: { expected: digest, found: 'a list without it' },
  });
}

/** The entries of an index; unknown members are preserved. */
function entriesOf(bytes: Uint8Array): unknown[] | undefined {
  const document = JSON.parse(Buffer.from(bytes).toString('utf8')) as { manifests?: unknown };
  return Array.isArray(document.manifests) ? document.manifests : undefined;
}

/** Source: distribution-spec 1.1, "Pushing manifests with subject"; image-spec, "Guidelines for artifact usage". */
function entryOf({ digest }: PushedManifest, { bytes, mediaType }: ManifestToPush): object {
  const document = parseManifest(bytes, mediaType);
  const config: Descriptor | undefined = document.kind === 'manifest' ? document.config : undefined;
  const artifactType = document.artifactType ?? config?.mediaType;
  const annotations = Object.fromEntries(document.annotations);
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
