import { requireReachable } from './address.ts';
import { transportError } from './errors.ts';
import { MAX_LOCATION_BYTES, MAX_REDIRECTS } from './limits.ts';

/** The context of a redirect. */
export interface Redirect {
  /** The URL that answered. */
  readonly from: URL;
  readonly location: string;
  readonly status: number;
  /** Redirects followed before this one. */
  readonly hop: number;
  /** The original URL. */
  readonly asked: URL;
  readonly method: string;
  /** True if a redirect from HTTPS to HTTP is allowed. */
  readonly insecure: boolean;
  /** True if redirects to another origin are refused. */
  readonly staysHome: boolean;
}

/** True for a redirect status. */
export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * The target of a redirect.
 * @throws TransportError REDIRECT_REFUSED
 */
export function redirectTarget(redirect: Redirect): URL {
  const { from, location, hop, asked, method } = redirect;
  const refuse = (problem: string): never => {
    throw transportError('REDIRECT_REFUSED', { url: from.href, method }, problem, {
      retryable: false,
    });
  };
  if (hop + 1 > MAX_REDIRECTS) refuse(`more than ${MAX_REDIRECTS} redirects`);
  const isRead = method === 'GET' || method === 'HEAD';
  if (!isRead && redirect.status !== 307 && redirect.status !== 308) {
    refuse(`status ${redirect.status} does not say where to repeat ${method}`);
  }
  if (location.length > MAX_LOCATION_BYTES) refuse(`more than ${MAX_LOCATION_BYTES} bytes of URL`);
  // Characters that a URL parser drops silently indicate an attack on another parser.
  if (/[^!-~\x80-\xff]/.test(location) || !URL.canParse(location, from)) {
    refuse('the redirect names no URL');
  }
  const target = new URL(location, from);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    refuse(`a redirect to scheme "${target.protocol}"`);
  }
  if (target.username !== '' || target.password !== '') refuse('the redirect names a user');
  if (from.protocol === 'https:' && target.protocol === 'http:' && !redirect.insecure) {
    refuse('a redirect from https to http');
  }
  if (redirect.staysHome && target.origin !== asked.origin) refuse('a redirect to another host');
  requireReachable(asked, target, method);
  return target;
}
