import type { RmReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `rm`. */
export const text: Text<RmReport> = ({ dryRun, removed }, { line, note }) => {
  for (const { names, remaining, ...ids } of removed) {
    const id = ids.manifestDigest ?? ids.commit ?? ids.imageId ?? '';
    line(`${dryRun ? 'Would remove' : 'Removed'} ${names.join(', ')} (${id})`);
    if (remaining.length > 0) line(`  still named ${remaining.join(', ')}`);
  }
  note('Run onecopy gc to remove unused objects');
};
