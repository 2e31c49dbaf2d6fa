import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

const OF_LOGIN = REGISTRY.filter(({ key }) => key !== 'creds').map(({ heading: _, ...rest }) =>
  rest.key === 'authfile' ? { ...rest, says: 'store the credentials in this file' } : rest,
);

/** `login` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<registry>', says: 'HOST[:PORT] or HOST[:PORT]/NAMESPACE', key: 'registry' },
  ],
  options: [
    { flags: '-u, --username <name>', says: 'name of the user', key: 'user' },
    {
      flags: '-p, --password <password>',
      says: 'password; other users of this host can see it, so prefer --password-stdin',
      key: 'password',
    },
    {
      flags: '--password-stdin',
      says: 'read the password from standard input',
      key: 'passwordFile',
      gives: '/dev/stdin',
    },
    ...OF_LOGIN,
  ],
  seeAlso: ['logout', 'pull', 'push', 'tags'],
  help: 'The credentials are stored only after the registry has accepted them.',
};
