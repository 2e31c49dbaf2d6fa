import { availableParallelism } from 'node:os';
import type { DiffId, ObjectId } from '#base/digest';
import { syncfs } from '#host';
import { type Repository, requireStreams } from '#stores/composefs';
import { layerStreamName } from '#work/image';
import { BatchPool, importSplitLayer, StreamLayer } from '#work/ingest';
import { ExaminedLayer, putBlob } from './blob.ts';

/** A layer that a client sends. */
export interface LayerToPut {
  readonly diffId: DiffId;
  /** The splitdirfdstream. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** The directories that its names are relative to; they stay the caller's. */
  readonly directories: readonly { readonly fd: number; readonly label: string }[];
  /** Share files by reflink or hard link, and copy none; a blob that is no tar is copied. Otherwise reflink where the filesystem can, else copy. */
  readonly zeroCopy: boolean;
  readonly signal: AbortSignal;
}

/** How the contents of a layer were stored. */
export interface PutCounts {
  readonly reflinked: number;
  readonly hardlinked: number;
  readonly copied: number;
  readonly present: number;
}

/** A stored layer. */
export interface PutLayer {
  readonly streamId: ObjectId;
  /** True if the layer was stored before. */
  readonly wasPresent: boolean;
  readonly counts: PutCounts;
}

/**
 * Stores a layer and names it. The repository is not locked while the client sends. Contents of a refused layer stay until the next garbage
 * collection.
 * @throws as `importSplitLayer`, `Repository.leased`
 */
export async function putLayer(repository: Repository, order: LayerToPut): Promise<PutLayer> {
  const { diffId, stream, directories, signal } = order;
  const name = layerStreamName(diffId);
  return await repository.leased({ signal }, async ({ begin, keep, locked }) => {
    await begin();
    const wasPresent = repository.streams.idOf(name) !== undefined;
    const layer = await ExaminedLayer.open(new StreamLayer(stream, directories));
    const { id, counts } = layer.isTar
      ? await putTar(repository, order, layer)
      : await putOther(repository, order, layer);
    await locked(async () => {
      await requireStreams(repository, [id], { signal });
      keep(name);
      syncfs(repository.root);
      repository.streams.register(name, id);
    });
    return { streamId: id, wasPresent, counts };
  });
}

/** What was stored, without a name. */
interface Stored {
  readonly id: ObjectId;
  readonly counts: PutCounts;
}

async function putTar(
  repository: Repository,
  { diffId, zeroCopy, signal }: LayerToPut,
  layer: ExaminedLayer,
): Promise<Stored> {
  const workers = Math.max(1, availableParallelism() - 1);
  const seed = repository.objects.writerSeed();
  await using pool = new BatchPool(seed, { workers, slots: 8 + 4 * workers });
  let hardlinked = 0;
  const { id, counts } = await importSplitLayer(
    { repository, pool, signal },
    {
      diffId,
      layer,
      policy: zeroCopy ? 'link' : 'auto',
      onLinked: () => {
        hardlinked += 1;
      },
      onEntry: () => undefined,
      reading: 'cfsctl',
      onAdvance: () => undefined,
      layerBytesMax: undefined,
    },
  );
  const reflinked = counts.reflinkedObjects;
  const copied = counts.storedObjects - reflinked - hardlinked;
  return { id, counts: { reflinked, hardlinked, copied, present: counts.reusedObjects } };
}

async function putOther(
  repository: Repository,
  { diffId, signal }: LayerToPut,
  layer: ExaminedLayer,
): Promise<Stored> {
  const { id, wasPresent } = await putBlob(repository, { digest: diffId, layer, signal });
  const present = wasPresent ? 1 : 0;
  return { id, counts: { reflinked: 0, hardlinked: 0, copied: 1 - present, present } };
}
