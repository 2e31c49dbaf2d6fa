import { computeContentDigest } from '#base/digest';

/** Maximum number of descriptors in one reply. Source: composefs-rs 0.9.4. */
export const FRAME_DESCRIPTORS_MAX = 240;
/** Minimum number of replies of a transfer, if there are as many descriptors. Source: as above. */
const FRAMES_MIN = 3n;

/** How the descriptors of one served layer are arranged. */
export interface DescriptorPlan {
  /** Number of places for directories. */
  readonly placeCount: number;
  /** Place of each directory of the layer; the other places hold dummies. */
  readonly places: readonly number[];
  /** Number of descriptors after the keep-alive pipe, which mean nothing. */
  readonly extraCount: number;
  /** Number of descriptors of each reply, if the client accepts several. */
  readonly frames: readonly number[];
}

/**
 * Arranges the descriptors of a layer: stream, places of directories, keep-alive pipe, extras. Receivers must not rely on positions, so the
 * arrangement is different for each layer, and the same for each transfer of one layer. Source: oci-and-cli section 5.5.
 * @param id name of the layer
 */
export function planDescriptors(id: string, directoryCount: number): DescriptorPlan {
  const digest = Buffer.from(computeContentDigest(Buffer.from(id), 'sha256').slice(7), 'hex');
  const seed = digest.readBigUInt64LE(0);
  const dummies = Number((seed >> 8n) % BigInt(directoryCount + 1)) + 1;
  const placeCount = directoryCount + dummies;
  const extraCount = Number((seed >> 16n) % 3n);
  const total = 1 + placeCount + 1 + extraCount;
  const first = Number(seed % BigInt(placeCount));
  const places = Array.from({ length: directoryCount }, (_, at) => (first + at) % placeCount);
  return { placeCount, places, extraCount, frames: split(total, frameCount(seed, total)) };
}

function frameCount(seed: bigint, total: number): number {
  const wanted = seed % BigInt(total + 1);
  const atLeast = Math.ceil(total / FRAME_DESCRIPTORS_MAX);
  return Math.max(Math.min(Number(wanted > FRAMES_MIN ? wanted : FRAMES_MIN), total), atLeast);
}

/** Sizes that differ by at most one, the larger ones first. */
function split(total: number, count: number): number[] {
  const least = Math.floor(total / count);
  return Array.from({ length: count }, (_, at) => least + (at < total % count ? 1 : 0));
}
