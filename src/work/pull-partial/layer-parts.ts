import type { DiffId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { RemoteBlob } from '#base/flow';
import { type ChunkedLocation, locateToc, readChunkedLayer, readToc } from '#formats/chunked';
import type { Dir } from '#host';
import type { ObjectWriter } from '#stores/composefs';
import {
  type AssembledBytes,
  assembleLayer,
  type LocalMiss,
  type LocalReader,
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

/** A layer that may be pulled in parts. */
export interface LayerPartsOptions<S> {
  readonly blob: RemoteBlob;
  /** Of the descriptor of the layer. */
  readonly annotations: ReadonlyMap<string, string>;
  /** Of the config; it is compared, never looked up. */
  readonly diffId: DiffId;
  readonly terms: PlanTerms;
  readonly index: LocalIndex<S>;
  /** Opens a local source; undefined when it is gone. */
  readonly open: (source: S) => LocalReader | undefined;
  readonly onMiss?: ((source: S, miss: LocalMiss) => void) | undefined;
  readonly store?: MetadataStore | undefined;
  /** Where content waits that the layer has several times. */
  readonly scratch: Dir;
  /** See `AssembleOptions`. */
  readonly objects?: ObjectWriter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The result of opening a layer. */
export type LayerParts<S> =
  | {
      readonly kind: 'parts';
      readonly plan: PartialPlan<S>;
      /** The tar, verified as `assembleLayer` does. Read once. */
      readonly tar: AsyncIterable<Uint8Array>;
      readonly bytes: AssembledBytes;
    }
  | {
      readonly kind: 'whole';
      readonly plan: WholePlan;
      /** A download of the whole blob that has begun, from its first byte; undefined when none has. */
      readonly blob: AsyncIterable<Uint8Array> | undefined;
    };

/**
 * Opens a layer by its parts if that is possible and, unless parts are required, cheaper. Unusable metadata selects the complete blob, with
 * the reason. A complete blob in answer to a range is passed on, so that it is sent once. Contradictory metadata is an error before any
 * content is requested.
 * @throws FormatError CHUNKED_*, TAR_SPLIT_INVALID, TAR_*; IntegrityError CHUNKED_TOC_MISMATCH, BLOB_DIGEST_MISMATCH;
 * TransportError; while the tar is read, as `assembleLayer`
 */
export async function openLayerParts<S>(options: LayerPartsOptions<S>): Promise<LayerParts<S>> {
  try {
    return await openParts(options);
  } catch (error) {
    if (!hasCode(error, 'RANGE_MISMATCH')) throw error;
    return unbegun(
      planWhole(options.terms, 'the server sends other bytes than the ranges asked for'),
    );
  }
}

async function openParts<S>(options: LayerPartsOptions<S>): Promise<LayerParts<S>> {
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
  const fetched = await fetchMetadata(blob, location, plan, signal);
  if (fetched.kind === 'whole') return begun(terms, fetched.blob, NO_TRANSFER);
  return await withMetadata(options, location, fetched.metadata, plan.transfer);
}

async function withMetadata<S>(
  options: LayerPartsOptions<S>,
  location: ChunkedLocation,
  metadata: LayerMetadata,
  spent: Transfer,
): Promise<LayerParts<S>> {
  const { terms, store, index } = options;
  const toc = await readToc(metadata.toc, location);
  if ('kind' in toc) return unbegun(planWhole(terms, uselessReason(toc.message), spent));
  const layer = await readChunkedLayer(toc, metadata.tarSplit, location);
  if ('kind' in layer) return unbegun(planWhole(terms, uselessReason(layer.message), spent));
  store?.keep(location.tocDigest, metadata);
  const plan = planLayer(layer, index, spent, terms);
  if (plan.decision === 'whole') return unbegun(plan);
  const { tarSplit } = metadata;
  const assembled = await assembleLayer({ ...options, plan, location, tarSplit });
  if (assembled.kind === 'whole') return begun(terms, assembled.blob, spent);
  return { kind: 'parts', plan, tar: assembled.tar, bytes: assembled.bytes };
}

function uselessReason(message: string): string {
  return `its TOC cannot be used: ${message}`;
}

function unbegun<S>(plan: WholePlan): LayerParts<S> {
  return { kind: 'whole', plan, blob: undefined };
}

function begun<S>(
  terms: PlanTerms,
  blob: AsyncIterable<Uint8Array>,
  spent: Transfer,
): LayerParts<S> {
  return { kind: 'whole', plan: planWhole(terms, 'the server sends the whole blob', spent), blob };
}
