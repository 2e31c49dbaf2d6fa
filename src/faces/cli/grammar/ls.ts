import { ALSO_REFERENCES, ELSEWHERE, NAME, PATH } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `ls` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATH],
  options: [
    { flags: '-l, --long', says: 'show mode, owner, size and time', key: 'long' },
    { flags: '-R, --recursive', says: 'list everything below', key: 'recursive' },
    {
      flags: '-d, --dironly',
      says: 'list the directory of a commit itself, not what is in it',
      key: 'dironly',
    },
    { flags: '-C, --checksum', says: 'show the ids of the objects of a commit', key: 'checksum' },
    { flags: '-X, --xattrs', says: 'show the extended attributes of a commit', key: 'xattrs' },
    ...ELSEWHERE,
  ],
  help: ALSO_REFERENCES,
  aliases: [{ name: 'ostree ls' }],
};
