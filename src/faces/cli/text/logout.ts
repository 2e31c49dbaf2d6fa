import type { LogoutReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `logout`. */
export const text: Text<LogoutReport> = ({ registries, removedFrom }, { line }) => {
  const keeper =
    'file' in removedFrom ? removedFrom.file : `the credential helper ${removedFrom.helper}`;
  const what = registries.map((one) => (one === '*' ? 'every registry' : one)).join(', ');
  line(`Removed the credentials for ${what} from ${keeper}`);
};
