import { ALSO_DOCUMENTS, NAME, PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

/** `inspect` on a command line. */
export const grammar: Grammar = {
  operands: [NAME],
  options: [
    {
      flags: '--raw',
      says: 'print the stored manifest of an image, or the stored object of a commit, byte for byte',
      key: 'raw',
    },
    {
      flags: '--manifest',
      says: 'same as --raw, for images only',
      key: 'manifest',
    },
    {
      flags: '--config',
      says: 'print the stored config of an image, byte for byte (also --raw --config)',
      key: 'config',
    },
    {
      flags: '--metadata',
      says: 'print only the metadata of a commit, one key a line',
      key: 'metadata',
    },
    PLATFORM,
    ...REGISTRY,
  ],
  help: ALSO_DOCUMENTS,
  aliases: [{ name: 'ostree inspect' }],
};
