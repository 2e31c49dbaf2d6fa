import type { Grammar } from './grammar.ts';
import { COMPAT, TRUST } from './ostree.ts';

/** `ostree apply-delta` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '<path>',
      says: 'file or directory of the static delta',
      key: 'path',
      take: 'path',
      completes: 'files',
    },
  ],
  options: [
    { flags: '--reference <ref>', says: 'set this ref to the commit', key: 'reference' },
    ...TRUST,
    COMPAT,
  ],
};
