import type { ObjectId } from '#base/digest';
import { IntegrityError } from '#base/errors';
import { inTurns } from '#base/flow';
import type { VerityAlgorithm } from '#formats/fsverity';
import { LayerStack, type ResolvedImage, type StackOptions } from '#formats/oci';
import type { Tree } from '#formats/tree';
import {
  arrangeLayers,
  isRemote,
  LayerReader,
  type LayerReaderOptions,
  nameOf,
  type PlannedLayer,
  type PullSource,
} from '#work/pull-image';
import type { PullStrategy } from '#work/pull-partial';
import { ScratchObjects } from './scratch.ts';
import { TarSurvey, type TarSurveyOptions } from './tar-survey.ts';
import { CHUNKS_KEPT_MAX, TocLayer } from './toc-layer.ts';

/** How the layers are read. */
export interface SurveyOptions extends LayerReaderOptions, StackOptions {
  readonly algorithm: VerityAlgorithm;
  /** Whether layers of a registry are read by their TOCs. */
  readonly strategy: PullStrategy;
}

/** Location of a content at the source: a layer, and the number of an entry in its tar, or of a content in its TOC. */
interface Location {
  readonly position: number;
  readonly number: number;
}

/** Result of reading the layers of an image. */
export class Survey implements AsyncDisposable {
  readonly scratch = new ScratchObjects();
  readonly #reader: LayerReader;
  readonly #layers: readonly PlannedLayer[];
  readonly #source: PullSource;
  readonly #options: SurveyOptions;
  readonly #places = new Map<ObjectId, Location>();
  /** Layers that were read by their TOCs, by position. */
  readonly #tocs = new Map<number, TocLayer>();
  #chunkCount = 0;

  constructor(source: PullSource, image: ResolvedImage, options: SurveyOptions) {
    this.#reader = new LayerReader(source, options);
    this.#layers = arrangeLayers(image);
    this.#source = source;
    this.#options = options;
  }

  /** False if a layer was read by its TOC: its contents are then not named by object ids. */
  get hasObjectIds(): boolean {
    return this.#tocs.size === 0;
  }

  /** Reads all layers. */
  async readTree(): Promise<Tree> {
    const stack = new LayerStack(this.#options);
    for (const layer of this.#layers) {
      const { position } = layer;
      stack.beginLayer(nameOf(layer));
      const onEntry: TarSurveyOptions['onEntry'] = (entry, content, number) => {
        if (content.kind === 'external') this.#places.set(content.id, { position, number });
        stack.apply(entry, content);
      };
      const { toc, begun } = await this.#openToc(layer);
      if (toc === undefined) await this.#read(layer, { isWanted: () => false, onEntry }, begun);
      else await toc.survey(onEntry);
    }
    return await inTurns(stack.finishImageInSteps(), this.#options);
  }

  /** The TOC of a layer; without it, a download of the layer that may have begun. */
  async #openToc(layer: PlannedLayer) {
    const { strategy } = this.#options;
    const { digest, sizeBytes } = layer.descriptor;
    const isLocal = this.#source.traffic === undefined;
    if (strategy === 'whole' || isLocal || this.#chunkCount > CHUNKS_KEPT_MAX) return {};
    const blob = await this.#source.openBlob(digest, sizeBytes);
    if (!isRemote(blob)) return {};
    const toc = await TocLayer.open(layer, blob, this.#options);
    if (!(toc instanceof TocLayer)) return { begun: toc.blob };
    this.#tocs.set(layer.position, toc);
    this.#chunkCount += toc.chunkCount;
    return { toc };
  }

  async #read(
    layer: PlannedLayer,
    options: Pick<TarSurveyOptions, 'isWanted' | 'onEntry'>,
    begun?: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    using tar = new TarSurvey({
      algorithm: this.#options.algorithm,
      reading: this.#options.reading,
      scratch: this.scratch,
      ...options,
    });
    await this.#reader.read(layer, (piece) => tar.push(piece), begun);
    tar.end();
  }

  /** Stores contents by their names in the tree. @throws as the reader; IntegrityError OBJECT_DIGEST_MISMATCH */
  async bring(ids: Iterable<ObjectId | undefined>): Promise<void> {
    const wanted = new Map<number, Map<number, ObjectId>>();
    for (const id of ids) {
      const place = id === undefined ? undefined : this.#places.get(id);
      if (id === undefined || place === undefined || this.scratch.has(id)) continue;
      const inLayer = wanted.get(place.position) ?? new Map<number, ObjectId>();
      wanted.set(place.position, inLayer.set(place.number, id));
    }
    for (const [position, numbers] of wanted) await this.#bringFrom(position, numbers);
  }

  async #bringFrom(position: number, numbers: ReadonlyMap<number, ObjectId>): Promise<void> {
    const layer = this.#layers[position];
    if (layer === undefined) return;
    const toc = this.#tocs.get(position);
    if (toc !== undefined) {
      await toc.bring(numbers.keys(), this.scratch);
      return;
    }
    await this.#read(layer, { isWanted: (number) => numbers.has(number) });
    for (const id of numbers.values()) if (!this.scratch.has(id)) throw changed(id, layer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
    this.scratch[Symbol.dispose]();
  }
}

function changed(id: ObjectId, { descriptor }: PlannedLayer): IntegrityError {
  return new IntegrityError(
    'OBJECT_DIGEST_MISMATCH',
    `Cannot read object ${id}: layer ${descriptor.digest} no longer holds it`,
    { expected: id, found: 'other contents' },
    { hint: 'The source changed while the command ran: run the command again' },
  );
}
