import type { HttpBytes } from '#remotes/http';
import type { AccessRequest, EndpointAccess } from './access.ts';
import { PAGE_MAX_BYTES, PAGES_MAX } from './layout.ts';
import { nextLink } from './links.ts';
import { brokenAnswer, requireIdentity } from './problem.ts';

/**
 * The pages of a list, in order, until there is no next one. Only path and query of a link are followed, at the same host;
 * a short page is not the last one.
 * @throws TransportError REGISTRY_ANSWER_INVALID for a cycle of links, or too many pages; as `EndpointAccess.ask`
 */
export async function* pagesOf(
  access: EndpointAccess,
  request: Omit<AccessRequest, 'at'>,
): AsyncGenerator<HttpBytes> {
  const base = await access.base(request.signal);
  const seen = new Set<string>();
  let at: URL | undefined;
  for (let count = 0; count < PAGES_MAX; count++) {
    const { path: _, ...rest } = request;
    const answer = await access.ask({
      ...(at === undefined ? request : { ...rest, at }),
      maxBytes: PAGE_MAX_BYTES,
    });
    requireIdentity(answer, 'GET');
    yield answer;
    const next = nextLink(answer.headers.get('link') ?? '');
    if (next === undefined || answer.status !== 200) return;
    const where = { url: answer.url, method: 'GET' };
    if (!URL.canParse(next, answer.url)) throw brokenAnswer(where, 'a URL as next page', next);
    const { pathname, search } = new URL(next, answer.url);
    if (seen.has(pathname + search)) throw brokenAnswer(where, 'another page', 'one seen before');
    seen.add(pathname + search);
    at = new URL(pathname + search, base);
  }
  throw brokenAnswer({ url: base.href, method: 'GET' }, `at most ${PAGES_MAX} pages`, 'more');
}

/** The document of a page. @throws TransportError REGISTRY_ANSWER_INVALID */
export function jsonOf(answer: HttpBytes): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(Buffer.from(answer.body).toString('utf8'));
    if (typeof document === 'object' && document !== null) {
      return document as Readonly<Record<string, unknown>>;
    }
  } catch {
    // Reported like any other value that is not an object.
  }
  throw brokenAnswer({ url: answer.url, method: 'GET' }, 'a JSON object', 'other bytes');
}
