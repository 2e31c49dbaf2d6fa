import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

/** `tags` on a command line. */
export const grammar: Grammar = {
  operands: [{ usage: '<reference>', key: 'reference' }],
  options: [
    { flags: '-a, --all', says: 'also tags of signatures and other attachments', key: 'all' },
    ...REGISTRY,
  ],
  help: 'The reference is docker://HOST/NAME; a tag in it is ignored.',
};
