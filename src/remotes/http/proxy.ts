/** Which proxy serves which scheme, in the words of the environment variables. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** Comma-separated hosts that are contacted directly; `*` for all. */
  readonly noProxy?: string | undefined;
}

/**
 * Reads http_proxy, https_proxy, all_proxy and no_proxy; lower case wins. HTTP_PROXY in upper case is ignored if REQUEST_METHOD is set,
 * because a CGI request could have set it (httpoxy).
 */
export function proxyFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ProxySettings {
  const cgi = environment['REQUEST_METHOD'] !== undefined;
  const all = environment['all_proxy'] ?? environment['ALL_PROXY'];
  return {
    httpProxy: environment['http_proxy'] ?? (cgi ? undefined : environment['HTTP_PROXY']) ?? all,
    httpsProxy: environment['https_proxy'] ?? environment['HTTPS_PROXY'] ?? all,
    noProxy: environment['no_proxy'] ?? environment['NO_PROXY'],
  };
}

/** The proxy for `url`; undefined for a direct connection. */
export function proxyFor(settings: ProxySettings, url: URL): string | undefined {
  const proxy = url.protocol === 'https:' ? settings.httpsProxy : settings.httpProxy;
  if (proxy === undefined || proxy === '') return undefined;
  return isExempt(settings.noProxy ?? '', url) ? undefined : proxy;
}

function isExempt(noProxy: string, url: URL): boolean {
  const host = url.hostname.toLowerCase().replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', wantedPort] =
        /^\*?\.?(\[?[^\]]*?\]?)(?::([0-9]+))?$/.exec(entry.toLowerCase()) ?? [];
      if (wantedPort !== undefined && wantedPort !== port) return false;
      const bare = name.replace(/^\[|\]$/g, '');
      return bare !== '' && (host === bare || host.endsWith(`.${bare}`));
    });
}
