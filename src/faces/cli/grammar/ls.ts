import { ALSO_REFERENCES, ELSEWHERE, NAME, PATH } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `ls` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATH],
  options: [
    { flags: '-l, --long', says: 'show mode, owner, size and time', key: 'long' },
    { flags: '-R, --recursive', says: 'list subdirectories recursively', key: 'recursive' },
    {
      flags: '-d, --dironly',
      says: 'list the directory itself, not its contents (commits only)',
      key: 'dironly',
    },
    { flags: '-C, --checksum', says: 'show the ids of objects (commits only)', key: 'checksum' },
    { flags: '-X, --xattrs', says: 'show extended attributes (commits only)', key: 'xattrs' },
    ...ELSEWHERE,
  ],
  help: ALSO_REFERENCES,
  aliases: [{ name: 'ostree ls' }],
};
