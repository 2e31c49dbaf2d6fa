import type { Grammar } from './grammar.ts';

/** `ostree export` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<commit>', says: 'ref or id of a commit', key: 'commit', completes: 'commits' },
    {
      usage: '<repository>',
      says: 'path of an OSTree repository',
      key: 'path',
      take: 'path',
      completes: 'files',
    },
  ],
  options: [
    {
      flags: '--reference <ref>',
      says: 'set this ref in the target',
      key: 'reference',
      take: 'texts',
    },
    {
      flags: '--mode <mode>',
      says: 'mode of a repository that is created',
      key: 'mode',
      values: ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'],
    },
  ],
};
