import { hasCode } from '#base/errors';
import type { RemoteBlob } from '#base/flow';
import {
  type ChunkedLayer,
  type ChunkedLocation,
  locateToc,
  readChunkedLayer,
  readToc,
} from '#formats/chunked';
import {
  type AssembledBytes,
  type AssembleOptions,
  assembleLayer,
  type LayerPart,
} from './assemble.ts';
import { NO_TRANSFER, type Transfer } from './cost.ts';
import { fetchMetadata, type LayerMetadata, type MetadataStore } from './metadata.ts';
import {
  type PartialPlan,
  type PlanTerms,
  planLayer,
  planMetadata,
  planWhole,
  type WholePlan,
} from './plan.ts';
import type { LocalIndex } from './segments.ts';

/** Times that TOC and tar-split are asked for until what comes is taken for what lies in the blob. */
const METADATA_ATTEMPTS = 2;

/** A layer that may have a TOC. */
export interface MetadataOptions {
  readonly blob: RemoteBlob;
  /** Of the descriptor of the layer. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly terms: PlanTerms;
  readonly store?: MetadataStore | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A layer that may be pulled in parts. */
export interface LayerPartsOptions<S> extends MetadataOptions {
  /** Finds what is here of the files of the layer; called before any content is asked for. */
  readonly find: (layer: ChunkedLayer) => LocalIndex<S> | Promise<LocalIndex<S>>;
}

/** A layer to put together, besides; see `AssembleOptions`. */
export type AssembleLayerOptions<S> = LayerPartsOptions<S> &
  Pick<AssembleOptions<S>, 'diffId' | 'open' | 'onMiss' | 'objectOf' | 'scratch' | 'objects'>;

/** How a layer is to be taken in. */
export type LayerParts<S> =
  | {
      readonly kind: 'parts';
      readonly plan: PartialPlan<S>;
      readonly layer: ChunkedLayer;
      /** The tar, verified as `assembleLayer` does. Read once. */
      readonly parts: AsyncIterable<LayerPart>;
      readonly bytes: AssembledBytes;
    }
  | WholeLayer;

/** A layer that is taken as its whole blob. */
export interface WholeLayer {
  readonly kind: 'whole';
  readonly plan: WholePlan;
  /** A download of the whole blob that has begun, from its first byte; undefined when none has. */
  readonly blob: AsyncIterable<Uint8Array> | undefined;
}

/** A layer of which TOC and tar-split were read. */
export interface ReadMetadata {
  readonly kind: 'metadata';
  readonly layer: ChunkedLayer;
  readonly location: ChunkedLocation;
  /** As it is in the blob. */
  readonly tarSplit: Uint8Array;
  /** What TOC and tar-split cost. */
  readonly spent: Transfer;
}

/** What is known of a layer before its content is asked for. */
export type PlannedParts<S> =
  | (Omit<ReadMetadata, 'kind'> & { readonly kind: 'parts'; readonly plan: PartialPlan<S> })
  | WholeLayer;

/**
 * Opens a layer by its parts if that is possible and, unless parts are required, cheaper. Unusable metadata selects the complete blob, with
 * the reason. A complete blob in answer to a range is passed on, so that it is sent once. Contradictory metadata is an error before any
 * content is requested.
 * @throws FormatError CHUNKED_*, TAR_SPLIT_INVALID, TAR_*; IntegrityError CHUNKED_TOC_MISMATCH, BLOB_DIGEST_MISMATCH;
 * TransportError; while the tar is read, as `assembleLayer`
 */
export async function openLayerParts<S>(options: AssembleLayerOptions<S>): Promise<LayerParts<S>> {
  const planned = await planLayerParts(options);
  if (planned.kind === 'whole') return planned;
  const { plan, layer, location, tarSplit, spent } = planned;
  return await orWhole(options, async () => {
    const assembled = await assembleLayer({ ...options, plan, location, tarSplit });
    if (assembled.kind === 'whole') return begun(options.terms, assembled.blob, spent);
    return { kind: 'parts', plan, layer, parts: assembled.parts, bytes: assembled.bytes };
  });
}

/**
 * Finds out what of a layer is here and what its parts would cost; of the blob nothing but TOC and tar-split is asked for.
 * @throws FormatError CHUNKED_*, TAR_SPLIT_INVALID, TAR_*; IntegrityError CHUNKED_TOC_MISMATCH, BLOB_DIGEST_MISMATCH;
 * TransportError
 */
export async function planLayerParts<S>(options: LayerPartsOptions<S>): Promise<PlannedParts<S>> {
  const { terms, find } = options;
  return await orWhole(options, async () => {
    const read = await readMetadata(options);
    if (read.kind === 'whole') return read;
    const { layer, spent } = read;
    const plan = planLayer(layer, await find(layer), spent, terms);
    return plan.decision === 'whole' ? unbegun(plan) : { ...read, kind: 'parts', plan };
  });
}

/**
 * Reads TOC and tar-split of a layer, unless its blob is cheaper: what is in it is known then, and any of its files can be asked for.
 * @throws as `planLayerParts`
 */
export async function readLayerMetadata(
  options: MetadataOptions,
): Promise<ReadMetadata | WholeLayer> {
  return await orWhole(options, () => readMetadata(options));
}

/** A server whose answers to ranges are of no use gives the whole blob. */
async function orWhole<T>(
  { terms }: MetadataOptions,
  work: () => Promise<T>,
): Promise<T | WholeLayer> {
  try {
    return await work();
  } catch (error) {
    if (!hasCode(error, 'RANGE_MISMATCH')) throw error;
    return unbegun(planWhole(terms, 'the server does not answer ranges as it should'));
  }
}

async function readMetadata(options: MetadataOptions): Promise<ReadMetadata | WholeLayer> {
  const { blob, annotations, terms, store, signal } = options;
  if (terms.strategy === 'whole') return unbegun(planWhole(terms, 'the whole blob was asked for'));
  const location = locateToc(annotations, terms.blobBytes);
  if (location === undefined) return unbegun(planWhole(terms, 'the layer has no TOC'));
  if (location.kind === 'unusable')
    return unbegun(planWhole(terms, uselessReason(location.message)));
  if (location.kind === 'estargz') {
    return unbegun(planWhole(terms, uselessReason('an eStargz layer has no tar-split')));
  }
  const kept = store?.find(location.tocDigest);
  if (kept !== undefined) {
    try {
      return await withMetadata(options, location, kept, NO_TRANSFER);
    } catch (error) {
      // The cached metadata is damaged, so it is fetched again.
      if (!hasCode(error, 'BLOB_DIGEST_MISMATCH')) throw error;
    }
  }
  const plan = planMetadata(location, terms);
  if (plan.decision === 'whole') return unbegun(plan);
  for (let attempt = 1; ; attempt += 1) {
    const fetched = await fetchMetadata(blob, location, plan, signal);
    if (fetched.kind === 'whole') return begun(terms, fetched.blob, NO_TRANSFER);
    try {
      return await withMetadata(options, location, fetched.metadata, plan.transfer);
    } catch (error) {
      // What came by an earlier attempt or by a bad transfer is not what lies in the blob; once more, and it is believed.
      if (!hasCode(error, 'BLOB_DIGEST_MISMATCH') || blob.forget === undefined) throw error;
      if (attempt === METADATA_ATTEMPTS) throw error;
      for (const range of plan.ranges) blob.forget(range);
    }
  }
}

async function withMetadata(
  options: MetadataOptions,
  location: ChunkedLocation,
  metadata: LayerMetadata,
  spent: Transfer,
): Promise<ReadMetadata | WholeLayer> {
  const { terms, store } = options;
  const toc = await readToc(metadata.toc, location);
  if ('kind' in toc) return unbegun(planWhole(terms, uselessReason(toc.message), spent));
  const layer = await readChunkedLayer(toc, metadata.tarSplit, location);
  if ('kind' in layer) return unbegun(planWhole(terms, uselessReason(layer.message), spent));
  store?.keep(location.tocDigest, metadata);
  return { kind: 'metadata', layer, location, tarSplit: metadata.tarSplit, spent };
}

function uselessReason(message: string): string {
  return `its TOC cannot be used: ${message}`;
}

function unbegun(plan: WholePlan): WholeLayer {
  return { kind: 'whole', plan, blob: undefined };
}

function begun(terms: PlanTerms, blob: AsyncIterable<Uint8Array>, spent: Transfer): WholeLayer {
  return { kind: 'whole', plan: planWhole(terms, 'the server sends the whole blob', spent), blob };
}
