import type { Grammar } from './grammar.ts';

/** `ostree export` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<commit>', key: 'commit', completes: 'commits' },
    { usage: '<repository>', key: 'path', take: 'path', completes: 'files' },
  ],
  options: [
    { flags: '--reference <ref>', says: 'name it there', key: 'reference', take: 'texts' },
    {
      flags: '--mode <mode>',
      says: 'create a missing repository of this mode',
      key: 'mode',
      values: ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'],
    },
  ],
};
