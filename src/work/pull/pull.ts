import assert from 'node:assert';
import { availableParallelism } from 'node:os';
import type { ContentDigest, ObjectId } from '#base/digest';
import { IntegrityError, isOnecopyError, UnsupportedError } from '#base/errors';
import { type OperationOptions, pool as runPool } from '#base/flow';
import {
  type ImageReference,
  type Platform,
  parseLayerType,
  parseReference,
  type ResolvedImage,
  type ResolveOptions,
} from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';
import { openImageSource } from '#stores/oci-layout';
import {
  blobStreamName,
  configStreamName,
  encodeImages,
  type ImageIds,
  imageSlot,
  manifestStreamName,
  type OciImage,
  openOciImage,
  readLayer,
  storeConfig,
  storeManifest,
} from '#work/image';
import { BatchPool } from './batch-pool.ts';
import { type BlobContent, BlobReader } from './blob.ts';
import { type ImportContext, importBlob, importLayer } from './layer.ts';
import { countFile, type LayerCounts } from './layer-split.ts';
import { describePlan, findComplete, isBuilt, type PlannedLayer, planLayers } from './plan.ts';
import type { LayerReport, PullPlan, PullReport } from './report.ts';
import { StackFeed } from './stack-feed.ts';

/** Where an image comes from: an opened layout or archive, or a registry. */
export interface PullSource {
  /** Chooses one image and verifies it down to its config. */
  resolve(options?: ResolveOptions): ResolvedImage | Promise<ResolvedImage>;
  /** Opens a blob; its bytes are verified here, not there. */
  openBlob(digest: ContentDigest, sizeBytes?: number): BlobContent | Promise<BlobContent>;
}

/** How to pull. */
export interface PullOptions extends OperationOptions {
  /** Tag to give the image; without one the next garbage collection removes it. */
  readonly name?: string | undefined;
  readonly platform?: Platform | undefined;
  /** Refuse a repository that does not enforce fs-verity. */
  readonly requireVerity?: boolean | undefined;
  /** Also keep the blobs of the layers as they are, for a byte-identical export. They live as long as the manifest. */
  readonly keepBlobs?: boolean | undefined;
  /** Threads that write, and layers at once; default: the cores of this machine. */
  readonly jobs?: number | undefined;
  /** Largest unpacked layer, in bytes. */
  readonly layerBytesMax?: number | undefined;
}

/** Images whose missing blobs are smaller than this are written without threads: starting those would take longer. */
const SMALL_PULL_BYTES = 512 << 10;
/** Most writer threads: beyond, the one thread that splits is the limit. */
const JOBS_MAX = 16;

/**
 * Pulls one image or artifact into a repository. Blobs and diff ids are verified while they stream, and nothing of a layer gets its
 * name before both are right. Layers that the repository has are not read. The tag comes last: it appears when everything is on the
 * disk. An interrupted pull leaves its complete layers, which the next one does not read again, and otherwise unnamed objects that the
 * next garbage collection removes.
 * @param from a reference to a local layout or archive, or an open source (which stays open)
 * @throws NotFoundError, FormatError, IntegrityError, UnsupportedError as the source, `importLayer` and `buildImage` say; the reason of
 *   the signal
 */
export async function pullImage(
  repository: Repository,
  from: string | ImageReference | PullSource,
  options: PullOptions = {},
): Promise<PullReport> {
  options.signal?.throwIfAborted();
  repository.ensureWritable();
  if (options.requireVerity === true) requireVerity(repository);
  await using opened = await openSource(from);
  return await new Pull(repository, opened.source, options).run();
}

/** What `pullImage` would do; nothing is written. @throws as resolving the source */
export async function planPull(
  repository: Repository,
  from: string | ImageReference | PullSource,
  options: Pick<PullOptions, 'platform'> = {},
): Promise<PullPlan> {
  await using opened = await openSource(from);
  const image = await opened.source.resolve({ platform: options.platform });
  return describePlan(repository, image, planLayers(repository, image));
}

