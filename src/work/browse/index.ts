/**
 * Browse: the files of an image without mounting it. Look up, list, walk, read, find, compare; all answers are values.
 */
export { type Difference, diffViews, type FileChange, listChanges } from './diff.ts';
export { type FindQuery, findFiles } from './find.ts';
export { compilePattern, type Matcher } from './pattern.ts';
export {
  type ContentStore,
  type FileKind,
  ImageView,
  type LookupOptions,
  openImageView,
  type ViewEntry,
  viewImage,
  type WalkedViewEntry,
} from './view.ts';
