import type { DiffId, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { startWorker, type WorkerHandle } from '#host';
import type { Repository } from '#stores/composefs';
import { TocStore } from '../toc-store.ts';
import { indexNameOf } from './layer-index.ts';
import { type IndexOrder, makeIndex } from './make-index.ts';

/** A compressed TOC that is worth a thread, in bytes: starting one takes about as long as reading so much. */
const THREAD_TOC_BYTES_MIN = 256 * 1024;

/** A stored layer: its diff id, and its stream. */
export interface StoredLayer {
  readonly diffId: DiffId;
  readonly id: ObjectId;
}

/** Makes indexes of stored layers whose TOC was kept: when they are asked for, or ahead in another thread. */
export class StoredIndexer implements AsyncDisposable {
  readonly #repository: Repository;
  readonly #tocs: TocStore;
  readonly #results = new Map<DiffId, Promise<boolean>>();
  #running: WorkerHandle<never, Uint8Array | undefined> | undefined;
  #isDisposed = false;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.#tocs = new TocStore(repository);
  }

  /** Begins to index large layers in another thread, one after the other. */
  begin(layers: Iterable<StoredLayer>): void {
    let previous: Promise<unknown> = Promise.resolve();
    for (const layer of layers) {
      if (this.#results.has(layer.diffId)) continue;
      const result = previous.then(() => this.#index(layer, true));
      result.catch(() => {}); // The search awaits it.
      this.#results.set(layer.diffId, result);
      previous = result.catch(() => {});
    }
  }

  /** Indexes a layer, unless that has begun; false when it is not possible. */
  async index(layer: StoredLayer): Promise<boolean> {
    const begun = this.#results.get(layer.diffId);
    if (begun !== undefined) return await begun;
    return await this.#index(layer, false);
  }

  async #index({ diffId, id }: StoredLayer, isAhead: boolean): Promise<boolean> {
    const location = this.#tocs.locationOf(diffId);
    if (location === undefined || this.#isDisposed) return false;
    const metadata = this.#tocs.find(location.tocDigest);
    if (metadata === undefined) return false;
    try {
      const { objects, algorithm, kept } = this.#repository;
      using stream = objects.open(id, { verify: 'content' });
      const { fd, sizeBytes } = stream;
      const order = { metadata, location, stream: { fd, sizeBytes }, algorithm };
      const isThread = isAhead && metadata.toc.length >= THREAD_TOC_BYTES_MIN;
      const index = await (isThread ? this.#inThread(order) : makeIndex(order));
      if (index === undefined) return false;
      kept.contents.write(indexNameOf(diffId), index);
      return true;
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      // The kept metadata or the layer is damaged: it has no content to find.
      if (error.kind === 'format' || error.kind === 'integrity') {
        this.#tocs.forget(location.tocDigest);
      }
      return false;
    }
  }

  async #inThread(order: IndexOrder): Promise<Uint8Array | undefined> {
    const module = new URL('./index-worker.ts', import.meta.url);
    const name = 'onecopy-index';
    await using worker = startWorker<IndexOrder, never, never, Uint8Array | undefined>(
      module,
      order,
      { name },
    );
    this.#running = worker;
    return await worker.done;
  }

  /** Gives up what was begun. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#running?.[Symbol.asyncDispose]();
    await Promise.allSettled(this.#results.values());
  }
}
