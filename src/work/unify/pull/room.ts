import { HostError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { ResolvedImage } from '#formats/oci';
import { readFilesystemState } from '#host';
import { fixedSource, type PullSource, planPull } from '#work/pull-image';
import type { Route } from '../route.ts';
import { openStores, type Stores } from '../stores.ts';
import { surveyImages } from '../survey.ts';
import type { Sysroot } from '../sysroot.ts';

/** Free space that is ample for any image: this multiple of the blob sizes for each copy, plus a fixed amount. */
const AMPLE = { blobs: 20, restBytes: 256 << 20 };
/** Stores that can hold a copy. */
const COPIES_MAX = 3;

/** Options of the check. */
export interface RoomOptions extends OperationOptions {
  readonly route: Route;
  readonly jobs?: number | undefined;
}

/**
 * Requires free space for what an image adds to all stores: its bytes once if extents are shared, else once for each store. Refuses only an
 * image that cannot fit. Writes nothing and reads no layer.
 * @throws HostError SPACE_INSUFFICIENT
 */
export async function requireRoom(
  sysroot: Sysroot,
  source: PullSource,
  image: ResolvedImage,
  { route, signal, jobs }: RoomOptions,
): Promise<void> {
  const { availableBytes } = readFilesystemState(sysroot.root);
  const blobBytes = image.manifest.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // Tar sizes cost requests, so they are requested only when they may decide.
  if (availableBytes >= AMPLE.blobs * COPIES_MAX * blobBytes + AMPLE.restBytes) return;
  using stores = await openStores(sysroot, { signal });
  const { disk } = await planPull(stores.composefs, fixedSource(source, image), { signal, jobs });
  const firstBytes = disk.isGuess ? Math.min(disk.peakBytes, blobBytes) : disk.peakBytes;
  const others = sysroot.canReflinkStores ? 0 : copiesMissing(sysroot, stores, image, route);
  // If the repository already has the image, the size of its blobs is the lower bound of another copy.
  const neededBytes = firstBytes + others * Math.max(firstBytes, blobBytes);
  if (neededBytes <= availableBytes) return;
  const target = sysroot.path;
  throw new HostError(
    'SPACE_INSUFFICIENT',
    `Cannot pull into "${target}": expected ${neededBytes} bytes free at least, found ${availableBytes}`,
    { target, expected: neededBytes, found: availableBytes },
    { hint: 'Remove images with `onecopy unified prune`, or use a larger filesystem' },
  );
}

/** Counts the stores beside the composefs repository that would receive a copy of the files. */
function copiesMissing(
  sysroot: Sysroot,
  stores: Stores,
  { manifest }: ResolvedImage,
  { isInStorage, path }: Route,
): number {
  const known = surveyImages(sysroot, stores).find(
    ({ manifestDigest }) => manifestDigest === manifest.digest,
  );
  const storage = isInStorage && known?.storage !== 'present' ? 1 : 0;
  return storage + (path !== 'native' && known?.ostree !== 'present' ? 1 : 0);
}
