import { NAMES } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `rm` on a command line. */
export const grammar: Grammar = { operands: [NAMES] };
