import type { Grammar } from './grammar.ts';

/** `images` on a command line. */
export const grammar: Grammar = {
  options: [
    {
      flags: '--kind <kind>',
      says: 'list only this kind',
      key: 'kind',
      values: ['image', 'commit', 'erofs'],
    },
  ],
  aliases: [{ name: 'ostree images', request: { kind: 'commit' } }],
};
