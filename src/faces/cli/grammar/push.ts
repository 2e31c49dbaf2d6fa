import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';
import { FORCE_COMPRESSION, PUSHING, REGISTRY } from './registry.ts';

/** `push` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { usage: '<reference>', says: 'docker://HOST/NAME[:TAG]', key: 'target' }],
  options: [
    {
      flags: '--platform <os/arch[/variant]>',
      says: 'of an index that was pulled with --all-platforms, push only this image',
      key: 'platform',
    },
    {
      flags: '--compression <name>',
      says: 'compress layers with this method if their blob is neither stored nor in the registry (default: gzip)',
      key: 'compression',
      values: ['none', 'gzip', 'zstd'],
    },
    FORCE_COMPRESSION,
    ...PUSHING,
    ...REGISTRY,
  ],
  seeAlso: ['login', 'pull', 'copy', 'export'],
  help:
    'Only blobs that the registry does not have are sent. If the image was pulled from another repository of the same registry, its blobs are ' +
    'mounted from there. To push an image unchanged, pull it with --keep-blobs.',
};
