import type { ObjectId } from '#base/digest';
import { hasCode, IntegrityError, isOnecopyError } from '#base/errors';
import { inTurns, type OperationOptions } from '#base/flow';
import type { ImageReference, LayerDifferences, Platform, ResolvedImage } from '#formats/oci';
import type { Reading } from '#formats/tree';
import type { Repository, Suspects } from '#stores/composefs';
import type { ContentSource } from '#work/contents';
import {
  encodeImages,
  type ImageIds,
  imageSlot,
  linkSubject,
  manifestStreamName,
  noteChosenFrom,
  noteOrigin,
  readLayer,
} from '#work/image';
import type { ReflinkPolicy } from '#work/ingest';
import type { PullStrategy } from '#work/pull-partial';
import { type ImageJudge, noteAcceptance, type TrustReport } from '#work/trust';
import { HELD, type PullAccess, withAccess } from './access.ts';
import { joinCosts } from './cost.ts';
import { DeltaAwareSource } from './delta/delta-aware.ts';
import { jobsOf } from './forecast/jobs.ts';
import { preparePull, requireLimits } from './forecast/prepare.ts';
import type { LayerPlanner } from './forecast/route.ts';
import type { ImportTotals } from './import-job.ts';
import { Importer } from './importer.ts';
import { PartialRoute, type PartialRouteOptions } from './partial/partial-route.ts';
import { PhaseClock } from './phase-clock.ts';
import {
  arrangeLayers,
  findLayer,
  isBuilt,
  isMissing,
  nameLayers,
  nameOf,
  type PlannedLayer,
  planLayers,
  reportLayer,
  streamsOf,
} from './plan.ts';
import { type Published, type PublishInput, publishImage, type UpstreamSteps } from './publish.ts';
import type { LayerCost, PullReport } from './report.ts';
import { type OpenSourceOptions, openSource, type PullSource } from './source.ts';
import { StackFeed } from './stack-feed.ts';
import { settleSuspects } from './suspects.ts';

/** How to pull. */
export interface PullOptions extends OperationOptions, OpenSourceOptions {
  /** Tag of the image; without one, the next garbage collection removes it. */
  readonly name?: string | undefined;
  readonly platform?: Platform | undefined;
  /** Refuse a repository that does not enforce fs-verity. */
  readonly requireVerity?: boolean | undefined;
  /** Also store the compressed blobs of the layers, for a byte-identical export. They live as long as the manifest. */
  readonly keepBlobs?: boolean | undefined;
  /**
   * Verify everything that is stored before it is reused: the content of every object, the diff id of every layer; and build the images
   * again. Otherwise objects count by name and size, under fs-verity by the kernel's digest, and by their content where a check has
   * found something wrong with them.
   */
  readonly verifyReused?: boolean | undefined;
  /**
   * Called before anything is stored; throws to refuse the image. Default: the judge of the source, which applies the policy of this host
   * to registries.
   */
  readonly judge?: ImageJudge | undefined;
  /** Threads that write, and layers at once; default: the cores of this machine. */
  readonly jobs?: number | undefined;
  /** Most bytes to fetch: a pull that would need more is refused before the first byte of a layer. */
  readonly maxBytes?: number | undefined;
  /** Largest unpacked layer, in bytes. */
  readonly layerBytesMax?: number | undefined;
  /** Most files and directories of the image. */
  readonly entriesMax?: number | undefined;
  /** Selects the routes of missing layers (default: complete blobs). */
  readonly planLayer?: LayerPlanner | undefined;
  /** How files of containers-storage become objects: by default by reflink where the filesystems can, else by copying. */
  readonly reflink?: ReflinkPolicy | undefined;
  /** Reading of layers (default: `standard`; a stored image keeps its reading). */
  readonly reading?: Reading | undefined;
  /**
   * @internal Publish in the steps of composefs-rs: the streams before there is an EROFS image are stored, too. Nothing uses them afterwards, and the
   * next garbage collection removes them; scripts written for it count them.
   */
  readonly likeUpstream?: UpstreamSteps | undefined;
  /** How layers with a TOC come: by what is cheaper (default), whole, or by ranges wherever that is possible. */
  readonly strategy?: PullStrategy | undefined;
  /** @internal Other stores whose files are used where a layer comes in parts; they stay open. */
  readonly sources?: readonly ContentSource[] | undefined;
  /** Told what a user should know although the pull goes on. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /**
   * Hold the lock of the repository during the whole pull, as other uses of the same open repository may need. By default, a pull over a network holds
   * it only to name what is stored, so that other processes can collect garbage meanwhile.
   */
  readonly holdLock?: boolean | undefined;
}

