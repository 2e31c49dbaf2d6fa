import { ALSO_REFERENCES, ELSEWHERE, NAME, PATHS } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `stat` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, PATHS],
  options: [...ELSEWHERE],
  help: ALSO_REFERENCES,
};
