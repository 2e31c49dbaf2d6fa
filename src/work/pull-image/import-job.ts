import type { ContentDigest, ObjectId } from '#base/digest';
import type { BlobContent, OperationOptions, RemoteBlob } from '#base/flow';
import type { Reading } from '#formats/tree';
import type { PartialBlob, Repository } from '#stores/composefs';
import type { LayerCounts } from '#work/ingest';
import type { CostCount } from './cost.ts';
import type { PartialRoute } from './partial/partial-route.ts';
import type { PlannedLayer } from './plan.ts';
import type { LayerPlanner } from './route.ts';

/** What an importer works for. */
export interface ImporterOptions extends OperationOptions {
  readonly repository: Repository;
  readonly openBlob: (
    digest: ContentDigest,
    sizeBytes: number,
  ) => BlobContent | RemoteBlob | Promise<BlobContent | RemoteBlob>;
  /** Says how a layer comes that comes whole. */
  readonly planLayer: LayerPlanner;
  /** Brings layers in parts. */
  readonly parts: PartialRoute;
  /** Finds a layer that another pull has stored since this one was planned. */
  readonly findLayer: (layer: PlannedLayer) => Promise<ObjectId | undefined>;
  readonly keepBlobs: boolean;
  /** Threads that split and write, and layers at once. */
  readonly jobs: number;
  readonly layerBytesMax: number | undefined;
  readonly reading: Reading | undefined;
}

/** One blob to read. */
export interface ImportJob {
  readonly layer: PlannedLayer;
  /** False when only the blob is wanted, because the layer is there. */
  readonly isMissing: boolean;
  readonly keepBlob: boolean;
}

/** A blob of a registry, and what there is of it. */
export interface RemoteOrder {
  readonly blob: RemoteBlob;
  readonly cost: CostCount;
  readonly partial: PartialBlob;
}

/** What was read and stored. */
export interface ImportTotals extends LayerCounts {
  fetchedBytes: number;
  localBytes: number;
}
