import type { ObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { ByteRange, RemoteBlob } from '#base/flow';
import { type ChunkedLayer, type ChunkedLocation, locateToc } from '#formats/chunked';
import type { Repository } from '#stores/composefs';
import {
  type ContentPlace,
  type ContentSource,
  RepositorySource,
  TocStore,
  WantedContents,
} from '#work/contents';
import { requireLayerBytes } from '#work/ingest';
import {
  type LayerParts,
  type LocalIndex,
  openLayerParts,
  type PartialPlan,
  type PlanTerms,
  type PullStrategy,
  planLayerParts,
  type ResumedBlob,
  termsOf,
} from '#work/pull-partial';
import { type ForecastInput, type LayerForecast, planWholeBlob } from '../forecast/route.ts';
import type { PlannedLayer } from '../plan.ts';
import { isRemote } from '../resume.ts';
import { findChanged } from './assembled-layer.ts';

/** How layers may come in parts. */
export interface PartialRouteOptions {
  readonly strategy: PullStrategy;
  readonly layerBytesMax?: number | undefined;
  /** Where contents are looked for beside the repository itself. */
  readonly sources?: readonly ContentSource[] | undefined;
  /** Verify local content as it is read, not by the diff id of the whole layer. */
  readonly verifiesFirst?: boolean | undefined;
  /** Told of an object whose content is not what it was. */
  readonly onChanged?: ((id: ObjectId) => void) | undefined;
}

/** A layer that is put together from parts. */
export type OpenedParts = LayerParts<ContentPlace>;

/** Brings layers with a TOC in parts: what is here is used, what is missing is fetched by ranges. */
export class PartialRoute implements AsyncDisposable {
  readonly #repository: Repository | undefined;
  readonly #options: PartialRouteOptions;
  readonly #own: RepositorySource | undefined;
  readonly #tocs: TocStore | undefined;

  /** Without a repository nothing is here. */
  constructor(repository: Repository | undefined, options: PartialRouteOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#own = repository === undefined ? undefined : new RepositorySource(repository);
    this.#tocs = repository === undefined ? undefined : new TocStore(repository);
  }

  /** Where the TOC of a layer is; undefined for a layer that cannot come in parts. @throws FormatError CHUNKED_ANNOTATION_CONFLICT */
  locate({ descriptor, diffId }: PlannedLayer): ChunkedLocation | undefined {
    if (diffId === undefined) return undefined;
    const location = locateToc(descriptor.annotations, descriptor.sizeBytes);
    return location?.kind === 'zstd-chunked' ? location : undefined;
  }

  /** Why a layer comes whole without a look at its TOC; undefined when that is worth it. @throws as `locate` */
  whyWhole({ descriptor, diffId }: PlannedLayer): string | undefined {
    const { strategy } = this.#options;
    if (strategy === 'whole') return 'the whole blob was asked for';
    if (diffId === undefined) return 'it is no layer of a container image';
    const location = locateToc(descriptor.annotations, descriptor.sizeBytes);
    if (strategy === 'partial') return undefined;
    if (location === undefined) return 'it has no TOC';
    return this.#mayHaveContent ? undefined : 'nothing of it can be here: there is no layer yet';
  }

  /** The forecast for a layer that comes whole, and why it does. */
  forecastWhole(input: ForecastInput): LayerForecast {
    const whole = planWholeBlob(input);
    const why = isRemote(input.content) ? this.whyWhole(input.layer) : undefined;
    return why === undefined || input.heldBytes > 0 ? whole : { ...whole, reason: why };
  }

  /** Plans a layer without storing anything; TOC and tar-split are asked for where they are not kept. */
  async forecast(input: ForecastInput): Promise<LayerForecast> {
    const { layer, content, heldBytes, signal } = input;
    if (!isRemote(content) || this.whyWhole(layer) !== undefined) return this.forecastWhole(input);
    const planned = await planLayerParts<ContentPlace>({
      ...this.#layerOptions(layer, content, this.#terms(content, heldBytes)),
      store:
        this.#tocs === undefined
          ? undefined
          : { find: this.#tocs.find.bind(this.#tocs), keep() {} },
      signal,
    });
    if (planned.kind === 'whole') {
      // Nothing is stored: a download that has begun is given up.
      for await (const _ of planned.blob ?? []) break;
    }
    const { reason, transfer } = planned.plan;
    return {
      route: planned.kind === 'whole' ? 'whole' : 'partial',
      reason,
      hereBytes: Math.max(0, content.sizeBytes - transfer.bytes),
      fetchBytes: transfer.bytes,
      requests: transfer.requests,
    };
  }

  /** Opens a layer by its parts, or says why its blob is wanted. @throws as `openLayerParts` */
  async open(
    layer: PlannedLayer,
    blob: ResumedBlob,
    signal: AbortSignal | undefined,
  ): Promise<OpenedParts> {
    const repository = this.#repository;
    const { diffId } = layer;
    if (repository === undefined || diffId === undefined) {
      throw new Error('there is nowhere to put a layer together');
    }
    const { verifiesFirst, onChanged } = this.#options;
    this.#own?.prepare();
    const objects = repository.objects.writer();
    const terms = {
      ...this.#terms(blob, blob.prefixBytes),
      missing: (ranges: readonly ByteRange[]) => blob.missing(ranges),
    };
    return await openLayerParts<ContentPlace>({
      ...this.#layerOptions(layer, blob, terms),
      // From here on garbage collections keep what the layer is put together from.
      onPlan: (plan) => objects.keepAll(objectsOf(plan)),
      diffId,
      open: (place) => place.open(),
      placed:
        verifiesFirst === true
          ? undefined
          : { idOf: wholeObject, seed: repository.objects.readerSeed() },
      onMiss: ({ objectId }, miss) => {
        if (miss === 'changed' && objectId !== undefined) onChanged?.(objectId);
      },
      scratch: repository.root,
      objects,
      signal,
    });
  }

  /** Keeps the TOC of a layer that is stored, so that its contents are found and its parts need not be asked for. */
  note(layer: PlannedLayer, metadata?: { toc: Uint8Array; tarSplit: Uint8Array }): void {
    const location = this.locate(layer);
    if (location === undefined || layer.diffId === undefined) return;
    if (metadata !== undefined) this.#tocs?.keep(location.tocDigest, metadata);
    this.#tocs?.note(layer.diffId, location);
  }

  /**
   * True when a layer failed because an object here was not what it was taken for: such objects are marked, so that another attempt does not use them.
   */
  isDoubtful(opened: Extract<OpenedParts, { kind: 'parts' }>, error: unknown): boolean {
    const repository = this.#repository;
    if (repository === undefined || opened.bytes.placedBytes === 0) return false;
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return true;
    if (!hasCode(error, 'DIFF_ID_MISMATCH')) return false;
    const changed = findChanged(opened.plan);
    repository.suspects.add(changed.map((id) => ({ id })));
    for (const id of changed) this.#options.onChanged?.(id);
    return changed.length > 0;
  }

  /** Gives up what was begun for layers that did not come. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own?.[Symbol.asyncDispose]();
  }

  get #mayHaveContent(): boolean {
    return this.#own?.isEmpty === false || (this.#options.sources ?? []).length > 0;
  }

  #layerOptions({ descriptor }: PlannedLayer, blob: RemoteBlob, terms: PlanTerms) {
    return {
      blob,
      annotations: descriptor.annotations,
      terms,
      find: (found: ChunkedLayer) => this.#find(found, blob),
      store: this.#tocs,
    };
  }

  #terms(blob: RemoteBlob, heldBytes: number): PlanTerms {
    return { ...termsOf(blob, this.#options.strategy), heldBytes };
  }

  /** Looks for the contents of a layer, here first. */
  async #find(layer: ChunkedLayer, blob: RemoteBlob): Promise<LocalIndex<ContentPlace>> {
    const { layerBytesMax, sources = [] } = this.#options;
    requireLayerBytes(layer.tarBytes, blob.sizeBytes, {
      what: `layer ${blob.digest}`,
      layerBytesMax,
    });
    const wanted = new WantedContents(layer.files);
    const own = this.#own === undefined ? [] : [this.#own];
    for (const source of [...own, ...sources]) {
      if (wanted.missingCount > 0) await source.offer({ files: layer.files, wanted });
    }
    const content = wanted.content.bind(wanted);
    return { file: content, chunk: content };
  }
}

/** The objects that a plan takes content from. */
function objectsOf({ files }: PartialPlan<ContentPlace>): ReadonlySet<ObjectId> {
  const ids = new Set<ObjectId>();
  for (const { segments } of files) {
    for (const segment of segments) {
      const id = segment.kind === 'local' ? segment.source.objectId : undefined;
      if (id !== undefined) ids.add(id);
    }
  }
  return ids;
}

function wholeObject(place: ContentPlace, sizeBytes: number): ObjectId | undefined {
  return place.sizeBytes === sizeBytes ? place.objectId : undefined;
}
