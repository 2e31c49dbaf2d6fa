import type { UntagReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `untag`. */
export const text: Text<UntagReport> = ({ dryRun, removed }, { line }) => {
  for (const name of removed) line(`${dryRun ? 'Would remove' : 'Removed'} name ${name}`);
};
