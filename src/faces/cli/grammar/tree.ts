import { ALSO_REFERENCES, DEPTH, NAME, PATH, PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';

/** `tree` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATH],
  options: [DEPTH, PLATFORM, COMPAT],
  help: ALSO_REFERENCES,
};
