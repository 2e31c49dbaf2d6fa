import type { Grammar } from './grammar.ts';

/** `gc` on a command line. */
export const grammar: Grammar = {
  finding: 'damaged data was found',
  options: [
    {
      flags: '--root <name>',
      says: 'keep this stream or image, although no ref uses it',
      key: 'root',
      take: 'texts',
    },
    {
      flags: '--plan <file>',
      says: 'write the plan to a new file; remove nothing',
      key: 'plan',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--apply <file>',
      says: 'remove the objects of a plan that are still unused',
      key: 'apply',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--force',
      says: 'also remove images that are mounted; reads from those mounts then fail',
      key: 'force',
    },
    {
      flags: '--timeout <seconds>',
      says: 'wait at most this long for the lock of the repository',
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
