import type { TagReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `tag`. */
export const text: Text<TagReport> = (
  { dryRun, name, manifestDigest, replaced },
  { line },
  request,
) => {
  const id = manifestDigest ?? request['name'];
  line(`${dryRun ? 'Would tag' : 'Tagged'} ${id} as ${name}`);
  if (replaced !== null) line(`  replaced: ${replaced}, which had this name`);
};
