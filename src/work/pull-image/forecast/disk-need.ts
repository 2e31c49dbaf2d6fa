/** A layer on its way to the disk, in bytes. */
export interface LayerNeed {
  /** Size of its blob. */
  readonly blobBytes: number;
  /** What is still to come of its blob into a file that goes away when the layer has its name. */
  readonly spoolBytes: number;
  /** Its tar, when that is known. */
  readonly unpackedBytes: number | undefined;
  /** What stays beside the tar: the blob where it is kept. */
  readonly keptBytes: number;
}

/** Room that a pull needs. */
export interface DiskNeed {
  /** What the pull adds to the disk at the moment when it has added most. Files that are already stored are not subtracted. */
  readonly peakBytes: number;
  /** True where the size of a tar is not known and was taken for `GUESSED_EXPANSION` times its blob. */
  readonly isGuess: boolean;
  /** What it adds at the least if every byte that the repository has comes again. */
  readonly leastBytes: number;
}

/** Facts of the repository and its filesystem. */
export interface DiskTerms {
  readonly blockBytes: number;
  /** Layers that are brought at once. */
  readonly jobs: number;
  /** Bytes that are in the repository. */
  readonly presentBytes: number;
  /** Mean size of the objects that are there; undefined in a new repository. */
  readonly meanFileBytes: number | undefined;
}

/** Size of a tar in blobs of which it is not known. An estimate: compressed filesystems of distributions expand two to three times. */
export const GUESSED_EXPANSION = 2.7;
/** Mean size of a file where nothing is known. An estimate. */
const MEAN_FILE_BYTES = 24_000;
/** Bytes of a tar that do not go into a file's object: header, and half a block of padding. */
const TAR_OVERHEAD_BYTES = 768;
/** Bytes of an image for each file: inode, name, overlay attributes. */
const IMAGE_BYTES_PER_FILE = 160;

/**
 * By how much each further layer of those that are brought at once may be slower than the one before, because they share one thread. Layers of
 * one size finish together or one after the other, so the room is computed for both and the mean is taken.
 */
const LANE_SLOWDOWNS = [0, 0.25] as const;

/** Computes the room that layers need, which are brought in this order. */
export function computeDiskNeed(layers: readonly LayerNeed[], terms: DiskTerms): DiskNeed {
  const { jobs, blockBytes, presentBytes, meanFileBytes = MEAN_FILE_BYTES } = terms;
  // The last block of a file is half empty, on average.
  const perFile = blockBytes / 2 - TAR_OVERHEAD_BYTES + IMAGE_BYTES_PER_FILE;
  const growth = 1 + perFile / Math.max(meanFileBytes, blockBytes);
  const parts = layers.map(({ blobBytes, spoolBytes, unpackedBytes, keptBytes }) => {
    const tarBytes = unpackedBytes ?? blobBytes * GUESSED_EXPANSION;
    return { workBytes: tarBytes, storedBytes: tarBytes * growth + keptBytes, spoolBytes };
  });
  const sureBytes = layers.reduce((sum, { blobBytes, unpackedBytes, keptBytes }) => {
    return sum + (unpackedBytes ?? blobBytes) + keptBytes;
  }, 0);
  const largestSpool = layers.reduce((most, { spoolBytes }) => Math.max(most, spoolBytes), 0);
  const peaks = LANE_SLOWDOWNS.map((slowdown) => simulatePeak(parts, jobs, slowdown));
  return {
    peakBytes: Math.round(peaks.reduce((sum, peak) => sum + peak, 0) / peaks.length),
    isGuess: layers.some(({ unpackedBytes }) => unpackedBytes === undefined),
    leastBytes: Math.max(largestSpool, sureBytes - presentBytes),
  };
}

interface RunningLayer {
  readonly workBytes: number;
  readonly storedBytes: number;
  readonly spoolBytes: number;
}

/** The most that is on the disk while layers are brought, some at once: a file of fetched bytes goes when its layer is complete. */
function simulatePeak(layers: readonly RunningLayer[], jobs: number, slowdown: number): number {
  const lanes: { layer: RunningLayer; start: number; end: number }[] = [];
  const speedOf = (lane: number) => 1 / (1 + slowdown * lane);
  let storedBytes = 0;
  let peakBytes = 0;
  const finish = () => {
    const index = lanes.reduce((best, { end }, at) => {
      return end < (lanes[best]?.end ?? Number.POSITIVE_INFINITY) ? at : best;
    }, 0);
    const now = lanes[index]?.end ?? 0;
    const running = lanes.reduce((sum, { layer, start, end }) => {
      const share = end <= start ? 1 : Math.min(1, (now - start) / (end - start));
      return sum + share * (layer.storedBytes + layer.spoolBytes);
    }, 0);
    peakBytes = Math.max(peakBytes, storedBytes + running);
    storedBytes += lanes[index]?.layer.storedBytes ?? 0;
    return { index, now };
  };
  for (const layer of layers) {
    const { index, now } = lanes.length < jobs ? { index: lanes.length, now: 0 } : finish();
    lanes[index] = { layer, start: now, end: now + layer.workBytes / speedOf(index) };
  }
  while (lanes.length > 0) lanes.splice(finish().index, 1);
  return peakBytes;
}
