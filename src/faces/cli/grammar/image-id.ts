import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';
import { takeVersion, VERSIONS } from './version.ts';

/** `image id` on a command line. */
export const grammar: Grammar = {
  operands: [NAME],
  options: [
    {
      flags: '--erofs-version <n>',
      says: 'compute it in this version of the format',
      key: 'erofsVersion',
      take: takeVersion,
      values: VERSIONS,
    },
    COMPAT,
  ],
  aliases: [{ name: 'ostree compute-id' }],
};
