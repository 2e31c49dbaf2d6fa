import type { BlobContent, RemoteBlob } from '#base/flow';
import type { PlannedLayer } from '../plan.ts';
import { isRemote } from '../resume.ts';

/** The route of a layer into the repository. */
export type LayerRoute =
  /** Its blob is read from the first byte to the last. */
  | 'whole'
  /** It is assembled from stored content and from ranges of its blob. */
  | 'partial'
  /** The repository has it. */
  | 'present'
  /** It is another layer of the same image, or one that another pull stores meanwhile. */
  | 'linked';

/** The route of one layer, and its costs. */
export interface LayerForecast {
  readonly route: LayerRoute;
  /** One sentence, without a capital letter and a full stop. */
  readonly reason: string;
  /** Bytes of the blob, or their stored equivalent, that need not be fetched. */
  readonly hereBytes: number;
  /** Bytes to fetch over a network. */
  readonly fetchBytes: number;
  readonly requests: number;
  /** Bytes of new files that the layer brings, where the planner knows them. */
  readonly storedBytes?: number | undefined;
}

/** Input of a planner. */
export interface ForecastInput {
  readonly layer: PlannedLayer;
  /** Nothing of it was read yet. */
  readonly content: BlobContent | RemoteBlob;
  /** Bytes of the blob that an interrupted pull has left here. */
  readonly heldBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Selects the route of a missing layer. Another room may supply a planner with more routes. */
export type LayerPlanner = (input: ForecastInput) => LayerForecast | Promise<LayerForecast>;

/** The planner for complete blobs only. */
export function planWholeBlob({ layer, content, heldBytes }: ForecastInput): LayerForecast {
  const { sizeBytes } = layer.descriptor;
  if (!isRemote(content)) {
    const reason = 'its blob is on this host';
    return { route: 'whole', reason, hereBytes: sizeBytes, fetchBytes: 0, requests: 0 };
  }
  // A partial blob that is too long is another blob.
  const hereBytes = heldBytes > sizeBytes ? 0 : heldBytes;
  const fetchBytes = sizeBytes - hereBytes;
  const reason =
    hereBytes === 0
      ? 'the repository does not have it'
      : `an interrupted pull left ${hereBytes} of ${sizeBytes} bytes of its blob`;
  return { route: 'whole', reason, hereBytes, fetchBytes, requests: fetchBytes > 0 ? 1 : 0 };
}

/** The forecast for a layer of which nothing is read; undefined for one that has to be brought. */
export function forecastKnown({
  presentId,
  sameAs,
  descriptor,
}: PlannedLayer): LayerForecast | undefined {
  const nothing = { hereBytes: descriptor.sizeBytes, fetchBytes: 0, requests: 0 };
  if (sameAs !== undefined) {
    return { route: 'linked', reason: `it is layer ${sameAs + 1} of this image again`, ...nothing };
  }
  if (presentId === undefined) return undefined;
  return { route: 'present', reason: 'the repository has it', ...nothing };
}
