import type { InspectFormatReport } from '#work/verbs';
import type { Grammar } from './grammar.ts';

/** Every format, without the code of the verb. The type makes the list complete. */
const FORMATS: Readonly<Record<InspectFormatReport['format'], true>> = {
  splitstream: true,
  erofs: true,
  dumpfile: true,
  'chunked-layer': true,
  'tar-split': true,
  'ostree-commit': true,
  'ostree-dirtree': true,
  'ostree-dirmeta': true,
  'ostree-filez': true,
  'ostree-summary': true,
  'ostree-summary-index': true,
  'ostree-delta': true,
  'ostree-metadata': true,
};

/** `inspect-format` on a command line. */
export const grammar: Grammar = {
  operands: [
    { usage: '<file>', says: 'file to read', key: 'path', take: 'path', completes: 'files' },
  ],
  finding: 'the file violates its format',
  help: `The formats are ${Object.keys(FORMATS).join(', ')}.`,
  options: [
    { flags: '--as <format>', says: 'read the file as this format (default: detect)', key: 'as' },
  ],
};
