import type { FindReport } from '#work/verbs';
import { formatPath } from './entry.ts';
import type { Text } from './text.ts';

/** The text of `find`. */
export const text: Text<FindReport> = ({ entries }, { line }) => {
  for (const entry of entries) line(formatPath(entry));
};
