import { NAMES } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `fsck` on a command line. */
export const grammar: Grammar = {
  operands: [{ ...NAMES, usage: '[name...]' }],
  options: [
    {
      flags: '--metadata-only',
      says: 'do not read contents: objects, diff ids and EROFS images are not checked',
      key: 'metadataOnly',
    },
    {
      flags: '--repair',
      says: 'bring back or rebuild what is damaged, and remove what cannot be repaired',
      key: 'repair',
    },
    {
      flags: '--from <reference>',
      says: 'with --repair: pull this image again, without a name',
      key: 'from',
      take: 'texts',
      completes: 'files',
    },
  ],
};
