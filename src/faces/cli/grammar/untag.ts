import { NAMES } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `untag` on a command line. */
export const grammar: Grammar = { operands: [NAMES], aliases: [{ name: 'ostree untag' }] };
