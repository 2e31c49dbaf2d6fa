import { UsageError } from '#base/errors';
import type { OptionGrammar } from './grammar.ts';

const heading = 'Options of docker://';

/** How registries are asked. */
export const REGISTRY: readonly OptionGrammar[] = [
  {
    flags: '--tls-verify <bool>',
    says: 'false: neither verify TLS nor demand it; true: do both, whatever registries.conf says',
    key: 'tlsVerify',
    take: readBoolean,
    values: ['true', 'false'],
    heading,
  },
  {
    flags: '--authfile <file>',
    says: 'read credentials from this file alone',
    key: 'authFile',
    take: 'path',
    completes: 'files',
    heading,
  },
  {
    flags: '--creds <user[:password]>',
    says: 'log in to the registry of the reference with these',
    key: 'creds',
    take: readCredentials,
    heading,
  },
  {
    flags: '--cert-dir <dir>',
    says: 'read *.crt, *.cert and *.key from this folder, not from certs.d',
    key: 'certDir',
    take: 'path',
    completes: 'files',
    heading,
  },
];

function readBoolean(text: string, option: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new UsageError(`Cannot read ${option}: expected true or false, found "${text}"`);
}

/** The first colon ends the user. A password is not repeated in the error. */
function readCredentials(text: string, option: string) {
  const at = text.indexOf(':');
  const user = at < 0 ? text : text.slice(0, at);
  if (user === '') throw new UsageError(`Cannot read ${option}: expected USER[:PASSWORD]`);
  return { user, password: at < 0 ? '' : text.slice(at + 1) };
}
