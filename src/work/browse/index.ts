/**
 * Browse: the files of an image without mounting it. Look up, list, walk, read, find, compare; all answers are values.
 */
export { type Difference, diffViews, type FileChange } from './diff.ts';
export { type FindQuery, findFiles } from './find.ts';
export { compilePattern, type Matcher } from './pattern.ts';
export {
  type FileKind,
  ImageView,
  type LookupOptions,
  openImageView,
  type ViewEntry,
  type WalkedViewEntry,
} from './view.ts';
