import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `inspect` on a command line. */
export const grammar: Grammar = {
  operands: [NAME],
  options: [
    {
      flags: '--manifest',
      says: 'print the stored manifest of an image, byte for byte',
      key: 'manifest',
    },
    {
      flags: '--config',
      says: 'print the stored config of an image, byte for byte',
      key: 'config',
    },
    {
      flags: '--metadata',
      says: 'print only the metadata of a commit, one key a line',
      key: 'metadata',
    },
  ],
  aliases: [{ name: 'ostree inspect' }],
};
