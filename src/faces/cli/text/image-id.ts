import type { ImageIdReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `image id`. */
export const text: Text<ImageIdReport> = ({ imageId }, { line }) => {
  line(imageId);
};
