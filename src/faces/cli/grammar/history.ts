import { ALSO_DOCUMENTS, NAME, PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

/** `history` on a command line. */
export const grammar: Grammar = {
  operands: [NAME],
  options: [
    { flags: '--limit <n>', says: 'show at most this many commits', key: 'limit', take: 'number' },
    PLATFORM,
    ...REGISTRY,
  ],
  help: ALSO_DOCUMENTS,
  aliases: [{ name: 'ostree log' }],
};
