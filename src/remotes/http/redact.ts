/**
 * A URL fit for messages and logs: no user, password, query or fragment, since tokens travel in all four.
 * A text that is no URL is cut at the first of `?`, `#` and loses everything up to an `@`.
 */
export function redactUrl(url: string): string {
  if (!url.includes('://') || !URL.canParse(url)) {
    return url.replace(/[?#].*$/s, '?…').replace(/^(\w+:\/\/)?[^/]*@/s, '$1');
  }
  const { protocol, host, pathname, search, hash } = new URL(url);
  return `${protocol}//${host}${pathname}${search === '' && hash === '' ? '' : '?…'}`;
}
