import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `mount` on a command line. */
export const grammar: Grammar = {
  operands: [
    NAME,
    {
      usage: '<directory>',
      says: 'mount point',
      key: 'directory',
      take: 'path',
      completes: 'files',
    },
  ],
  options: [
    {
      flags: '--platform <os/arch[/variant]>',
      says: 'of an index that was pulled with --all-platforms, mount this image (default: the one for this host)',
      key: 'platform',
    },
    {
      flags: '--upper <dir>',
      says: 'writable directory of overlayfs; requires --work',
      key: 'upper',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--work <dir>',
      says: 'work directory of overlayfs; requires --upper',
      key: 'work',
      take: 'path',
      completes: 'files',
    },
    {
      flags: '--fuse',
      says: 'serve the files by FUSE, as is done for users who may not mount',
      key: 'fuse',
    },
  ],
  help: [
    'As root, the kernel mounts the image by EROFS and overlayfs. For other users, a process of onecopy serves it by FUSE; that needs fusermount3, of the package fuse3. The process ends when the image is unmounted.',
    '--upper and --work require root, or a user namespace (unshare --user --map-root-user --mount).',
  ].join('\n\n'),
  seeAlso: ['umount', 'ls', 'cp'],
  aliases: [{ name: 'ostree mount' }],
};
