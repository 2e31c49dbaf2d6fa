import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

/** `referrers` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '<reference>', key: 'reference' }],
  options: [
    {
      flags: '--artifact-type <type>',
      says: 'only referrers of this type',
      key: 'artifactType',
    },
    ...REGISTRY,
  ],
  help: 'The reference is docker://HOST/NAME[:TAG|@DIGEST]. Of an index the referrers of the index itself are listed.',
};
