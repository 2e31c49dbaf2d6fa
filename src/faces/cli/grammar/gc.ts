import type { Grammar } from './grammar.ts';

/** `gc` on a command line. */
export const grammar: Grammar = {
  options: [
    { flags: '--root <name>', says: 'keep this stream or image too', key: 'root', take: 'texts' },
    {
      flags: '--plan <file>',
      says: 'write what would be removed to a new file, and remove nothing',
      key: 'plan',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--apply <file>',
      says: 'remove what a plan names and what still nothing uses',
      key: 'apply',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--force',
      says: 'remove images that are mounted, too; reading those mounts then fails',
      key: 'force',
    },
    {
      flags: '--timeout <seconds>',
      says: 'wait at most this long for other users of the repository',
      key: 'timeoutSec',
      take: 'number',
    },
    {
      flags: '--depth <n>',
      says: 'keep only this many ancestors of each OSTree commit that has a name',
      key: 'depth',
      take: 'number',
    },
  ],
};
