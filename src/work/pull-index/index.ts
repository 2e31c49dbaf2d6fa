/**
 * Pulling an image index with the images of all its platforms.
 *
 *     planCopy ─▶ policy, for each image ─▶ pullImage, for each image ─▶ index stream ─▶ tag
 */
export { downloadIndex, type IndexDownloadOptions, type IndexDownloadReport } from './download.ts';
export { readImage, sourceOfImage } from './image-source.ts';
export {
  type IndexPullOptions,
  type IndexPullPlan,
  type IndexPullReport,
  planIndexPull,
  pullIndex,
} from './pull.ts';
