import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

const values = ['none', 'gzip', 'zstd'];

/** `push` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { usage: '<reference>', says: 'docker://HOST/NAME[:TAG]', key: 'target' }],
  options: [
    {
      flags: '--compression <name>',
      says: 'compress layers with this method if their blob is neither stored nor in the registry (default: gzip)',
      key: 'compression',
      values,
    },
    {
      flags: '--force-compression <name>',
      says: 'compress all layers with this method',
      key: 'forceCompression',
      values,
    },
    {
      flags: '--same-digest',
      says: 'fail if the digest of the manifest would change',
      key: 'sameDigest',
    },
    ...REGISTRY,
  ],
  help:
    'Only blobs that the registry does not have are sent. If the image was pulled from another repository of the same registry, its blobs are ' +
    'mounted from there. To push an image unchanged, pull it with --keep-blobs.',
};
