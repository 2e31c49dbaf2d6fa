import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `image create` on a command line. */
export const grammar: Grammar = { operands: [NAME] };