function requireVerity(repository: Repository): void {
  if (!repository.insecure) return;
  throw new IntegrityError(
    'VERITY_NOT_ENABLED',
    `Cannot pull into "${repository.root.label}": fs-verity is demanded, but the repository does not enforce it`,
    { what: repository.root.label },
    { hint: 'Create the repository anew on a filesystem with fs-verity (ext4, btrfs)' },
  );
}

interface OpenedSource extends AsyncDisposable {
  readonly source: PullSource;
}

async function openSource(from: string | ImageReference | PullSource): Promise<OpenedSource> {
  if (typeof from === 'object' && 'openBlob' in from) {
    return { source: from, async [Symbol.asyncDispose]() {} };
  }
  const reference = typeof from === 'string' ? parseReference(from) : from;
  switch (reference.transport) {
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir': {
      const source = await openImageSource(reference);
      return { source, [Symbol.asyncDispose]: async () => source[Symbol.dispose]() };
    }
    default:
      throw new UnsupportedError(
        'TRANSPORT_UNSUPPORTED',
        `Cannot pull from "${reference.transport}": expected oci, oci-archive, docker-archive or dir`,
        { transport: reference.transport },
      );
  }
}

/** One pull from resolving to tagging. */
class Pull {
  readonly #repository: Repository;
  readonly #source: PullSource;
  readonly #options: PullOptions;
  readonly #jobs: number;
  readonly #registrations: Promise<void>[] = [];
  readonly #blobs = new Map<ContentDigest, ObjectId>();
  readonly #counts: LayerCounts = {
    storedObjects: 0,
    storedBytes: 0,
    reusedObjects: 0,
    reusedBytes: 0,
    inlinedBytes: 0,
  };
  #fetchedBytes = 0;
  #localBytes = 0;

  constructor(repository: Repository, source: PullSource, options: PullOptions) {
    this.#repository = repository;
    this.#source = source;
    this.#options = options;
    this.#jobs = Math.max(1, Math.min(options.jobs ?? availableParallelism(), JOBS_MAX));
  }

  async run(): Promise<PullReport> {
    const clock = new PhaseClock();
    const image = await this.#source.resolve({ platform: this.#options.platform });
    requireTarLayers(image);
    const layers = planLayers(this.#repository, image);
    const jobs = this.#jobsFor(image, layers);
    clock.end('resolve');
    const isWanted =
      image.config !== undefined && !isBuilt(this.#repository, image.manifest.digest);
    const feed = isWanted ? new StackFeed(layers.map(nameOf)) : undefined;
    await using pool = this.#openPool(jobs);
    const ids = await this.#importAll({ layers, jobs, pool, feed });
    clock.end('layers');
    const images = feed === undefined ? undefined : this.#build(feed, ids);
    clock.end('image');
    await Promise.all(this.#registrations);
    const published = await this.#publish({ image, layers, ids, images });
    clock.end('publish');
    return this.#report({ image, layers, ids, published, built: feed !== undefined, clock });
  }

  /** What has to be read: layers that are missing, and blobs to be kept that are not. */
  #jobsFor(image: ResolvedImage, layers: readonly PlannedLayer[]): ImportJob[] {
    const keeps = this.#options.keepBlobs === true && image.config !== undefined;
    const seen = new Set<ContentDigest>();
    const jobs: ImportJob[] = [];
    for (const layer of layers) {
      const { digest } = layer.descriptor;
      const keptId = keeps ? this.#keptBlob(digest) : undefined;
      if (keptId !== undefined) this.#blobs.set(digest, keptId);
      const keepBlob = keeps && keptId === undefined && !seen.has(digest);
      const isMissing = layer.sameAs === undefined && layer.presentId === undefined;
      if (isMissing || keepBlob) jobs.push({ layer, isMissing, keepBlob });
      if (!isMissing && !keepBlob) this.#skip(layer);
      seen.add(digest);
    }
    return jobs.sort((a, b) => b.layer.descriptor.sizeBytes - a.layer.descriptor.sizeBytes);
  }

  #keptBlob(digest: ContentDigest): ObjectId | undefined {
    return findComplete(this.#repository, blobStreamName(digest), CONTENT_TYPES.ociBlob);
  }

  #skip(layer: PlannedLayer): void {
    if (layer.sameAs !== undefined) return;
    this.#options.onProgress?.({ type: 'skipped', id: nameOf(layer) });
  }

  #openPool(jobs: readonly ImportJob[]): BatchPool {
    const bytes = jobs.reduce((sum, { layer }) => sum + layer.descriptor.sizeBytes, 0);
    const workers = bytes < SMALL_PULL_BYTES ? 0 : this.#jobs;
    return new BatchPool(this.#repository.objects.writerSeed(), {
      workers,
      slots: workers === 0 ? 10 : 8 + 4 * workers,
    });
  }

  async #importAll(work: ImportWork): Promise<ObjectId[]> {
    const { layers, jobs, pool, feed } = work;
    const ids = layers.map(({ presentId }) => presentId);
    const context: ImportContext = {
      repository: this.#repository,
      pool,
      signal: this.#options.signal,
      layerBytesMax: this.#options.layerBytesMax,
    };
    try {
      // A second layer at once fills the gaps of the first; more would only cost memory when there are no more cores.
      await runPool(jobs, this.#jobs, async (job) => {
        const id = await this.#import(context, job, feed);
        if (job.isMissing) ids[job.layer.position] = id;
      });
    } catch (error) {
      // Layers that are complete get their names all the same.
      await Promise.allSettled(this.#registrations);
      throw this.#options.signal?.aborted === true ? this.#options.signal.reason : error;
    }
    return layers.map(({ position, sameAs }) => {
      const id = ids[sameAs ?? position];
      assert(id !== undefined, 'a layer was neither present nor imported');
      return id;
    });
  }

  async #import(
    context: ImportContext,
    { layer, isMissing, keepBlob }: ImportJob,
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const { signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    const { digest, sizeBytes } = layer.descriptor;
    const id = nameOf(layer);
    onProgress?.({ type: 'started', id, unit: 'bytes', total: sizeBytes });
    const content = await this.#source.openBlob(digest, sizeBytes);
    const blob = new BlobReader(content, { digest, sizeBytes }, (done) =>
      onProgress?.({ type: 'advanced', id, done, total: sizeBytes }),
    );
    try {
      const streamId = await this.#importBlob(context, blob, { layer, isMissing, keepBlob }, feed);
      onProgress?.({ type: 'done', id, transferred: blob.sizeBytes });
      return streamId;
    } finally {
      await blob.stop();
      if ('fd' in content) this.#localBytes += blob.sizeBytes;
      else this.#fetchedBytes += blob.sizeBytes;
    }
  }

  async #importBlob(
    context: ImportContext,
    blob: BlobReader,
    { layer, isMissing, keepBlob }: ImportJob,
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const { diffId, position, streamName, descriptor } = layer;
    if (diffId === undefined || !isMissing) {
      const { id, object } = await importBlob(context, blob);
      if (diffId === undefined) {
        countFile(this.#counts, object);
        this.#register(context.pool, streamName, id);
      } else {
        this.#keep(context.pool, descriptor.digest, id);
      }
      return id;
    }
    const onEntry = feed === undefined ? () => {} : feed.listener(position);
    const imported = await importLayer(context, blob, { diffId, onEntry, keepBlob });
    feed?.complete(position);
    for (const key of Object.keys(this.#counts) as (keyof LayerCounts)[]) {
      this.#counts[key] += imported.counts[key];
    }
    this.#register(context.pool, streamName, imported.id);
    if (imported.blobId !== undefined) {
      this.#keep(context.pool, descriptor.digest, imported.blobId);
    }
    return imported.id;
  }

  #keep(pool: BatchPool, digest: ContentDigest, id: ObjectId): void {
    this.#blobs.set(digest, id);
    this.#register(pool, blobStreamName(digest), id);
  }

  /** Names a stream once everything before is on the disk; meanwhile the pull goes on. */
  #register(pool: BatchPool, name: string, id: ObjectId): void {
    const registration = pool.sync().then(() => this.#repository.streams.register(name, id));
    registration.catch(() => {}); // Awaited later.
    this.#registrations.push(registration);
  }

  #build(feed: StackFeed, ids: readonly ObjectId[]): ImageIds {
    const { signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    const tree = feed.finish(
      (position) => ids[position] as ObjectId,
      (id) => readLayer(this.#repository, id),
    );
    return encodeImages(this.#repository, tree, { signal, onProgress });
  }

  /** Makes config and manifest lead to everything, and tags the manifest: the last step. */
  async #publish(input: PublishInput): Promise<Published> {
    const { image, ids, images } = input;
    const { signal, name } = this.#options;
    const digest = image.manifest.digest;
    const existing = this.#existing(digest);
    const slots = new Map([...(existing?.images ?? []), ...(images ?? [])]);
    const blobs = new Map([...(existing?.blobs ?? []), ...this.#blobs]);
    const current =
      existing?.layers.every((layer, index) => layer.id === ids[index]) &&
      isSame(existing.images, slots) &&
      isSame(existing.blobs, blobs)
        ? existing
        : undefined;
    const isNew = existing === undefined;
    const published =
      current === undefined
        ? await this.#store(input, { slots, blobs, isNew })
        : keepStreams(current, slots);
    signal?.throwIfAborted();
    if (current === undefined) this.#name(image.manifest.config.digest, digest, published);
    if (name !== undefined) this.#repository.tags.set(name, digest);
    return published;
  }

  async #store(
    { image, layers, ids }: PublishInput,
    { slots, blobs, isNew }: { slots: ImageIds; blobs: ImageBlobs; isNew: boolean },
  ): Promise<Published> {
    const { manifest, configBytes } = image;
    const refs = layers.map((layer, index) => [nameOf(layer), ids[index] as ObjectId] as const);
    const store = async (images: ImageIds) => {
      const configId = await storeConfig(this.#repository, configBytes, { layers: refs, images });
      const config = [manifest.config.digest, configId] as const;
      const manifestRefs = { config, layers: refs, blobs };
      const manifestId = await storeManifest(this.#repository, manifest.bytes, manifestRefs);
      return { configId, manifestId };
    };
    // Upstream stores both without images first; its objects stay, and are what a first pull reports.
    const first = isNew && slots.size > 0 ? await store(new Map()) : undefined;
    const last = await store(slots);
    return { ...last, firstManifestId: first?.manifestId ?? last.manifestId, slots };
  }

  #name(
    config: ContentDigest,
    manifest: ContentDigest,
    { configId, manifestId }: { configId: ObjectId; manifestId: ObjectId },
  ): void {
    const { streams } = this.#repository;
    const names = [
      [configStreamName(config), configId],
      [manifestStreamName(manifest), manifestId],
    ] as const;
    for (const [name, id] of names) {
      if (streams.idOf(name) !== id) streams.register(name, id);
    }
  }

  /** The image as an earlier pull left it; what cannot be read is made anew. */
  #existing(digest: ContentDigest): OciImage | undefined {
    try {
      return openOciImage(this.#repository, `@${digest}`);
    } catch (error) {
      if (isOnecopyError(error) && error.kind !== 'host') return undefined;
      throw error;
    }
  }

  #report(done: ReportInput): PullReport {
    const { image, layers, ids, published, built, clock } = done;
    const counts = this.#counts;
    return {
      name: this.#options.name,
      kind: image.config === undefined ? 'artifact' : 'image',
      manifestDigest: image.manifest.digest,
      configDigest: image.manifest.config.digest,
      manifestStreamId: published.manifestId,
      firstManifestStreamId: published.firstManifestId,
      imageId: published.slots.get(imageSlot(this.#repository.formats.default)),
      imageIds: Object.fromEntries(published.slots),
      built,
      layers: layers.map((layer, index) => reportLayer(layer, ids[index] as ObjectId)),
      objects: {
        stored: counts.storedObjects,
        reused: counts.reusedObjects,
        reflinked: 0,
        copied: counts.storedObjects,
      },
      bytes: {
        fetched: this.#fetchedBytes,
        local: this.#localBytes,
        stored: counts.storedBytes,
        inlined: counts.inlinedBytes,
      },
      ms: clock.phases(),
    };
  }
}

interface ImportJob {
  readonly layer: PlannedLayer;
  /** False when only the blob is wanted. */
  readonly isMissing: boolean;
  readonly keepBlob: boolean;
}

interface ImportWork {
  readonly layers: readonly PlannedLayer[];
  readonly jobs: readonly ImportJob[];
  readonly pool: BatchPool;
  readonly feed: StackFeed | undefined;
}

interface PublishInput {
  readonly image: ResolvedImage;
  readonly layers: readonly PlannedLayer[];
  readonly ids: readonly ObjectId[];
  readonly images: ImageIds | undefined;
}

type ImageBlobs = ReadonlyMap<ContentDigest, ObjectId>;

interface Published {
  readonly configId: ObjectId;
  readonly manifestId: ObjectId;
  readonly firstManifestId: ObjectId;
  readonly slots: ImageIds;
}

interface ReportInput {
  readonly image: ResolvedImage;
  readonly layers: readonly PlannedLayer[];
  readonly ids: readonly ObjectId[];
  readonly published: Published;
  readonly built: boolean;
  readonly clock: PhaseClock;
}

function isSame<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

function keepStreams(existing: OciImage, slots: ImageIds): Published {
  const { configStreamId, manifestStreamId } = existing;
  return {
    configId: configStreamId,
    manifestId: manifestStreamId,
    firstManifestId: manifestStreamId,
    slots,
  };
}

function nameOf({ diffId, descriptor }: PlannedLayer) {
  return diffId ?? descriptor.digest;
}

function reportLayer(layer: PlannedLayer, streamId: ObjectId): LayerReport {
  const { diffId, descriptor, sameAs, presentId } = layer;
  const isPresent = presentId !== undefined;
  return {
    diffId,
    digest: descriptor.digest,
    status: sameAs !== undefined ? 'repeated' : isPresent ? 'present' : 'imported',
    sizeBytes: descriptor.sizeBytes,
    streamId,
  };
}

/** @throws UnsupportedError MEDIA_TYPE_UNSUPPORTED when a container image has a layer that is no tar */
function requireTarLayers(image: ResolvedImage): void {
  if (image.config === undefined) return;
  for (const { mediaType, digest } of image.manifest.layers) {
    if (parseLayerType(mediaType) !== undefined) continue;
    throw new UnsupportedError(
      'MEDIA_TYPE_UNSUPPORTED',
      `Cannot pull layer ${digest}: expected a tar layer, found "${mediaType.slice(0, 200)}"`,
      { mediaType: mediaType.slice(0, 200), layer: digest },
    );
  }
}

/** Wall time by phase. */
class PhaseClock {
  readonly #start = performance.now();
  readonly #ms = { resolve: 0, layers: 0, image: 0, publish: 0 };
  #last = this.#start;

  end(phase: 'resolve' | 'layers' | 'image' | 'publish'): void {
    const now = performance.now();
    this.#ms[phase] = now - this.#last;
    this.#last = now;
  }

  phases(): PullReport['ms'] {
    return { ...this.#ms, total: this.#last - this.#start };
  }
}
