import * as v from 'valibot';
import { count, list, text } from './schemas.ts';

/** What writing files into a plain directory did. */
export const checkoutReport = {
  path: text,
  imageId: text,
  files: count,
  directories: count,
  symlinks: count,
  hardlinks: count,
  specials: count,
  reflinkedFiles: count,
  reflinkedBytes: count,
  copiedFiles: count,
  copiedBytes: count,
  inlineBytes: count,
  leftOutCount: count,
  leftOut: list(
    v.object({ path: text, what: v.picklist(['device', 'xattr', 'owner']), reason: text }),
  ),
};
