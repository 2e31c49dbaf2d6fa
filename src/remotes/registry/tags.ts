import type { EndpointAccess } from './access.ts';
import { SMALL_ANSWER_MAX_BYTES, TAGS_MAX } from './layout.ts';
import { jsonOf, pagesOf } from './pages.ts';
import { brokenAnswer, readProblem } from './problem.ts';
import { repositoryScopes } from './scope.ts';

/** Syntax of a tag. Source: distribution-spec 1.1, "Pulling manifests". */
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * The tags of a repository, in the order of the registry, each once; other text is omitted.
 * @returns undefined if the registry has no such repository
 * @throws TransportError as `pagesOf`
 */
export async function fetchTags(
  access: EndpointAccess,
  signal: AbortSignal | undefined,
): Promise<string[] | undefined> {
  const tags = new Set<string>();
  const pages = pagesOf(access, {
    path: 'tags/list',
    accept: [200, 404],
    scopes: repositoryScopes(access.endpoint.repository, ['pull']),
    signal,
  });
  for await (const answer of pages) {
    if (answer.status === 404) {
      const { codes } = readProblem(answer.body.subarray(0, SMALL_ANSWER_MAX_BYTES));
      if (codes.length === 0 || codes.includes('NAME_UNKNOWN')) return undefined;
      throw access.refusal(answer, 'GET', 1);
    }
    const list = jsonOf(answer)['tags'] ?? [];
    if (!Array.isArray(list)) {
      throw brokenAnswer({ url: answer.url, method: 'GET' }, 'a list of tags', typeof list);
    }
    for (const tag of list) if (typeof tag === 'string' && TAG.test(tag)) tags.add(tag);
    if (tags.size > TAGS_MAX) {
      throw brokenAnswer({ url: answer.url, method: 'GET' }, `at most ${TAGS_MAX} tags`, 'more');
    }
  }
  return [...tags];
}
