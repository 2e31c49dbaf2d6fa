import type { Reading } from '#work/image';
import { textOption } from './context.ts';
import { UsageError } from './output.ts';
import type { OptionRow } from './verbs.ts';

/** The switch of every verb that reads layers or commits. */
export const COMPAT: OptionRow = [
  '--compat <tool>',
  'cfsctl: read layers and commits as cfsctl does where it departs from the specifications, for its ids',
];

/** The reading that `--compat` asks for; undefined without it. @throws UsageError */
export function readingOption(options: Readonly<Record<string, unknown>>): Reading | undefined {
  const tool = textOption(options, 'compat');
  if (tool === undefined || tool === 'cfsctl') return tool;
  throw new UsageError(`Cannot read --compat: expected cfsctl, found "${tool}"`);
}
