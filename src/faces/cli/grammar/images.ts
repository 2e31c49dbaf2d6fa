import type { Grammar } from './grammar.ts';

/** `images` on a command line. */
export const grammar: Grammar = {
  options: [
    {
      flags: '--kind <kind>',
      says: 'list these alone',
      key: 'kind',
      values: ['image', 'commit', 'erofs'],
    },
  ],
  aliases: [{ name: 'ostree images', request: { kind: 'commit' } }],
};
