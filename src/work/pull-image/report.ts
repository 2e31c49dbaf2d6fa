import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import type { Traffic } from '#base/flow';
import type { LayerDifferences } from '#formats/oci';
import type { Reading } from '#formats/tree';
import type { TrustReport } from '#work/trust';
import type { LayerForecast, LayerRoute } from './forecast/route.ts';

/** What was not fetched, by where it came from, in bytes. */
export interface ReusedBytes {
  /** Of files whose objects the repository had: content, not compressed. */
  objects: number;
  /** Of pieces of files that the repository had: content, not compressed. */
  chunks: number;
  /** Of the blob, left by an interrupted pull. */
  partial: number;
  /** Of the blob, in a file of this host. */
  file: number;
}

/** What bringing a layer has cost. */
export interface LayerCost {
  readonly route: LayerRoute;
  /** One sentence, without a capital letter and a full stop. */
  readonly reason: string;
  /** Bytes that came over a network, those that were of no use included. */
  readonly fetchedBytes: number;
  /** Of those, bytes that were of no use. */
  readonly wastedBytes: number;
  readonly reusedBytes: ReusedBytes;
  readonly requests: number;
}

/** What became of one layer. */
export interface LayerReport extends LayerCost {
  /** Undefined for a layer of an artifact. */
  readonly diffId: DiffId | undefined;
  readonly digest: ContentDigest;
  /** `present`: the repository had it, and the blob was not read. `repeated`: the image has it twice. */
  readonly status: 'imported' | 'present' | 'repeated';
  /** Size of the blob. */
  readonly sizeBytes: number;
  /** The layer's splitstream. */
  readonly streamId: ObjectId;
}

/** What a pull did. */
export interface PullReport {
  /** Tag that now leads to the image; undefined when none was asked for. */
  readonly name: string | undefined;
  readonly kind: 'image' | 'artifact';
  readonly manifestDigest: ContentDigest;
  readonly configDigest: ContentDigest;
  /** What accepted the image; undefined when nobody was asked. */
  readonly trust: TrustReport | undefined;
  /** The manifest's splitstream, as the repository has it now. */
  readonly manifestStreamId: ObjectId;
  /**
   * The manifest's splitstream before the EROFS images were linked, when this pull linked them: what upstream reports. Else the same
   * as `manifestStreamId`.
   */
  readonly firstManifestStreamId: ObjectId;
  /** The same of the config's splitstream. */
  readonly firstConfigStreamId: ObjectId;
  /** EROFS image of the default version; undefined for an artifact. */
  readonly imageId: ObjectId | undefined;
  /** EROFS images by slot of the config stream. */
  readonly imageIds: Readonly<Record<string, ObjectId>>;
  /** True when the images were built now, false when they were there. */
  readonly built: boolean;
  /** Reading of the images: `standard` only where composefs-rs makes others of these layers. Undefined for an artifact. */
  readonly reading: Reading | undefined;
  /** Where composefs-rs reads the layers differently; known when the images were built now. */
  readonly differences: LayerDifferences | undefined;
  readonly layers: readonly LayerReport[];
  /** Files of the layers that are objects. */
  readonly objects: {
    readonly stored: number;
    readonly reused: number;
    readonly reflinked: number;
    readonly copied: number;
  };
  readonly bytes: {
    /** Read over a network, and from local files. */
    readonly fetched: number;
    readonly local: number;
    /** In new objects, and inside splitstreams. */
    readonly stored: number;
    /** Of those in new objects, what shares extents with the files that it came from. */
    readonly reflinked: number;
    readonly inlined: number;
  };
  /** What the whole pull cost on the network, documents and signatures included; undefined for a source on this host. */
  readonly traffic: Traffic | undefined;
  /** Wall time by phase, in milliseconds. */
  readonly ms: {
    readonly resolve: number;
    readonly layers: number;
    readonly image: number;
    readonly publish: number;
    readonly total: number;
  };
}

/** What a download did. */
export interface DownloadReport {
  readonly kind: 'image' | 'artifact';
  readonly manifestDigest: ContentDigest;
  readonly configDigest: ContentDigest;
  /** What accepted the image; undefined when nobody was asked. */
  readonly trust: TrustReport | undefined;
  readonly layers: readonly (LayerCost & {
    readonly diffId: DiffId | undefined;
    readonly digest: ContentDigest;
    readonly sizeBytes: number;
  })[];
  readonly traffic: Traffic | undefined;
}

/** What would become of one layer. */
export interface LayerPlan extends LayerForecast {
  readonly diffId: DiffId | undefined;
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly status: 'wanted' | 'present' | 'repeated';
}

/** What a pull would do. */
export interface PullPlan {
  readonly kind: 'image' | 'artifact';
  readonly manifestDigest: ContentDigest;
  readonly configDigest: ContentDigest;
  /** What accepts the image; undefined when nobody was asked. */
  readonly trust: TrustReport | undefined;
  readonly layers: readonly LayerPlan[];
  /** Bytes of the blobs that would be read. */
  readonly wantedBytes: number;
  readonly presentBytes: number;
  /** Bytes that would come over a network: manifest, config and signatures too. */
  readonly fetchBytes: number;
  /** Requests to the registry, those for tokens not included. */
  readonly requests: number;
  /** True when that is more than the caller allows. */
  readonly isOverBudget: boolean;
  /** What the pull would add to the disk when it has added most. */
  readonly disk: {
    /** Files that are already stored are not subtracted. */
    readonly peakBytes: number;
    /** True when the size of some tar is not known. */
    readonly isGuess: boolean;
    /** Undefined without a repository. */
    readonly availableBytes: number | undefined;
  };
  /** True when EROFS images would be built. */
  readonly wouldBuild: boolean;
}
