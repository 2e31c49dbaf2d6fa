import type { Grammar } from './grammar.ts';

/** `umount` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '<directory>', key: 'directory', take: 'path', completes: 'files' }],
};
