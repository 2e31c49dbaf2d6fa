import type { Grammar } from './grammar.ts';

/** `dedup` on a command line. */
export const grammar: Grammar = {
  finding: 'some files were left as they are',
  operands: [
    {
      usage: '[store...]',
      says: 'stores to compare: a path, composefs:PATH, ostree-local:PATH, containers-storage: or containers-storage:[DRIVER@ROOT] (default: the stores of this host)',
      key: 'stores',
    },
  ],
  help: [
    'Files of at least one block (4 KiB) whose contents are equal share their blocks afterwards. Names, owners, modes, times and records do not change, and the kernel compares the bytes itself before it shares them. The filesystem must support this (XFS with reflink, btrfs).',
    'Objects of a composefs repository stay as they are, and other files come to share with them. Layers of containers and files of additional image stores are never changed. While files of a containers-storage are shared, podman cannot change its layers, for at most a second at a time.',
    'A dry run (-n) reads all files that may be equal, and reports what would be freed and whether the filesystem can share blocks.',
  ].join('\n\n'),
  seeAlso: ['adopt', 'df', 'gc'],
};
