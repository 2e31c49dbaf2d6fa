import type { ContentDigest } from '#base/digest';
import type { Repository } from '#stores/composefs';
import {
  type DownloadOptions,
  type DownloadReport,
  downloadImage,
  planWholeBlob,
  requireBudget,
} from '#work/pull-image';
import type { TrustReport } from '#work/trust';
import { fetchBytesOf, type OfPlatform, openIndex, planAll } from './open-index.ts';

/** How to download an index. */
export type IndexDownloadOptions = Omit<DownloadOptions, 'platform' | 'judge' | 'keepBlobs'> & {
  readonly onWarning?: ((text: string) => void) | undefined;
};

/** What a download of an index did. */
export interface IndexDownloadReport {
  readonly indexDigest: ContentDigest;
  readonly mediaType: string;
  readonly trust: TrustReport;
  readonly images: readonly (DownloadReport & OfPlatform)[];
  /** Bytes of manifests, configs and blobs that came over a network. */
  readonly fetchedBytes: number;
}

/**
 * Fetches the blobs of all images of an index that the repository lacks, for a pull later. Nothing is named.
 * @returns undefined when the reference names a single image, of which nothing was fetched
 * @throws as `downloadImage`; IntegrityError IMAGE_REJECTED
 */
export async function downloadIndex(
  repository: Repository,
  reference: string,
  options: IndexDownloadOptions = {},
): Promise<IndexDownloadReport | undefined> {
  const { signal, maxBytes, jobs, onProgress } = options;
  repository.ensureWritable();
  await using opened = await openIndex(reference, options);
  if (opened === undefined) return undefined;
  const { source, plan, trust, wanted } = opened;
  const { top } = plan;
  if (maxBytes !== undefined) {
    const how = { signal, keepBlobs: true, planLayer: planWholeBlob };
    const plans = await planAll(repository, wanted, how);
    requireBudget(source.fetchedBytes + fetchBytesOf(plans), maxBytes);
  }
  const settings = { signal, jobs, onProgress, keepBlobs: true, judge: async () => trust };
  const images: (DownloadReport & OfPlatform)[] = [];
  for (const { image, platform } of wanted) {
    images.push({ ...(await downloadImage(repository, image, settings)), platform });
  }
  const { digest: indexDigest, mediaType } = top;
  return { indexDigest, mediaType, trust, images, fetchedBytes: source.fetchedBytes };
}
