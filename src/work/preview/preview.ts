import type { ObjectId } from '#base/digest';
import { IntegrityError, UnsupportedError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import { type ErofsVersion, encodeImageInSteps, readTreeInSteps } from '#formats/erofs';
import type { VerityAlgorithm } from '#formats/fsverity';
import {
  type ImageReference,
  LayerStack,
  type Platform,
  type ResolvedImage,
  type StackOptions,
} from '#formats/oci';
import type { Tree } from '#formats/tree';
import { hashContent } from '#host';
import { type ImageView, type ViewEntry, viewImage } from '#work/browse';
import {
  arrangeLayers,
  LayerReader,
  type LayerReaderOptions,
  nameOf,
  type OpenSourceOptions,
  openSource,
  type PlannedLayer,
  type PullSource,
  requireTarLayers,
} from '#work/pull-image';
import { type ScratchContent, ScratchObjects } from './scratch.ts';
import { TarSurvey, type TarSurveyOptions } from './tar-survey.ts';

/** Options of a preview. */
export interface PreviewOptions extends LayerReaderOptions, OpenSourceOptions, StackOptions {
  readonly platform?: Platform | undefined;
  /** Hash of the object ids; default sha512. A repository of this algorithm would have the same ids. */
  readonly algorithm?: VerityAlgorithm | undefined;
  /** Version of the EROFS image, which decides the image id; default 1. */
  readonly version?: ErofsVersion | undefined;
}

/** Contents of files that were brought from the source. */
export interface BroughtContents {
  /** @throws NotFoundError OBJECT_NOT_FOUND for a content that was not brought */
  open(id: ObjectId): ScratchContent;
}

/** Location of a content at the source: a layer, and the number of an entry in its tar. */
interface Location {
  readonly position: number;
  readonly number: number;
}

/**
 * The files of an image at its source, with the same ids as after a pull, including the image id. The layers are read once and verified,
 * and nothing is stored; `bring` reads contents. Disposing it closes the source.
 */
export class ImagePreview implements AsyncDisposable {
  readonly view: ImageView;
  /** Contents that were brought. */
  readonly objects: BroughtContents;
  readonly #bytes: Uint8Array;
  readonly #survey: Survey;
  readonly #source: AsyncDisposable;

  /** Use {@link previewImage}. */
  constructor(view: ImageView, bytes: Uint8Array, survey: Survey, source: AsyncDisposable) {
    this.view = view;
    this.objects = survey.scratch;
    this.#bytes = bytes;
    this.#survey = survey;
    this.#source = source;
  }

  /** The whole tree of the image. @throws the signal's reason */
  async readTree(options: Pick<OperationOptions, 'signal'> = {}): Promise<Tree> {
    return await inTurns(readTreeInSteps(this.#bytes), options);
  }

  /**
   * Makes contents readable: reads their layers again, and stores the requested files in the directory for temporary files.
   * @throws as `previewImage`; IntegrityError OBJECT_DIGEST_MISMATCH when the source has changed; HostError NO_SPACE
   */
  async bring(entries: Iterable<ViewEntry>): Promise<void> {
    await this.#survey.bring(entries);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeBoth(this.#survey, this.#source);
  }
}

/**
 * Opens the files of an image without pulling it.
 * @param from a reference to a local layout or archive, or an open source (which stays open)
 * @throws as resolving the source and reading its layers; FormatError of stacking them; UnsupportedError IMAGE_NOT_BUILDABLE for an
 *   artifact; the reason of the signal
 */
export async function previewImage(
  from: string | ImageReference | PullSource,
  options: PreviewOptions = {},
): Promise<ImagePreview> {
  const { algorithm = 'sha512', version = 1 } = options;
  const opened = await openSource(from, options);
  let survey: Survey | undefined;
  try {
    const image = await opened.source.resolve(options);
    requireContainer(image);
    survey = new Survey(opened.source, image, { ...options, algorithm });
    const steps = encodeImageInSteps(await survey.readTree(), { version, algorithm });
    const bytes = await inTurns(steps, options);
    const view = viewImage(survey.scratch, hashContent(bytes, algorithm), bytes);
    return new ImagePreview(view, bytes, survey, opened);
  } catch (error) {
    await closeBoth(survey, opened);
    throw error;
  }
}

/** Closes the source even if closing the survey fails. */
async function closeBoth(survey: Survey | undefined, source: AsyncDisposable): Promise<void> {
  try {
    await survey?.[Symbol.asyncDispose]();
  } finally {
    await source[Symbol.asyncDispose]();
  }
}

function requireContainer(image: ResolvedImage): void {
  requireTarLayers(image);
  if (image.config !== undefined) return;
  throw new UnsupportedError(
    'IMAGE_NOT_BUILDABLE',
    `Cannot read files of ${image.manifest.digest}: an artifact has no files`,
    { image: image.manifest.digest },
  );
}

/** The result of reading the layers. */
class Survey implements AsyncDisposable {
  readonly scratch = new ScratchObjects();
  readonly #reader: LayerReader;
  readonly #layers: readonly PlannedLayer[];
  readonly #algorithm: VerityAlgorithm;
  readonly #options: StackOptions;
  readonly #places = new Map<ObjectId, Location>();

  constructor(
    source: PullSource,
    image: ResolvedImage,
    { algorithm, ...options }: PreviewOptions & { readonly algorithm: VerityAlgorithm },
  ) {
    this.#reader = new LayerReader(source, options);
    this.#layers = arrangeLayers(image);
    this.#algorithm = algorithm;
    this.#options = options;
  }

  /** Reads all layers. */
  async readTree(): Promise<Tree> {
    const stack = new LayerStack(this.#options);
    for (const layer of this.#layers) {
      const { position } = layer;
      stack.beginLayer(nameOf(layer));
      await this.#read(layer, {
        isWanted: () => false,
        onEntry: (entry, content, number) => {
          if (content.kind === 'external') this.#places.set(content.id, { position, number });
          stack.apply(entry, content);
        },
      });
    }
    return stack.finishImage();
  }

  async #read(
    layer: PlannedLayer,
    options: Pick<TarSurveyOptions, 'isWanted' | 'onEntry'>,
  ): Promise<void> {
    using tar = new TarSurvey({
      algorithm: this.#algorithm,
      reading: this.#options.reading,
      scratch: this.scratch,
      ...options,
    });
    await this.#reader.read(layer, (piece) => tar.push(piece));
    tar.end();
  }

  async bring(entries: Iterable<ViewEntry>): Promise<void> {
    const wanted = new Map<number, Map<number, ObjectId>>();
    for (const { objectId } of entries) {
      const place = objectId === undefined ? undefined : this.#places.get(objectId);
      if (objectId === undefined || place === undefined || this.scratch.has(objectId)) continue;
      const inLayer = wanted.get(place.position) ?? new Map<number, ObjectId>();
      wanted.set(place.position, inLayer.set(place.number, objectId));
    }
    for (const [position, numbers] of wanted) await this.#bringFrom(position, numbers);
  }

  async #bringFrom(position: number, numbers: ReadonlyMap<number, ObjectId>): Promise<void> {
    const layer = this.#layers[position];
    if (layer === undefined) return;
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
