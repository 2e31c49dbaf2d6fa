import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

const OF_LOGIN = REGISTRY.filter(({ key }) => key !== 'creds').map(
  ({ heading: _, ...rest }) => rest,
);

/** `login` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '<registry>', key: 'registry' }],
  options: [
    { flags: '-u, --username <name>', says: 'the user', key: 'user' },
    {
      flags: '-p, --password <password>',
      says: 'the password; other users of this host may see it, so --password-stdin is better',
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
  help: 'The registry is HOST[:PORT], or HOST[:PORT]/NAMESPACE. Nothing is kept when the registry refuses the password.',
};
