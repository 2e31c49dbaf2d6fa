import { ALSO_REFERENCES, DEPTH, ELSEWHERE, NAME, PATH } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `tree` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATH],
  options: [DEPTH, ...ELSEWHERE],
  help: ALSO_REFERENCES,
};
