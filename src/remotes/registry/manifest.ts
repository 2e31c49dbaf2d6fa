import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  isContentDigest,
} from '#base/digest';
import { verifyDigest } from '#base/flow';
import { type ImageIndex, MANIFEST_MAX_BYTES, type Manifest, parseManifest } from '#formats/oci';
import type { HttpBytes } from '#remotes/http';
import type { EndpointAccess } from './access.ts';
import { MANIFEST_ACCEPT, VAGUE_TYPES } from './layout.ts';
import { brokenAnswer, readProblem, requireIdentity } from './problem.ts';
import { repositoryScopes } from './scope.ts';

/** Identifies a manifest in a repository. */
export type ManifestReference = { readonly tag: string } | { readonly digest: ContentDigest };

/** A verified manifest or index of a registry. */
export interface FetchedManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** By the algorithm of the reference; sha256 for a tag. */
  readonly digest: ContentDigest;
  readonly document: Manifest | ImageIndex;
}

/** The part of a URL that identifies a manifest. */
export function manifestPath(reference: ManifestReference): string {
  return `manifests/${encodeURIComponent('tag' in reference ? reference.tag : reference.digest).replace(/%3A/g, ':')}`;
}

/**
 * Fetches a manifest from one endpoint.
 * @returns undefined if the registry does not have it
 * @throws IntegrityError BLOB_DIGEST_MISMATCH; FormatError as `parseManifest`; UnsupportedError MEDIA_TYPE_UNSUPPORTED (Docker
 * schema 1); TransportError REGISTRY_ANSWER_INVALID and as `EndpointAccess.ask`
 */
export async function fetchManifest(
  access: EndpointAccess,
  reference: ManifestReference,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest | undefined> {
  const answer = await access.ask({
    path: manifestPath(reference),
    headers: { accept: MANIFEST_ACCEPT },
    accept: [200, 404],
    maxBytes: MANIFEST_MAX_BYTES,
    scopes: repositoryScopes(access.endpoint.repository, ['pull']),
    signal,
  });
  if (answer.status === 404) {
    if (saysUnknown(answer)) return undefined;
    throw access.refusal(answer, 'GET', 1);
  }
  requireIdentity(answer, 'GET');
  return readManifest(answer, reference);
}

/** True for a 404 about the manifest: other codes have other causes. */
function saysUnknown({ body }: HttpBytes): boolean {
  const { codes, text } = readProblem(body);
  return (
    codes.length === 0 ||
    codes.some((code) => code === 'MANIFEST_UNKNOWN' || code === 'NAME_UNKNOWN') ||
    /not found/i.test(text)
  );
}

function readManifest(answer: HttpBytes, reference: ManifestReference): FetchedManifest {
  const { body, headers, url } = answer;
  const where = { url, method: 'GET' };
  const wanted = 'digest' in reference ? reference.digest : undefined;
  const digest = computeContentDigest(body, wanted === undefined ? 'sha256' : algorithmOf(wanted));
  if (wanted !== undefined) verifyDigest(wanted, digest);
  else {
    const stated = headers.get('docker-content-digest');
    if (stated !== undefined && !isContentDigest(stated)) {
      throw brokenAnswer(where, 'a digest in docker-content-digest', `"${stated}"`);
    }
    if (stated !== undefined) {
      verifyDigest(stated, computeContentDigest(body, algorithmOf(stated)));
    }
  }
  const [type = ''] = (headers.get('content-type') ?? '').split(';');
  const sent = type.trim().toLowerCase();
  const document = parseManifest(body, VAGUE_TYPES.has(sent) ? undefined : sent);
  if (!VAGUE_TYPES.has(sent) && document.mediaType !== sent) {
    throw brokenAnswer(where, `the content-type ${document.mediaType}`, `"${sent}"`);
  }
  return { mediaType: document.mediaType, bytes: body, digest, document };
}
