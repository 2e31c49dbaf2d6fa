import type { Grammar } from './grammar.ts';
import { COMMON_PULL, FURTHER_PULL } from './ostree.ts';

/** `ostree pull` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<reference>', key: 'reference', completes: 'files' },
    { usage: '[ref...]', key: 'names' },
  ],
  options: [...COMMON_PULL, ...FURTHER_PULL],
};
