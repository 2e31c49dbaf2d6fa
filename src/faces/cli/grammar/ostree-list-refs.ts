import type { Grammar } from './grammar.ts';
import { CONFIGURED, SERVER, TRUST } from './ostree.ts';

/** `ostree list-refs` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '[source]',
      says: 'URL of a remote, or path of a repository',
      key: 'source',
      completes: 'files',
    },
  ],
  options: [...TRUST, ...CONFIGURED, ...SERVER],
};
