import { FILE_FORMATS } from '#work/inspect-format';
import type { Grammar } from './grammar.ts';

/** `inspect-format` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<file>', says: 'file to read', key: 'path', take: 'path', completes: 'files' },
  ],
  finding: 'the file violates its format',
  help: `The formats are ${FILE_FORMATS.join(', ')}.`,
  options: [
    { flags: '--as <format>', says: 'read the file as this format (default: detect)', key: 'as' },
  ],
};
