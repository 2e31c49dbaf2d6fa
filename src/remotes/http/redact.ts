/**
 * A URL for messages and logs, without user, password, query and fragment, because each can contain tokens. A text that is not a URL is
 * truncated at the first `?` or `#`, and everything up to an `@` is removed.
 */
export function redactUrl(url: string): string {
  if (!url.includes('://') || !URL.canParse(url)) {
    return url.replace(/[?#].*$/s, '?…').replace(/^(\w+:\/\/)?[^/]*@/s, '$1');
  }
  const { protocol, host, pathname, search, hash } = new URL(url);
  return `${protocol}//${host}${pathname}${search === '' && hash === '' ? '' : '?…'}`;
}
