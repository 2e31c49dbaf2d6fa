import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

const AUTHFILE = REGISTRY.filter(({ key }) => key === 'authfile');

/** `logout` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '[registry]', says: 'HOST[:PORT] or HOST[:PORT]/NAMESPACE', key: 'registry' },
  ],
  options: [
    { flags: '-a, --all', says: 'remove all credentials of the file', key: 'all' },
    ...AUTHFILE.map(({ heading: _, ...rest }) => ({
      ...rest,
      says: 'remove credentials from this file',
    })),
  ],
};
