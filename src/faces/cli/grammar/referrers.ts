import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

/** `referrers` on a command line. */
export const grammar: Grammar = {
  operands: [
    {
      usage: '<name>',
      says: 'docker://HOST/NAME[:TAG|@DIGEST], or the name of a stored image',
      key: 'reference',
      completes: 'names',
    },
  ],
  options: [
    {
      flags: '--artifact-type <type>',
      says: 'list only referrers of this artifact type',
      key: 'artifactType',
    },
    ...REGISTRY,
  ],
  help: 'For an image index, the referrers of the index itself are listed.',
};
