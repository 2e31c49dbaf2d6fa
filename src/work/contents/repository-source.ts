import { setImmediate as immediate } from 'node:timers/promises';
import { type DiffId, isContentDigest, type ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import { layerStreamName, readLayer } from '#work/image';
import { type Candidate, Candidates } from './candidates.ts';
import { INDEX_BYTES_MAX, scanIndex } from './indexing/index-file.ts';
import { indexNameOf } from './indexing/layer-index.ts';
import { StoredIndexer, type StoredLayer } from './indexing/stored-indexer.ts';
import type { ContentPlace } from './place.ts';
import type { ContentSearch, ContentSource } from './source.ts';

/** First part of the names of streams of layers. */
const LAYER_PREFIX = layerStreamName('' as DiffId);

/**
 * The objects of the target repository. They are found by the indexes of its layers, by kept TOCs of layers that have no index yet, and for
 * layers without a TOC by path and size; those objects are then hashed.
 */
export class RepositorySource implements ContentSource, AsyncDisposable {
  readonly #repository: Repository;
  readonly #indexer: StoredIndexer;
  readonly #places = new Map<ObjectId, ContentPlace | undefined>();
  readonly #distrusted: ReturnType<Repository['objects']['distrusted']>;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.#indexer = new StoredIndexer(repository);
    this.#distrusted = repository.objects.distrusted();
  }

  /** True when the repository has no layer, so nothing can be found. */
  get isEmpty(): boolean {
    return this.#layers().next().done === true;
  }

  /** Begins what an offer needs and other work need not wait for. */
  prepare(): void {
    const indexed = new Set(this.#repository.kept.contents.names());
    const layers = [...this.#layers()];
    this.#indexer.begin(layers.filter(({ diffId }) => !indexed.has(indexNameOf(diffId))));
  }

  async offer(search: ContentSearch): Promise<void> {
    const { wanted, signal } = search;
    // Also indexes of removed layers: their objects may exist until garbage collection.
    const indexed = new Set(this.#repository.kept.contents.names());
    for (const name of indexed) {
      signal?.throwIfAborted();
      if (wanted.missingCount === 0) return;
      if (!this.#scan(name, search)) indexed.delete(name);
      await immediate();
    }
    const plain: ObjectId[] = [];
    for (const layer of this.#layers()) {
      const { diffId, id } = layer;
      signal?.throwIfAborted();
      if (wanted.missingCount === 0) return;
      const name = indexNameOf(diffId);
      if (indexed.has(name)) continue;
      if (await this.#indexer.index(layer)) this.#scan(name, search);
      else plain.push(id);
    }
    const candidates = new Candidates(search);
    for (const id of plain) {
      if (wanted.missingCount === 0) return;
      await this.#gather(id, candidates, signal);
    }
    await candidates.offerContents();
  }

  #scan(name: string, { wanted }: ContentSearch): boolean {
    const { kept, algorithm, objects } = this.#repository;
    const bytes = kept.contents.read(name, INDEX_BYTES_MAX);
    if (bytes === undefined) return false;
    return scanIndex(bytes, algorithm, wanted, {
      findPresent: (ids) => objects.findPresent(ids),
      placeOf: (id, sizeBytes) => this.#placeOf(id, () => sizeBytes),
    });
  }

  /** An object as a place, if it exists and is not marked as suspect. */
  placeOf(id: ObjectId): ContentPlace | undefined {
    return this.#placeOf(id, () => this.#repository.objects.sizeOf(id));
  }

  #placeOf(id: ObjectId, measure: () => number | undefined): ContentPlace | undefined {
    if (this.#places.has(id)) return this.#places.get(id);
    const { objects } = this.#repository;
    const isDoubted = this.#distrusted !== 'all' && this.#distrusted.has(id);
    const sizeBytes = isDoubted ? undefined : measure();
    const place: ContentPlace | undefined =
      sizeBytes === undefined
        ? undefined
        : {
            objectId: id,
            sizeBytes,
            open() {
              try {
                return objects.open(id);
              } catch (error) {
                if (!isOnecopyError(error)) throw error;
                return undefined;
              }
            },
          };
    this.#places.set(id, place);
    return place;
  }

  async #gather(
    id: ObjectId,
    candidates: Candidates,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      let count = 0;
      for (const { entry, content } of readLayer(this.#repository, id)) {
        count += 1;
        if (count % 4096 === 0) await immediate(undefined, { signal });
        if (entry.type !== 'file' || entry.sizeBytes === 0) continue;
        const found: Candidate =
          content.kind === 'inline'
            ? { path: entry.path, sizeBytes: content.bytes.length, bytes: content.bytes }
            : {
                path: entry.path,
                sizeBytes: content.sizeBytes,
                place: () => this.placeOf(content.id),
              };
        candidates.add(found);
      }
    } catch (error) {
      // A damaged layer offers nothing.
      if (!isOnecopyError(error)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#indexer[Symbol.asyncDispose]();
  }

  *#layers(): Generator<StoredLayer> {
    for (const { name, id } of this.#repository.streams.list()) {
      const text = name.startsWith(LAYER_PREFIX) ? name.slice(LAYER_PREFIX.length) : '';
      // Layers of artifacts, which are not tars, have such names too; reading their streams reveals it.
      if (id !== undefined && isContentDigest(text)) yield { diffId: text as string as DiffId, id };
    }
  }
}
