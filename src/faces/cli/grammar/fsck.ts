import { NAMES } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `fsck` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      ...NAMES,
      usage: '[name...]',
      says: 'images and commits to check (default: the whole repository)',
    },
  ],
  finding: 'at least one finding',
  options: [
    {
      flags: '--metadata-only',
      says: 'do not verify contents of objects, diff ids and EROFS images',
      key: 'metadataOnly',
    },
    {
      flags: '--repair',
      says: 'restore or rebuild damaged objects, and remove what cannot be repaired',
      key: 'repair',
    },
    {
      flags: '--from <reference>',
      says: 'with --repair: pull missing objects from this image',
      key: 'from',
      take: 'texts',
      completes: 'files',
    },
  ],
};
