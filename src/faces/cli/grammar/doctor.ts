import type { Grammar } from './grammar.ts';

/** `doctor` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '[path...]', key: 'paths', completes: 'files' }],
};
