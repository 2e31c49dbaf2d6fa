import type { Grammar } from './grammar.ts';
import { COMPAT, TRUST } from './ostree.ts';

/** `ostree apply-delta` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '<path>', key: 'path', take: 'path', completes: 'files' }],
  options: [
    { flags: '--reference <ref>', says: 'name the commit', key: 'reference' },
    ...TRUST,
    COMPAT,
  ],
};
