import { transportError } from './errors.ts';
import { MAX_REDIRECTS } from './limits.ts';

/**
 * Where a redirect leads. @param hop redirects followed before this one
 * @throws TransportError REDIRECT_REFUSED
 */
export function redirectTarget(from: URL, location: string, hop: number, method: string): URL {
  const refuse = (problem: string): never => {
    throw transportError('REDIRECT_REFUSED', { url: from.href, method }, problem, {
      retryable: false,
    });
  };
  if (hop + 1 > MAX_REDIRECTS) refuse(`more than ${MAX_REDIRECTS} redirects`);
  if (!URL.canParse(location, from)) refuse('the redirect names no URL');
  const target = new URL(location, from);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    refuse(`a redirect to scheme "${target.protocol}"`);
  }
  if (target.username !== '' || target.password !== '') refuse('the redirect names a user');
  if (from.protocol === 'https:' && target.protocol === 'http:') {
    refuse('a redirect from https to http');
  }
  return target;
}
