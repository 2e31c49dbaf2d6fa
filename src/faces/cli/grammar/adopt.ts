import type { Grammar } from './grammar.ts';
import { REFLINK } from './pull.ts';

/** `adopt` on a command line. */
export const grammar: Grammar = {
  finding: 'some images or files were left as they are',
  operands: [
    {
      usage: '<store>',
      says: 'containers-storage:, containers-storage:[DRIVER@ROOT] or ostree-local:PATH',
      key: 'store',
    },
  ],
  options: [REFLINK],
  help: [
    'Every image that has a name, or every ref of an OSTree repository, is pulled under that name. Then files of the store whose contents the repository already had share the blocks of its objects, as dedup does it.',
    'The store keeps its images, names and records. A dry run (-n) lists the images that are missing in the repository, and reports which bytes are stored twice.',
  ].join('\n\n'),
  seeAlso: ['dedup', 'pull', 'df'],
};
