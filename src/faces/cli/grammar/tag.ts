import { NAME } from './files.ts';
import type { Grammar } from './grammar.ts';

/** `tag` on a command line. */
export const grammar: Grammar = {
  operands: [NAME, { usage: '<new-name>', says: 'name to add', key: 'newName' }],
  aliases: [{ name: 'ostree tag' }],
};
