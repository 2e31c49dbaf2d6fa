import { setImmediate as immediate } from 'node:timers/promises';
import { type ContentDigest, type DiffId, hexOf, type ObjectId } from '#base/digest';
import { hasCode, UnsupportedError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { ContainersReference } from '#formats/oci';
import { type Dir, setXattr } from '#host';
import type { Repository } from '#stores/composefs';
import {
  type LayerToWrite,
  LayerTree,
  type LayerTreeCounts,
  noLayerTreeCounts,
  openStoreWriter,
  type ReflinkPolicy,
  type StagedLayer,
  type StoreSnapshot,
  type StoreWriter,
} from '#stores/containers';
import { locateStore } from '#work/containers';
import { type OciImage, openOciImage, readChosenFrom, readLayer } from '#work/image';
import { type PlannedLayer, planLayers } from './planned-layer.ts';
import { storedName } from './stored-name.ts';
import { startTarSplits } from './tar-splits.ts';

/** How an image is written into containers-storage. */
export interface ContainersExportOptions extends OperationOptions {
  /** Whether files share extents with their objects: by default where the filesystems can, else they are copied. */
  readonly reflink?: ReflinkPolicy | undefined;
}

/** One layer of the image in the store. */
export interface ExportedStoreLayer {
  readonly id: string;
  readonly diffId: DiffId;
  readonly method: 'written' | 'present';
}

/** What was written. */
export interface ContainersExportReport {
  readonly path: string;
  /** Name of the image in the store. */
  readonly name: string;
  readonly imageId: string;
  readonly manifestDigest: ContentDigest;
  readonly layers: readonly ExportedStoreLayer[];
  readonly counts: LayerTreeCounts;
}

/** A layer goes on for this long before signals and other work have their turn, in milliseconds. */
const TURN_MS = 50;
/** Attempts, where other processes remove layers that were there. */
const ATTEMPTS = 5;

/**
 * Writes a stored image into containers-storage, with its manifest, config and diff ids: podman then has it as if it had pulled it, and both share
 * the contents of files. Layers that the store has are not written again. The name moves from another image that has it.
 * @throws as `openOciImage`, `locateStore`, `openStoreWriter`, `LayerTree.apply` and `StoreWriter.commit`; UnsupportedError IMAGE_NOT_BUILDABLE for
 *   an artifact; UsageError for a name that cannot be
 */
export async function exportToContainers(
  repository: Repository,
  name: string,
  reference: ContainersReference,
  options: ContainersExportOptions = {},
): Promise<ContainersExportReport> {
  const image = openOciImage(repository, name);
  const places = await locateStore(reference);
  const task = new ContainersExport(repository, image, storedName(reference.name), options);
  for (let attempt = 1; ; attempt += 1) {
    using writer = openStoreWriter(places);
    try {
      return await task.run(writer);
    } catch (error) {
      if (!hasCode(error, 'STORE_LAYER_GONE') || attempt === ATTEMPTS) throw error;
    }
  }
}

/** One export from what is there to the record of the image. */
class ContainersExport {
  readonly #repository: Repository;
  readonly #image: OciImage;
  readonly #name: string;
  readonly #options: ContainersExportOptions;

  constructor(
    repository: Repository,
    image: OciImage,
    name: string,
    options: ContainersExportOptions,
  ) {
    this.#repository = repository;
    this.#image = image;
    this.#name = name;
    this.#options = options;
  }

  async run(writer: StoreWriter): Promise<ContainersExportReport> {
    const { signal, onProgress } = this.#options;
    const { manifest, manifestDigest, config } = this.#image;
    if (config === undefined) throw noFiles(this.#image);
    const planned = planLayers(this.#image);
    const snapshot = await writer.read({ signal, onProgress });
    const imageId = hexOf(manifest.config.digest);
    const isKnown = isComplete(snapshot, imageId);
    const missing = isKnown ? [] : planned.filter(({ id }) => !snapshot.layers.has(id));
    const { layers: written, counts, implied } = await this.#writeLayers(writer, missing);
    const nothing: ReadonlySet<string> = new Set();
    writer.completeImplied(
      planned.map(({ id, parent }) => ({ id, parent, implied: implied.get(id) ?? nothing })),
    );
    const layers = isKnown ? [] : planned.map((layer) => written.get(layer.id) ?? layer);
    await writer.commit(
      {
        id: imageId,
        name: this.#name,
        layers,
        manifest: { digest: manifestDigest, bytes: this.#image.manifestBytes },
        config: { digest: manifest.config.digest, bytes: this.#image.configBytes },
        index: readChosenFrom(this.#repository, manifestDigest),
        created: config.created,
      },
      { signal, onProgress },
    );
    return {
      path: writer.label,
      name: this.#name,
      imageId,
      manifestDigest,
      layers: planned.map(({ id, diffId }) => {
        return { id, diffId, method: written.has(id) ? 'written' : 'present' };
      }),
      counts,
    };
  }

  /** Writes layers into the staging folder: their files here, their tar-splits meanwhile in threads. */
  async #writeLayers(writer: StoreWriter, missing: readonly PlannedLayer[]) {
    const { signal } = this.#options;
    const counts = noLayerTreeCounts();
    const layers = new Map<string, LayerToWrite>();
    const implied = new Map<string, ReadonlySet<string>>();
    if (missing.length === 0) return { layers, counts, implied };
    const staged = missing.map(({ id, parent }) => writer.stage(id, parent));
    const marks = marksFor(staged);
    await using splits = startTarSplits(this.#repository, missing, staged, signal);
    try {
      for (const [at, layer] of missing.entries()) {
        const { diff } = staged[at] as StagedLayer;
        const owners = await this.#writeTree(diff, layer, { marks, counts });
        layers.set(layer.id, { ...layer, ...owners });
        implied.set(layer.id, owners.implied);
      }
    } catch (error) {
      await splits.cancel();
      throw error;
    }
    const sizes = await splits.sizes;
    for (const { id } of missing) {
      const layer = layers.get(id);
      if (layer !== undefined) layers.set(id, { ...layer, diffSizeBytes: sizes.get(id) ?? 0 });
    }
    return { layers, counts, implied };
  }

  async #writeTree(
    diff: Dir,
    layer: PlannedLayer,
    { marks, counts }: { readonly marks: 'trusted' | 'user'; readonly counts: LayerTreeCounts },
  ) {
    const { signal, onProgress, reflink = 'auto' } = this.#options;
    const id = layer.diffId;
    onProgress?.({ type: 'started', id, unit: 'items' });
    const openObject = (object: ObjectId) => this.#repository.objects.open(object);
    using tree = new LayerTree(diff, { openObject, reflink, marks });
    let turnEnds = performance.now() + TURN_MS;
    let done = 0;
    for (const { entry, content } of readLayer(this.#repository, layer.streamId)) {
      tree.apply(entry, content);
      done += 1;
      if ((done & 31) !== 0 || performance.now() < turnEnds) continue;
      onProgress?.({ type: 'advanced', id, done });
      await immediate();
      signal?.throwIfAborted();
      turnEnds = performance.now() + TURN_MS;
    }
    tree.finish();
    for (const key of Object.keys(counts) as (keyof LayerTreeCounts)[])
      counts[key] += tree.counts[key];
    onProgress?.({ type: 'done', id, transferred: done });
    return { uids: sorted(tree.uids), gids: sorted(tree.gids), implied: tree.implied };
  }
}

/** True when the store has the image with all its layers. */
function isComplete({ images, layers }: StoreSnapshot, imageId: string): boolean {
  const image = images.find(
    ({ record, root }) => record.id === imageId && root.role !== 'additional',
  );
  if (image === undefined) return false;
  for (let id = image.record.layer; id !== undefined; id = layers.get(id)?.record.parent) {
    if (!layers.has(id)) return false;
  }
  return true;
}

/** Whose attributes overlayfs will read here: those of `trusted.` can be set only in the first user namespace. */
function marksFor([layer]: readonly StagedLayer[]): 'trusted' | 'user' {
  if (layer === undefined) return 'trusted';
  try {
    using probe = layer.diff.tmpfile(0o600);
    setXattr(probe, 'trusted.overlay.probe', new Uint8Array([1]));
    return 'trusted';
  } catch (error) {
    if (!hasCode(error, 'SYSCALL_FAILED')) throw error;
    return 'user';
  }
}

function sorted(ids: ReadonlySet<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}

function noFiles({ manifestDigest }: OciImage): UnsupportedError {
  return new UnsupportedError(
    'IMAGE_NOT_BUILDABLE',
    `Cannot write ${manifestDigest} into containers-storage: it is an artifact, which has no files`,
    { image: manifestDigest },
  );
}
