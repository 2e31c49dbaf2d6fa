import type { ContentDigest } from '#base/digest';
import { type Descriptor, isIndexType, parseManifest, referrersTag } from '#formats/oci';
import type { HttpBytes } from '#remotes/http';
import type { EndpointAccess } from './access.ts';
import { fetchManifest } from './manifest.ts';
import { pagesOf } from './pages.ts';
import { readProblem } from './problem.ts';
import { repositoryScopes } from './scope.ts';

/** Statuses of registries without the API. */
const UNKNOWN_API = [400, 404, 405, 501];

/**
 * The referrers of a manifest, from the API and from the tag (a registry may have added the API later), without duplicates.
 * @param knownApi false if the registry is known not to have the API
 * @throws TransportError, FormatError as the requests
 */
export async function fetchReferrers(
  access: EndpointAccess,
  subject: ContentDigest,
  knownApi: boolean | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly referrers: readonly Descriptor[]; readonly knowsApi: boolean }> {
  const byApi = knownApi === false ? undefined : await fetchByApi(access, subject, signal);
  const tagged = await fetchManifest(access, { tag: referrersTag(subject) }, signal);
  const byTag = tagged?.document.kind === 'index' ? tagged.document.manifests : [];
  const all = [...(byApi ?? []), ...byTag];
  const first = new Map<string, Descriptor>();
  for (const one of all) if (!first.has(one.digest)) first.set(one.digest, one);
  return { referrers: [...first.values()], knowsApi: byApi !== undefined };
}

/** @returns undefined if the registry does not have the API */
async function fetchByApi(
  access: EndpointAccess,
  subject: ContentDigest,
  signal: AbortSignal | undefined,
): Promise<Descriptor[] | undefined> {
  const found: Descriptor[] = [];
  const pages = pagesOf(access, {
    path: `referrers/${subject}`,
    accept: [200, ...UNKNOWN_API],
    scopes: repositoryScopes(access.endpoint.repository, ['pull']),
    signal,
  });
  for await (const answer of pages) {
    if (answer.status !== 200) return knowsApi(answer) ? found : undefined;
    const [type = ''] = (answer.headers.get('content-type') ?? '').split(';');
    if (!isIndexType(type.trim().toLowerCase())) return undefined;
    const document = parseManifest(answer.body, type.trim().toLowerCase());
    if (document.kind === 'index') found.push(...document.manifests);
  }
  return found;
}

/** A refusal about the repository or manifest does not concern the API; plain text and HTML do. */
function knowsApi({ status, body }: HttpBytes): boolean {
  if (status !== 404) return false;
  const { codes } = readProblem(body);
  return codes.includes('NAME_UNKNOWN') || codes.includes('MANIFEST_UNKNOWN');
}
