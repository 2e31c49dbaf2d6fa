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
      says: 'use this version of the image format',
      key: 'erofsVersion',
      take: takeVersion,
      values: VERSIONS,
    },
    COMPAT,
  ],
  aliases: [{ name: 'ostree compute-id' }],
};
