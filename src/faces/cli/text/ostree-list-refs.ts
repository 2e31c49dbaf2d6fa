import type { OstreeListRefsReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `ostree list-refs`. */
export const text: Text<OstreeListRefsReport> = async ({ refs }, { line, table }) => {
  if (refs.length === 0) line('No refs found');
  else {
    await table(
      ['REF', 'COMMIT'],
      refs.map(({ name, commit }) => [name, commit]),
    );
  }
};
