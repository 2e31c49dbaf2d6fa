import { FormatError, UnsupportedError } from '#base/errors';
import { Dir, OPEN, readAll } from '#host';
import type { OstreeRemoteConfig } from '#stores/ostree';
import type { OstreeAddress } from '../options.ts';

/** Largest certificate or key file, in bytes. */
const PEM_MAX_BYTES = 16 * 1024 * 1024;

/**
 * How to reach a configured remote: URLs, TLS material read from its files, proxy. Whom to trust is `remoteTrustPolicy`.
 * @throws FormatError OSTREE_REMOTE_INVALID without a URL; UnsupportedError OSTREE_REMOTE_UNCONFIGURED; HostError for a missing file
 */
export function remoteSourceOf(
  config: OstreeRemoteConfig,
): Extract<OstreeAddress, { readonly kind: 'remote' }> {
  const { name, url, contentUrl, proxy, unconfiguredState } = config;
  if (unconfiguredState !== undefined) {
    throw new UnsupportedError(
      'OSTREE_REMOTE_UNCONFIGURED',
      `Cannot use remote "${name}": ${unconfiguredState}`,
      { name, reason: unconfiguredState },
    );
  }
  if (url === undefined) {
    throw new FormatError(
      'OSTREE_REMOTE_INVALID',
      `Cannot use remote "${name}": expected a url, found none`,
      { offset: 0, what: 'remote configuration', name },
    );
  }
  return {
    kind: 'remote',
    url,
    ...(contentUrl === undefined ? {} : { contentUrl }),
    http: {
      tls: {
        caPem: readPem(config.tlsCaPath),
        certPem: readPem(config.tlsClientCertPath),
        keyPem: readPem(config.tlsClientKeyPath),
        permissive: config.tlsPermissive,
      },
      ...(proxy === undefined ? {} : { proxy: { httpProxy: proxy, httpsProxy: proxy } }),
    },
  };
}

function readPem(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const slash = path.lastIndexOf('/');
  using dir = Dir.open(slash < 0 ? '.' : path.slice(0, slash + 1));
  using file = dir.openFile(Buffer.from(path.slice(slash + 1)).toString('latin1'), OPEN.read);
  return readAll(file, PEM_MAX_BYTES).toString('latin1');
}