/** Attempts to bring an image when objects or partial blobs here turn out to be damaged. */
const ATTEMPTS_MAX = 4;

/**
 * Pulls one image or artifact into a repository. Of a delta between two images, the new image is pulled; the old one must be stored. Blobs and diff ids are verified while they stream, and nothing of a layer gets its name
 * before both are right. Stored layers are not read. The tag is written last, after everything is on the disk. An interrupted pull leaves
 * complete layers, which the next pull reuses, and unnamed objects, which the next garbage collection removes.
 * @param from a reference to a registry, local layout or archive, or an open source (which stays open)
 * @throws NotFoundError, FormatError, IntegrityError, UnsupportedError as the source, `importLayer` and `buildImage` say; the reason of
 *   the signal; ConflictError PULL_OVER_BUDGET; HostError SPACE_INSUFFICIENT
 */
export async function pullImage(
  repository: Repository,
  from: string | ImageReference | PullSource,
  options: PullOptions = {},
): Promise<PullReport> {
  options.signal?.throwIfAborted();
  repository.ensureWritable();
  if (options.requireVerity === true) requireVerity(repository);
  await using opened = await openSource(from, options);
  const source = new DeltaAwareSource(repository, opened.source);
  return await new ImagePull(repository, source, options).run();
}

function routeOptions({
  strategy = 'auto',
  layerBytesMax,
  sources,
}: Pick<PullOptions, 'strategy' | 'layerBytesMax' | 'sources'>): PartialRouteOptions {
  return { strategy, layerBytesMax, sources };
}

function requireVerity(repository: Repository): void {
  if (!repository.insecure) return;
  throw new IntegrityError(
    'VERITY_NOT_ENABLED',
    `Cannot pull into "${repository.root.label}": fs-verity is required, but the repository does not enforce it`,
    { what: repository.root.label },
    { hint: 'Create a new repository on a filesystem with fs-verity (ext4 or btrfs)' },
  );
}

/** One pull from resolving to tagging. */
class ImagePull {
  readonly #repository: Repository;
  readonly #source: PullSource;
  readonly #options: PullOptions;
  readonly #clock = new PhaseClock();
  #trust: TrustReport | undefined;
  #isWorthAgain = false;
  /** What an attempt that failed has cost, by position of the layer. */
  #costsBefore: readonly (LayerCost | undefined)[] = [];

  constructor(repository: Repository, source: PullSource, options: PullOptions) {
    this.#repository = repository;
    this.#source = source;
    this.#options = options;
  }

  async run(): Promise<PullReport> {
    const { signal, onProgress, holdLock = false } = this.#options;
    const isLeased = this.#source.isRemote === true && !holdLock;
    return await withAccess(this.#repository, { signal, onProgress, isLeased }, (access) =>
      this.#run(access),
    );
  }

