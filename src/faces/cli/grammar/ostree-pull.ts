import type { Grammar } from './grammar.ts';
import { COMMON_PULL, FURTHER_PULL } from './ostree.ts';

/** `ostree pull` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '<reference>',
      says: 'ostree:URL[:REF] or ostree-local:PATH[:REF]',
      key: 'reference',
      completes: 'files',
    },
    { usage: '[ref...]', says: 'further refs of the same source', key: 'names' },
  ],
  options: [...COMMON_PULL, ...FURTHER_PULL],
};
