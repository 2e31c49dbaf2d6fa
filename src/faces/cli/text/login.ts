import type { LoginReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `login`. */
export const text: Text<LoginReport> = ({ registry, storedIn, hasReplaced }, { line }) => {
  const keeper = 'file' in storedIn ? storedIn.file : `the credential helper ${storedIn.helper}`;
  line(
    `Logged in to ${registry}; credentials are ${hasReplaced ? 'replaced' : 'stored'} in ${keeper}`,
  );
};
