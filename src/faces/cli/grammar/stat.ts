import { ALSO_REFERENCES, NAME, PATHS, PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';

/** `stat` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATHS],
  options: [PLATFORM, COMPAT],
  help: ALSO_REFERENCES,
};