  async #run(access: PullAccess): Promise<PullReport> {
    const { verifyReused = false } = this.#options;
    const repository = this.#repository;
    if (verifyReused) repository.objects.distrustAll();
    const prepared = await preparePull(repository, this.#source, this.#options);
    const { image, layers } = prepared;
    this.#trust = prepared.trust;
    await requireLimits(repository, this.#source, prepared, this.#options);
    this.#clock.end('resolve');
    try {
      return await this.#bringAtLast(image, layers, access);
    } catch (error) {
      // A stored layer may have been split in the other reading; then it is imported once more.
      const isStored = layers.some(({ presentId }) => presentId !== undefined);
      if (!isStored || !isSplitOtherwise(error)) throw error;
      return await access.locked(() => this.#bring(image, arrangeLayers(image), HELD));
    }
  }

  /**
   * Brings the image, again where what was in the way is out of it: bytes of an earlier pull that were wrong, objects that were damaged or removed.
   * Where another program has removed objects, the next attempt holds the lock all the time, so that it cannot do so again.
   */
  async #bringAtLast(
    image: ResolvedImage,
    layers: readonly PlannedLayer[],
    access: PullAccess,
  ): Promise<PullReport> {
    const { verifyReused = false, keepBlobs, signal } = this.#options;
    const planAgain = () =>
      planLayers(this.#repository, image, { verifyReused, keepBlobs, signal });
    let bring = () => this.#bring(image, layers, access);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await bring();
      } catch (error) {
        const wasRemoved = !access.isHeld && hasCode(error, 'OBJECT_NOT_FOUND');
        const isWorthAgain = this.#isWorthAgain || wasRemoved;
        if (!isWorthAgain || !isOnecopyError(error) || attempt === ATTEMPTS_MAX) throw error;
        this.#isWorthAgain = false;
        bring = wasRemoved
          ? () => access.locked(async () => this.#bring(image, await planAgain(), HELD))
          : async () => this.#bring(image, await planAgain(), access);
      }
    }
  }

  async #bring(
    image: ResolvedImage,
    layers: readonly PlannedLayer[],
    access: PullAccess,
  ): Promise<PullReport> {
    const { signal, reading, verifyReused = false } = this.#options;
    await access.begin();
    const before = this.#repository.suspects.read();
    const isWanted =
      image.config !== undefined &&
      (verifyReused ||
        layers.some(isMissing) ||
        !isBuilt(this.#repository, image.manifest.digest, reading));
    const feed = isWanted ? this.#openFeed(layers) : undefined;
    for (const name of layers.flatMap(streamsOf)) access.keep(name);
    this.#options.likeUpstream?.onStep?.('layers', layers.length);
    await using importer = this.#openImporter(layers, access);
    try {
      const ids = await importer.run(feed);
      this.#clock.end('layers');
      signal?.throwIfAborted();
      return await access.locked(async () => {
        await access.requireStreams([...ids, ...importer.blobs.values()]);
        const brought = { image, layers, ids, feed, importer, before };
        return await this.#publish(brought, access);
      });
    } catch (error) {
      this.#isWorthAgain = importer.isWorthAgain;
      this.#costsBefore = importer.costs.map((cost, at) => joinCosts(this.#costsBefore[at], cost));
      throw error;
    }
  }

  #openFeed(layers: readonly PlannedLayer[]): StackFeed {
    const { reading, entriesMax } = this.#options;
    return new StackFeed(layers.map(nameOf), { reading, entriesMax });
  }

  /** Builds the images of layers that are stored, and publishes everything; under the lock. */
  async #publish(brought: Brought, { isHeld, keep }: PullAccess): Promise<PullReport> {
    const { image, layers, ids, importer, before } = brought;
    const { signal, onProgress, reading, name, likeUpstream } = this.#options;
    likeUpstream?.onStep?.('documents', layers.length);
    const { digest } = image.manifest;
    const wasRemoved =
      !isHeld && image.config !== undefined && !isBuilt(this.#repository, digest, reading);
    const feed = brought.feed ?? (wasRemoved ? this.#openFeed(layers) : undefined);
    const images =
      feed === undefined ? undefined : await this.#build(feed, ids, { signal, onProgress });
    this.#clock.end('image');
    await importer.named();
    const { totals, blobs } = importer;
    const costs = importer.costs.map((cost, at) => joinCosts(this.#costsBefore[at], cost));
    const differences = feed?.differences;
    const built = differences === undefined ? {} : { reading: readingOf(differences) };
    const input = { image, layers, ids, images, blobs, reading: undefined, ...built };
    const published = await publishImage(this.#repository, input, { likeUpstream, signal });
    keep(manifestStreamName(digest));
    linkSubject(this.#repository, image.manifest);
    noteAcceptance(this.#repository, digest, this.#trust);
    const { origin } = this.#source;
    if (origin !== undefined) noteOrigin(this.#repository, digest, origin);
    // What is read as cfsctl reads it is stored as cfsctl stores it, and nothing beside it.
    if (reading !== 'cfsctl') noteChosenFrom(this.#repository, image);
    if (name !== undefined) this.#repository.tags.set(name, image.manifest.digest);
    if (!isHeld) nameLayers(this.#repository, layers, ids);
    settleSuspects(this.#repository, before, image, layers);
    this.#clock.end('publish');
    return { ...this.#report(input, published, { totals, costs }), differences };
  }

  #openImporter(layers: readonly PlannedLayer[], access: PullAccess): Importer {
    const { signal, onProgress, keepBlobs, layerBytesMax, reading, reflink, verifyReused } =
      this.#options;
    const source = this.#source;
    const parts = new PartialRoute(this.#repository, {
      ...routeOptions(this.#options),
      verifiesFirst: verifyReused,
      onChanged: (id) => {
        this.#options.onWarning?.(
          `object ${id} is not what its name says: it is not used, and is stored anew where this image has it`,
        );
      },
    });
    return new Importer(layers, {
      parts,
      planLayer: this.#options.planLayer ?? ((input) => parts.forecastWhole(input)),
      repository: this.#repository,
      access,
      openBlob: (digest, sizeBytes) => source.openBlob(digest, sizeBytes),
      openLayer: source.openLayer?.bind(source),
      openTar: source.openTar,
      reflink: reflink ?? 'auto',
      lookAgain: (layer) => findLayer(this.#repository, layer, { verifyReused, keepBlobs, signal }),
      keepBlobs: keepBlobs === true,
      jobs: jobsOf(this.#options),
      layerBytesMax,
      reading,
      signal,
      onProgress,
    });
  }

  async #build(
    feed: StackFeed,
    ids: readonly ObjectId[],
    options: OperationOptions,
  ): Promise<ImageIds> {
    const steps = feed.finish(
      (position) => ids[position] as ObjectId,
      (id) => readLayer(this.#repository, id, this.#options.reading),
    );
    const tree = await inTurns(steps, options);
    return await encodeImages(this.#repository, tree, options);
  }

  #report(
    input: PublishInput,
    published: Published,
    { totals, costs }: { readonly totals: ImportTotals; readonly costs: readonly LayerCost[] },
  ): Omit<PullReport, 'differences'> {
    const { image, layers, ids, images } = input;
    return {
      name: this.#options.name,
      kind: image.config === undefined ? 'artifact' : 'image',
      manifestDigest: image.manifest.digest,
      configDigest: image.manifest.config.digest,
      trust: this.#trust,
      manifestStreamId: published.manifestId,
      firstManifestStreamId: published.firstManifestId,
      firstConfigStreamId: published.firstConfigId,
      imageId: published.slots.get(imageSlot(this.#repository.formats.default)),
      imageIds: Object.fromEntries(published.slots),
      built: images !== undefined,
      reading: image.config === undefined ? undefined : published.reading,
      layers: layers.map((layer, index) =>
        reportLayer(layer, ids[index] as ObjectId, costs[index] as LayerCost),
      ),
      objects: {
        stored: totals.storedObjects,
        reused: totals.reusedObjects,
        reflinked: totals.reflinkedObjects,
        copied: totals.storedObjects - totals.reflinkedObjects,
      },
      bytes: {
        fetched: totals.fetchedBytes,
        local: totals.localBytes,
        stored: totals.storedBytes,
        reflinked: totals.reflinkedBytes,
        inlined: totals.inlinedBytes,
      },
      traffic: this.#source.traffic,
      ms: this.#clock.phases(),
    };
  }
}

/** The layers of an image, stored. */
interface Brought {
  readonly image: ResolvedImage;
  readonly layers: readonly PlannedLayer[];
  readonly ids: readonly ObjectId[];
  readonly feed: StackFeed | undefined;
  readonly importer: Importer;
  readonly before: Suspects;
}

/** Where both readings agree, the images are those of composefs-rs. */
function readingOf({ count }: LayerDifferences): Reading {
  return count > 0 ? 'standard' : 'cfsctl';
}

/** Errors of reading a stored layer back that another split would not give. */
function isSplitOtherwise(error: unknown): boolean {
  return isOnecopyError(error) && error.code.startsWith('TAR_');
}
