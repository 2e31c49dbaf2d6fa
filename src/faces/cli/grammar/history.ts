import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `history` on a command line. */
export const grammar: Grammar = {
  operands: [NAME],
  options: [
    { flags: '--limit <n>', says: 'show at most this many commits', key: 'limit', take: 'number' },
  ],
  aliases: [{ name: 'ostree log' }],
};
