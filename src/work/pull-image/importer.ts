import assert from 'node:assert';
import type { ContentDigest, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type BlobContent, type RemoteBlob, pool as runPool } from '#base/flow';
import type { PartialBlob } from '#stores/composefs';
import { blobStreamName } from '#work/image';
import {
  BatchPool,
  BlobReader,
  countFile,
  type ImportedLayer,
  importBlob,
  importLayer,
  type LayerCounts,
  THREAD_BYTES_MIN,
  UnpackThread,
} from '#work/ingest';
import { ResumedBlob } from '#work/pull-partial';
import { BLOB_ONLY, CostCount } from './cost.ts';
import {
  type ImporterOptions,
  type ImportJob,
  type ImportTotals,
  planJobs,
  type RemoteOrder,
  restOf,
} from './import-job.ts';
import { importOther } from './other-layers.ts';
import { importAssembled } from './partial/assembled-layer.ts';
import type { PartialRoute } from './partial/partial-route.ts';
import { TocCapture } from './partial/toc-capture.ts';
import { nameOf, type PlannedLayer, type StoredLayer } from './plan.ts';
import type { LayerCost } from './report.ts';
import { contentOf, isRemote, PARTIAL_BYTES_MIN, resumeBlob } from './resume.ts';
import type { StackFeed } from './stack-feed.ts';

/**
 * Imports the missing layers of an image, the largest blob first, and names every layer as soon as it is on the disk. Its threads live
 * until it is disposed.
 */
export class Importer implements AsyncDisposable {
  readonly totals: ImportTotals = {
    storedObjects: 0,
    storedBytes: 0,
    reflinkedObjects: 0,
    reflinkedBytes: 0,
    reusedObjects: 0,
    reusedBytes: 0,
    inlinedBytes: 0,
    fetchedBytes: 0,
    localBytes: 0,
  };
  /** True when what failed will not fail so again: bytes that an earlier pull left were wrong and are gone, or objects were and are known to be. */
  isWorthAgain = false;
  /** What each layer has cost, by position. */
  readonly costs: LayerCost[] = [];
  /** Streams of the stored compressed blobs. */
  readonly blobs = new Map<ContentDigest, ObjectId>();
  readonly #options: ImporterOptions;
  readonly #layers: readonly PlannedLayer[];
  readonly #jobs: readonly ImportJob[];
  readonly #isSmall: boolean;
  readonly #pool: BatchPool;
  readonly #threads: UnpackThread[] = [];
  readonly #idle: UnpackThread[] = [];
  readonly #registrations: Promise<void>[] = [];

