import type { Grammar } from './grammar.ts';

/** `ostree show` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<commit>', says: 'ref or id of a commit', key: 'commit', completes: 'commits' },
  ],
};
