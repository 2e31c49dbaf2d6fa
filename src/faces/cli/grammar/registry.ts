import { UsageError } from '#base/errors';
import type { OptionGrammar } from './grammar.ts';

const heading = 'Registry options';

/** Options for requests to a registry. */
export const REGISTRY: readonly OptionGrammar[] = [
  {
    flags: '--tls-verify <bool>',
    says: 'true or false: require and verify TLS (default: as registries.conf says)',
    key: 'tlsVerify',
    take: readBoolean,
    values: ['true', 'false'],
    heading,
  },
  {
    flags: '--authfile <file>',
    says: 'read credentials only from this file',
    key: 'authfile',
    take: 'path',
    completes: 'files',
    heading,
  },
  {
    flags: '--registries-conf <file>',
    says: 'read this file instead of registries.conf',
    key: 'registriesConf',
    take: 'path',
    completes: 'files',
    heading,
  },
  {
    flags: '--creds <user[:password]>',
    says: 'credentials for the registry of the reference',
    key: 'creds',
    take: readCredentials,
    spell: spellCredentials,
    heading,
  },
  {
    flags: '--cert-dir <dir>',
    says: 'read *.crt, *.cert and *.key from this directory instead of certs.d',
    key: 'certDir',
    take: 'path',
    completes: 'files',
    heading,
  },
];

/** Option for the compression of all layers. */
export const FORCE_COMPRESSION: OptionGrammar = {
  flags: '--force-compression <name>',
  says: 'compress all layers with this method; zstd:chunked adds a table of contents, for pulls in parts',
  key: 'forceCompression',
  values: ['none', 'gzip', 'zstd', 'zstd:chunked'],
};
/** Options for what a push may change and send. */
export const PUSHING: readonly OptionGrammar[] = [
  {
    flags: '--same-digest',
    says: 'fail if the digest of the manifest in the registry would change',
    key: 'sameDigest',
  },
  {
    flags: '--with-referrers',
    says: 'also push stored artifacts that refer to the image (implies --same-digest)',
    key: 'withReferrers',
  },
];

function readBoolean(text: string, option: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new UsageError(`Cannot read ${option}: expected true or false, found "${text}"`);
}

/** The inverse of `readCredentials`. */
function spellCredentials(value: unknown): string {
  const { user, password } = value as { readonly user: string; readonly password: string };
  return `${user}:${password}`;
}

/** The first colon ends the user. A password is not repeated in the error. */
function readCredentials(text: string, option: string) {
  const at = text.indexOf(':');
  const user = at < 0 ? text : text.slice(0, at);
  if (user === '') throw new UsageError(`Cannot read ${option}: expected USER[:PASSWORD]`);
  return { user, password: at < 0 ? '' : text.slice(at + 1) };
}