  constructor(layers: readonly PlannedLayer[], options: ImporterOptions) {
    this.#options = options;
    this.#layers = layers;
    this.#jobs = planJobs(layers, options, {
      onBlob: (digest, id) => void this.blobs.set(digest, id),
      onKnown: (layer, forecast) => {
        this.costs[layer.position] = new CostCount(forecast).value;
      },
    });
    const bytes = this.#jobs.reduce((sum, { layer }) => sum + layer.descriptor.sizeBytes, 0);
    this.#isSmall = bytes < THREAD_BYTES_MIN;
    // This thread splits, and helps to write instead of waiting.
    const workers = this.#isSmall ? 0 : Math.max(1, options.jobs - 1);
    this.#pool = new BatchPool(options.repository.objects.writerSeed(), {
      workers,
      slots: workers === 0 ? 10 : 8 + 4 * workers,
    });
  }

  /** Imports everything; resolves to the streams of all layers. Names follow: see `named`. */
  async run(feed: StackFeed | undefined): Promise<ObjectId[]> {
    const ids = this.#layers.map(({ presentId }) => presentId);
    try {
      // A second concurrent layer fills the idle time of the first; more layers would only cost memory without more cores.
      await runPool(this.#jobs, this.#options.jobs, async (job) => {
        const id = await this.#import(job, feed);
        if (job.isMissing) ids[job.layer.position] = id;
      });
    } catch (error) {
      // Complete layers get their names nevertheless.
      await Promise.allSettled(this.#registrations);
      throw error;
    }
    // Frees the memory of the threads for the image.
    await this.#stopUnpacking();
    this.#pool.retire();
    return this.#layers.map(({ position, sameAs }) => {
      const id = ids[sameAs ?? position];
      assert(id !== undefined, 'a layer was neither present nor imported');
      return id;
    });
  }

  /** Resolves when everything that was imported has its name. */
  async named(): Promise<void> {
    await Promise.all(this.#registrations);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopUnpacking();
    await Promise.all([this.#options.parts, this.#pool].map((one) => one[Symbol.asyncDispose]()));
  }

  async #stopUnpacking(): Promise<void> {
    const threads = this.#threads.splice(0);
    await Promise.all(threads.map((thread) => thread[Symbol.asyncDispose]()));
  }

  async #import(job: ImportJob, feed: StackFeed | undefined): Promise<ObjectId> {
    const { repository, signal, onProgress, openBlob, openLayer, openTar, planLayer } =
      this.#options;
    signal?.throwIfAborted();
    const { digest, sizeBytes } = job.layer.descriptor;
    const id = nameOf(job.layer);
    const isOther = openTar !== undefined || (openLayer !== undefined && !job.keepBlob);
    if (isOther && job.layer.diffId !== undefined) return await this.#importOther(job.layer, feed);
    onProgress?.({ type: 'started', id, unit: 'bytes', total: sizeBytes });
    const content = await openBlob(digest, sizeBytes);
    const heldBytes = repository.partials.heldBytes(digest);
    const { route, reason } = await planLayer({ layer: job.layer, content, heldBytes, signal });
    const cost = new CostCount(job.isMissing ? { route, reason } : BLOB_ONLY);
    try {
      const streamId = isRemote(content)
        ? await this.#importRemote(job, { blob: content, cost }, feed)
        : await this.#importLocal(job, { content, cost }, feed);
      onProgress?.({ type: 'done', id, transferred: sizeBytes });
      return streamId;
    } finally {
      if (isRemote(content)) cost.addTraffic(content.traffic);
      this.costs[job.layer.position] = cost.value;
    }
  }

  async #importLocal(
    job: ImportJob,
    { content, cost }: { readonly content: BlobContent; readonly cost: CostCount },
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const { sizeBytes } = job.layer.descriptor;
    const id = await this.#importContent(job, { content, cost }, feed);
    if ('fd' in content) {
      cost.reused.file += sizeBytes;
      this.totals.localBytes += sizeBytes;
    } else {
      cost.fetchedBytes += sizeBytes;
      this.totals.fetchedBytes += sizeBytes;
    }
    return id;
  }

  async #importContent(
    job: ImportJob,
    { content, cost }: { readonly content: BlobContent; readonly cost: CostCount },
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const isBlob = job.layer.diffId === undefined || !job.isMissing;
    if (isBlob) return await this.#importBlob(job, content);
    const { id, counts } = await this.#importLayer(job, content, feed);
    cost.reused.objects += counts.reusedBytes;
    return id;
  }

  /** Fetches a blob, and keeps the received bytes until the layer has its name. Waits if another pull fetches it. */
  async #importRemote(
    asked: ImportJob,
    { blob, cost }: { readonly blob: RemoteBlob; readonly cost: CostCount },
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const { repository, signal, lookAgain } = this.#options;
    const partial = await repository.partials.open(blob.digest, { signal });
    try {
      const stored = await lookAgain(asked.layer);
      const job = restOf(asked, stored);
      this.#noteStored(asked, stored);
      if (job === undefined) {
        partial.remove();
        partial[Symbol.dispose]();
        cost.way = { route: 'linked', reason: 'another pull has stored it meanwhile' };
        return (stored.presentId ?? stored.blobId) as ObjectId;
      }
      const parts = this.#partsFor(job);
      const order = { blob, cost, partial };
      const id =
        parts === undefined
          ? await this.#importResumed(job, order, feed)
          : await this.#importParts(job, { ...order, parts }, feed);
      this.#release(partial);
      return job.isMissing ? id : (stored.presentId ?? id);
    } catch (error) {
      // Wrong bytes would be wrong again.
      if (isOnecopyError(error) && error.kind !== 'transport' && error.kind !== 'host') {
        // What is not this blob would be so again; what was not taken from the blob says nothing of it.
        if (!this.isWorthAgain) partial.remove();
        this.isWorthAgain ||= partial.heldBytes > 0;
      }
      partial[Symbol.dispose]();
      throw error;
    }
  }

  async #importResumed(
    job: ImportJob,
    { blob, cost, partial }: RemoteOrder,
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const { signal } = this.#options;
    const isKept = blob.sizeBytes >= PARTIAL_BYTES_MIN || partial.heldBytes > 0;
    const content = isKept ? resumeBlob(blob, partial, { signal }) : contentOf(blob, { signal });
    const id = await this.#importContent(job, { content, cost }, feed);
    cost.reused.partial += partial.heldBytes;
    this.totals.localBytes += partial.heldBytes;
    this.totals.fetchedBytes += blob.sizeBytes - partial.heldBytes;
    return id;
  }

  /** Keeps what another pull has stored of a job. */
  #noteStored({ layer, isMissing, keepBlob }: ImportJob, { presentId, blobId }: StoredLayer): void {
    const { access } = this.#options;
    const { digest } = layer.descriptor;
    if (isMissing && presentId !== undefined) access.keep(layer.streamName);
    if (!keepBlob || blobId === undefined) return;
    access.keep(blobStreamName(digest));
    this.blobs.set(digest, blobId);
  }

  /** Who brings a layer in parts; nobody brings so what is kept as a blob. */
  #partsFor({ layer, isMissing, keepBlob }: ImportJob): PartialRoute | undefined {
    const { parts } = this.#options;
    return isMissing && !keepBlob && parts.whyWhole(layer) === undefined ? parts : undefined;
  }

  /** Puts a layer together from parts, or takes its blob where that is not possible or not worth it. */
  async #importParts(
    job: ImportJob,
    { blob, cost, partial, parts }: RemoteOrder & { readonly parts: PartialRoute },
    feed: StackFeed | undefined,
  ): Promise<ObjectId> {
    const { signal, repository, reading } = this.#options;
    const { layer } = job;
    await using resumed = new ResumedBlob(blob, partial);
    const heldBytes = resumed.heldBytes + resumed.prefixBytes;
    const opened = await parts.open(layer, resumed, signal);
    cost.way = {
      route: opened.kind === 'whole' ? 'whole' : 'partial',
      reason: opened.plan.reason,
    };
    cost.reused.partial += heldBytes;
    this.totals.localBytes += heldBytes;
    try {
      if (opened.kind === 'whole') {
        const content = opened.blob ?? resumed.read({ signal });
        return await this.#importContent(job, { content, cost }, feed);
      }
      resumed.requireRanges();
      const layerFeed = feed?.listener(layer.position);
      const assembly = { repository, pool: this.#pool, signal, reading, onEntry: layerFeed };
      const imported = await importAssembled(assembly, layer, opened, this.#advance(layer));
      feed?.complete(layer.position);
      this.#count(imported.counts);
      this.#register(layer.streamName, imported.id);
      parts.note(layer);
      cost.reused.objects += imported.counts.reusedBytes;
      cost.reused.chunks += opened.bytes.localBytes - opened.bytes.placedBytes;
      this.totals.localBytes += opened.bytes.localBytes;
      return imported.id;
    } catch (error) {
      if (opened.kind === 'parts') this.isWorthAgain ||= parts.isDoubtful(opened, error);
      throw error;
    } finally {
      this.totals.fetchedBytes += blob.traffic.bodyBytes;
    }
  }

  /** Lets the next pull have a blob when its stream, one of those imported so far, has its name. */
  #release(partial: PartialBlob): void {
    const released = Promise.all(this.#registrations).then(
      () => {
        partial.remove();
        partial[Symbol.dispose]();
      },
      () => partial[Symbol.dispose](),
    );
    this.#registrations.push(released);
  }

  async #importBlob({ layer }: ImportJob, content: BlobContent): Promise<ObjectId> {
    const { repository, signal } = this.#options;
    const blob = new BlobReader(content, layer.descriptor, this.#advance(layer));
    const { id, object } = await importBlob({ repository, pool: this.#pool, signal }, blob);
    if (layer.diffId === undefined) {
      countFile(this.totals, object);
      this.#register(layer.streamName, id);
    } else {
      this.#keep(layer.descriptor.digest, id);
    }
    return id;
  }

  async #importLayer(
    { layer, keepBlob }: ImportJob,
    content: BlobContent,
    feed: StackFeed | undefined,
  ): Promise<ImportedLayer> {
    const { repository, signal, layerBytesMax, reading } = this.#options;
    const { diffId, position, descriptor } = layer;
    assert(diffId !== undefined, 'a layer without a diff id is a blob');
    const thread = this.#isSmall ? undefined : this.#takeThread();
    const { digest, sizeBytes } = descriptor;
    const context = { repository, pool: this.#pool, signal };
    const location = this.#options.parts.locate(layer);
    const capture = location === undefined ? undefined : new TocCapture(location);
    const imported = await importLayer(context, {
      expected: { digest, sizeBytes, diffId, layerBytesMax },
      content: capture?.watch(content) ?? content,
      onEntry: feed === undefined ? () => {} : feed.listener(position),
      onAdvance: this.#advance(layer),
      reading,
      keepBlob,
      thread,
    });
    if (thread !== undefined) this.#idle.push(thread);
    feed?.complete(position);
    this.#count(imported.counts);
    this.#register(layer.streamName, imported.id);
    if (imported.blobId !== undefined) this.#keep(digest, imported.blobId);
    if (capture !== undefined) this.#options.parts.note(layer, capture.metadata);
    return imported;
  }

  /** Imports a layer that is no blob, but files and a tar-split, or a tar that a delta makes. Its blob is not made. */
  async #importOther(layer: PlannedLayer, feed: StackFeed | undefined): Promise<ObjectId> {
    const { repository, signal } = this.#options;
    const context = { repository, pool: this.#pool, signal };
    const imported = await importOther(context, layer, {
      ...this.#options,
      onEntry: feed === undefined ? () => {} : feed.listener(layer.position),
    });
    feed?.complete(layer.position);
    this.#count(imported.counts);
    this.totals.localBytes += imported.tarBytes;
    const cost = new CostCount(imported.way);
    cost.reused.file += imported.fileBytes;
    cost.reused.objects += imported.counts.reusedBytes;
    this.costs[layer.position] = cost.value;
    this.#register(layer.streamName, imported.id);
    return imported.id;
  }

  #takeThread(): UnpackThread {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const thread = new UnpackThread();
    this.#threads.push(thread);
    return thread;
  }

  #count(counts: LayerCounts): void {
    for (const key of Object.keys(counts) as (keyof LayerCounts)[]) {
      this.totals[key] += counts[key];
    }
  }

  #advance(layer: PlannedLayer): (readBytes: number) => void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return () => {};
    const id = nameOf(layer);
    const total = layer.descriptor.sizeBytes;
    return (done) => onProgress({ type: 'advanced', id, done, total });
  }

  #keep(digest: ContentDigest, id: ObjectId): void {
    this.blobs.set(digest, id);
    this.#register(blobStreamName(digest), id);
  }

  /** Names a stream once everything before is on the disk; meanwhile the pull goes on. */
  #register(name: string, id: ObjectId): void {
    const { repository, access } = this.#options;
    const registration = this.#pool.sync().then(() => access.name(repository, name, id));
    registration.catch(() => {}); // Awaited later.
    this.#registrations.push(registration);
  }
}
