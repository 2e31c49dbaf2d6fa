import { ALSO_REFERENCES, ELSEWHERE, NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `diff` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { usage: '<other-name>', key: 'otherName', completes: 'names' }],
  options: [
    { flags: '--exit-code', says: 'exit 3 when they differ', key: 'exitCode' },
    ...ELSEWHERE,
  ],
  help: ALSO_REFERENCES,
  aliases: [{ name: 'ostree diff' }],
};
