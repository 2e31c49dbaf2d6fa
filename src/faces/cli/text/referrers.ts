import type { ReferrersReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import type { Text } from './text.ts';

/** The text of `referrers`. */
export const text: Text<ReferrersReport> = async ({ subject, referrers }, speaker) => {
  if (referrers.length === 0) {
    speaker.note(`No referrers of ${subject} found`);
    return;
  }
  await speaker.table(
    ['DIGEST', 'TYPE', 'SIZE'],
    referrers.map(({ digest, artifactType, mediaType, sizeBytes }) => [
      formatDigest(digest, speaker.noTrunc),
      artifactType ?? mediaType,
      formatSize(sizeBytes),
    ]),
  );
};
