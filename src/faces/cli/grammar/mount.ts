import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `mount` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { usage: '<directory>', key: 'directory', take: 'path', completes: 'files' }],
  options: [
    {
      flags: '--upper <dir>',
      says: 'put a writable layer above; needs --work',
      key: 'upper',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--work <dir>',
      says: "overlayfs's work directory, beside --upper",
      key: 'work',
      take: 'path',
      completes: 'files',
    },
  ],
  aliases: [{ name: 'ostree mount' }],
};
