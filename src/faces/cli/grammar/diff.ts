import { ALSO_REFERENCES, ELSEWHERE, NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `diff` on a command line. */
export const grammar: Grammar = {
  operands: [
    NAME,
    {
      usage: '<other-name>',
      says: 'name or id to compare with',
      key: 'otherName',
      completes: 'names',
    },
  ],
  options: [{ flags: '--exit-code', says: 'exit 3 if they differ', key: 'exitCode' }, ...ELSEWHERE],
  finding: 'with --exit-code: the two differ',
  help: ALSO_REFERENCES,
  aliases: [{ name: 'ostree diff' }],
};
