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
      says: 'compress layers like this whose blob is neither kept nor in the registry (default: gzip)',
      key: 'compression',
      values,
    },
    {
      flags: '--force-compression <name>',
      says: 'compress all layers like this',
      key: 'forceCompression',
      values,
    },
    {
      flags: '--same-digest',
      says: 'fail if the image would get another digest than it was pulled with',
      key: 'sameDigest',
    },
    ...REGISTRY,
  ],
  help:
    'The registry is asked for each blob first. A blob that another repository of the registry has, from which the image was pulled, is ' +
    'mounted. onecopy pull --keep-blobs keeps what a push needs to send the same image.',
};
