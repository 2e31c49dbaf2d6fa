import { ALSO_REFERENCES, ELSEWHERE, NAME, PATHS } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `cat` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { ...PATHS, usage: '[path...]' }],
  options: [
    {
      flags: '--layer <n>',
      says: 'print this layer of a stored image, from 0: the blob of an artifact, the tar of an image',
      key: 'layer',
      take: 'number',
    },
    ...ELSEWHERE,
  ],
  help: ALSO_REFERENCES,
  aliases: [{ name: 'ostree cat' }],
};
