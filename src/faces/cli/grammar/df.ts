import type { Grammar } from './grammar.ts';

/** `df` on a command line. */
export const grammar: Grammar = {
  finding: 'some files could not be read, so the figures are not complete',
  operands: [
    {
      usage: '[name...]',
      says: 'names or ids of images and commits to report (default: all)',
      key: 'names',
      completes: 'names',
    },
  ],
  options: [
    {
      flags: '--store <store>',
      says: 'account for this store: a path, composefs:PATH, ostree-local:PATH, containers-storage: or containers-storage:[DRIVER@ROOT] (default: the stores of this host)',
      key: 'store',
      take: 'texts',
    },
  ],
  help: [
    'The default stores are the repository, the containers-storage of this user, the OSTree repository of the system, and those of flatpak.',
    'Figures are bytes on the disk. Each block counts once, even if several files share it by reflink. EXCLUSIVE is what no other image, container or store listed here uses. RECLAIMABLE is what becomes free when the image is removed and the garbage of its store is collected: EXCLUSIVE without the blocks that files outside of these stores share.',
    '"unreferenced" are objects that no name uses; "records" are directories and records of the store itself.',
    'A filesystem also uses blocks for its own metadata, which belong to no file. On btrfs, the size of a compressed extent is an upper bound. On a filesystem that reports no extents (tmpfs, overlayfs), files count by their blocks, and sharing is not seen.',
  ].join('\n\n'),
  seeAlso: ['images', 'gc', 'rm'],
};
