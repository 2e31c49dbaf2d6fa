import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';

/** `image dump` on a command line. */
export const grammar: Grammar = {
  operands: [NAME],
  options: [COMPAT],
  aliases: [{ name: 'ostree dump' }],
};
