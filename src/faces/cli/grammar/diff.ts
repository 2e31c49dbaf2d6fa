import { ALSO_REFERENCES, NAME, PLATFORM } from './files.ts';
import type { Grammar } from './grammar.ts';
import { COMPAT } from './ostree.ts';

/** `diff` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { usage: '<other-name>', key: 'otherName', completes: 'names' }],
  options: [
    { flags: '--exit-code', says: 'exit 3 when they differ', key: 'exitCode' },
    PLATFORM,
    COMPAT,
  ],
  help: ALSO_REFERENCES,
  aliases: [{ name: 'ostree diff' }],
};
