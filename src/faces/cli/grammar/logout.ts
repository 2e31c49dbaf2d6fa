import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

const AUTHFILE = REGISTRY.filter(({ key }) => key === 'authFile');

/** `logout` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '[registry]', key: 'registry' }],
  options: [
    { flags: '-a, --all', says: 'forget all credentials of the file', key: 'all' },
    ...AUTHFILE.map(({ heading: _, ...rest }) => ({ ...rest, says: 'change this file' })),
  ],
};
