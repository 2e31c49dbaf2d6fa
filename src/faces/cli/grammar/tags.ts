import type { Grammar } from './grammar.ts';
import { REGISTRY } from './registry.ts';

/** `tags` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<reference>', says: 'docker://HOST/NAME; a tag is ignored', key: 'reference' },
  ],
  options: [
    { flags: '-a, --all', says: 'also list tags of signatures and other attachments', key: 'all' },
    ...REGISTRY,
  ],
};
