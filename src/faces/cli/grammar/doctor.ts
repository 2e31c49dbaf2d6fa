import type { Grammar } from './grammar.ts';

/** `doctor` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '[path...]',
      says: 'paths to examine (default: the repository)',
      key: 'paths',
      completes: 'files',
    },
  ],
};
