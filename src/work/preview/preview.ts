import type { ObjectId } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import { type ErofsVersion, readTreeInSteps } from '#formats/erofs';
import type { VerityAlgorithm } from '#formats/fsverity';
import type { ImageReference, Platform, ResolvedImage, StackOptions } from '#formats/oci';
import type { Tree } from '#formats/tree';
import { type ImageView, type ViewEntry, viewImage } from '#work/browse';
import { encodeTree } from '#work/encode';
import {
  type LayerReaderOptions,
  type OpenSourceOptions,
  openSource,
  type PullSource,
  requireTarLayers,
} from '#work/pull-image';
import type { PullStrategy } from '#work/pull-partial';
import type { ScratchContent } from './scratch.ts';
import { Survey } from './survey.ts';

/** Options of a preview. */
export interface PreviewOptions extends LayerReaderOptions, OpenSourceOptions, StackOptions {
  readonly platform?: Platform | undefined;
  /** Hash of the object ids; default sha512. A repository of this algorithm would have the same ids. */
  readonly algorithm?: VerityAlgorithm | undefined;
  /** Version of the EROFS image, which decides the image id; default 1. */
  readonly version?: ErofsVersion | undefined;
  /**
   * Whether layers of a registry are read by their TOCs, and contents by ranges: `whole` (default) never, `auto` if that is cheaper, `partial` if
   * it is possible. The digest in the manifest authenticates a TOC, but the TOC is not verified against the diff id, and there are no object ids
   * then.
   */
  readonly strategy?: PullStrategy | undefined;
}

/** Contents of files that were fetched from the source. */
export interface BroughtContents {
  /** @throws NotFoundError OBJECT_NOT_FOUND for a content that was not fetched */
  open(id: ObjectId): ScratchContent;
}

/**
 * The files of an image at its source, with the same ids as after a pull, including the image id, unless a layer was read by its TOC. The
 * layers are read once and verified, and nothing is stored; `bring` reads contents. Disposing it closes the source.
 */
export class ImagePreview implements AsyncDisposable {
  readonly view: ImageView;
  /** Contents that were fetched. */
  readonly objects: BroughtContents;
  /** False if a layer was read by its TOC: then there is no image id, and entries have no object ids. */
  readonly hasObjectIds: boolean;
  readonly #bytes: Uint8Array;
  readonly #survey: Survey;
  readonly #source: AsyncDisposable;

  /** Use {@link previewImage}. */
  constructor(view: ImageView, bytes: Uint8Array, survey: Survey, source: AsyncDisposable) {
    this.view = view;
    this.objects = survey.scratch;
    this.hasObjectIds = survey.hasObjectIds;
    this.#bytes = bytes;
    this.#survey = survey;
    this.#source = source;
  }

  /** The whole tree of the image. @throws the signal's reason */
  async readTree(options: Pick<OperationOptions, 'signal'> = {}): Promise<Tree> {
    return await inTurns(readTreeInSteps(this.#bytes), options);
  }

  /**
   * Makes contents readable: reads their layers again, or the ranges of the files, and stores the requested files in the directory for
   * temporary files.
   * @throws as `previewImage`; IntegrityError OBJECT_DIGEST_MISMATCH when the source has changed; HostError NO_SPACE
   */
  async bring(entries: Iterable<ViewEntry>): Promise<void> {
    const ids = [...entries].map((entry) => this.view.contentIdOf(entry));
    await this.#survey.bring(ids);
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
  const { algorithm = 'sha512', version = 1, strategy = 'whole' } = options;
  const opened = await openSource(from, options);
  let survey: Survey | undefined;
  try {
    const image = await opened.source.resolve(options);
    requireContainer(image);
    survey = new Survey(opened.source, image, { ...options, algorithm, strategy });
    const tree = await survey.readTree();
    const { id: imageId, bytes } = await encodeTree({ algorithm }, tree, version, options);
    const view = viewImage(survey.scratch, imageId, bytes, survey.hasObjectIds);
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
