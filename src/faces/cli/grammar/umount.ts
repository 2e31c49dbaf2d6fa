import type { Grammar } from './grammar.ts';

/** `umount` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '<directory>',
      says: 'mount point',
      key: 'directory',
      take: 'path',
      completes: 'files',
    },
  ],
  seeAlso: ['mount'],
};
