import type { DiffReport } from '#work/verbs';
import type { Text } from './text.ts';

const SIGN = { added: '+', removed: '-', changed: '~' } as const;

/** The text of `diff`. */
export const text: Text<DiffReport> = ({ changes }, { line }) => {
  for (const { path, change, differences } of changes) {
    const why = differences.length === 0 ? '' : `  (${differences.join(', ')})`;
    line(`${SIGN[change]} ${path}${why}`);
  }
};
