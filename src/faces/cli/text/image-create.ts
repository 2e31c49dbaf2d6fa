import type { ImageCreateReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `image create`. */
export const text: Text<ImageCreateReport> = ({ dryRun, imageId, built }, { line, note }) => {
  line(imageId);
  if (!built) note('The image already exists');
  else note(dryRun ? 'The image would be created' : 'The image was created');
};
