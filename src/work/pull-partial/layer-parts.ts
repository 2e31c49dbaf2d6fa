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

/** Number of times that TOC and tar-split are requested before a mismatch is attributed to the blob itself. */
const METADATA_ATTEMPTS = 2;

/** A layer that may have a TOC. */
export interface MetadataOptions {
  readonly blob: RemoteBlob;
  /** From the descriptor of the layer. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly terms: PlanTerms;
  readonly store?: MetadataStore | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A layer that may be pulled in parts. */
export interface LayerPartsOptions<S> extends MetadataOptions {
  /** Finds the files of the layer that are available locally; called before any content is requested. */
  readonly find: (layer: ChunkedLayer) => LocalIndex<S> | Promise<LocalIndex<S>>;
}

/** Additional options for assembling the layer; see `AssembleOptions`. */
export type AssembleLayerOptions<S> = LayerPartsOptions<S> &
  Pick<AssembleOptions<S>, 'diffId' | 'open' | 'onMiss' | 'placed' | 'scratch' | 'objects'> & {
    /** Called before any content is requested. */
    readonly onPlan?: ((plan: PartialPlan<S>) => void) | undefined;
  };

/** How a layer is pulled. */
export type LayerParts<S> =
  | {
      readonly kind: 'parts';
      readonly plan: PartialPlan<S>;
      readonly layer: ChunkedLayer;
      /** The tar, verified as by `assembleLayer`. Can be read once. */
      readonly parts: AsyncIterable<readonly LayerPart[]>;
      readonly bytes: AssembledBytes;
    }
  | WholeLayer;

/** A layer that is pulled as its whole blob. */
export interface WholeLayer {
  readonly kind: 'whole';
  readonly plan: WholePlan;
  /** A download of the whole blob that has started, from its first byte; undefined without one. */
  readonly blob: AsyncIterable<Uint8Array> | undefined;
}

/** A layer whose TOC and tar-split were read. */
export interface ReadMetadata {
  readonly kind: 'metadata';
  readonly layer: ChunkedLayer;
  readonly location: ChunkedLocation;
  /** As stored in the blob. */
  readonly tarSplit: Uint8Array;
  /** Transfer of TOC and tar-split. */
  readonly spent: Transfer;
}

/** What is known about a layer before its content is requested. */
export type PlannedParts<S> =
  | (Omit<ReadMetadata, 'kind'> & { readonly kind: 'parts'; readonly plan: PartialPlan<S> })
  | WholeLayer;

/**
 * Opens a layer by its parts if that is possible and, unless parts are required, cheaper. Unusable metadata selects the complete blob, with the
 * reason. If the server sends the complete blob in response to a range, that download is returned, so that it is sent once. Contradictory
 * metadata is an error before any content is requested.
 * @throws FormatError CHUNKED_*, TAR_SPLIT_INVALID, TAR_*; IntegrityError CHUNKED_TOC_MISMATCH, BLOB_DIGEST_MISMATCH;
 * TransportError; while the tar is read, as `assembleLayer`
 */
export async function openLayerParts<S>(options: AssembleLayerOptions<S>): Promise<LayerParts<S>> {
  const planned = await planLayerParts(options);
  if (planned.kind === 'whole') return planned;
  const { plan, layer, location, tarSplit, spent } = planned;
  options.onPlan?.(plan);
  return await orWhole(options, async () => {
    const assembled = await assembleLayer({ ...options, plan, location, tarSplit });
    if (assembled.kind === 'whole') return begun(options.terms, assembled.blob, spent);
    return { kind: 'parts', plan, layer, parts: assembled.parts, bytes: assembled.bytes };
  });
}

/**
 * Determines which content of a layer is available locally and what its parts would cost; requests only TOC and tar-split of the blob.
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
 * Reads TOC and tar-split of a layer, unless its blob is cheaper. Afterwards its files are known, and each can be requested.
 * @throws as `planLayerParts`
 */
export async function readLayerMetadata(
  options: MetadataOptions,
): Promise<ReadMetadata | WholeLayer> {
  return await orWhole(options, () => readMetadata(options));
}

/** Selects the whole blob for a server whose responses to ranges are unusable. */
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
      // Bytes of an earlier attempt or a bad transfer may differ from the blob: requested once more, then the mismatch is final.
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
