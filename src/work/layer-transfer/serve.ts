import type { ByteString } from '#base/bytes';
import type { DiffId, ObjectId } from '#base/digest';
import { isOnecopyError, NotFoundError } from '#base/errors';
import { objectPath } from '#formats/fsverity';
import { LITERAL_BYTES_MAX, SplitdirfdWriter } from '#formats/splitdirfdstream';
import type { Dir } from '#host';
import { type Repository, requireStreams } from '#stores/composefs';
import { openContainersStore, serveLayer } from '#stores/containers';
import { layerStreamName } from '#work/image';

/** A layer that can be served once. Disposing it closes the directory. */
export interface LayerToServe extends Disposable {
  /** The directory that the names of the stream are relative to. */
  readonly directory: Dir;
  /** Runs `work` while garbage collections of onecopy keep the layer. The repository is not locked meanwhile. @throws what `work` throws */
  during(signal: AbortSignal, work: () => Promise<void>): Promise<void>;
  /**
   * The splitdirfdstream.
   * @param place index of the directory for the receiver
   */
  stream(place: number): AsyncIterable<Uint8Array>;
}

/**
 * Opens a layer of a composefs repository, which stays the caller's. Contents are served by the names of their objects.
 * @returns undefined without a layer of this diff id
 */
export function openRepositoryLayer(
  repository: Repository,
  diffId: DiffId,
): LayerToServe | undefined {
  const name = layerStreamName(diffId);
  const id = repository.streams.idOf(name);
  if (id === undefined) return undefined;
  const directory = repository.root.openDir('objects');
  return {
    directory,
    during: (signal, work) => keeping(repository, { name, id, signal }, work),
    stream: (place) => gathered(repositoryPieces(repository, id, directory, place)),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** Options of opening a layer of containers-storage. */
export interface StorageLayerOptions {
  /** Graph root of the store. */
  readonly storagePath: string;
  readonly layerId: string;
  /** The receiver can open every file, whatever its mode. */
  readonly readsAll: boolean;
  readonly signal: AbortSignal;
}

/**
 * Opens a layer of containers-storage by its id. Its files stay readable if podman removes the layer meanwhile.
 * @throws BusyError STORE_LAYER_GONE; as `openContainersStore`
 */
export async function openStorageLayer({
  storagePath,
  layerId,
  readsAll,
  signal,
}: StorageLayerOptions): Promise<LayerToServe> {
  using store = await openContainersStore(
    {
      driver: undefined,
      graphRoot: storagePath,
      runRoot: undefined,
      imageStore: undefined,
      additionalImageStores: [],
    },
    { signal },
  );
  const layer = store.openLayerById(layerId);
  return {
    directory: layer.content,
    during: (_signal, work) => work(),
    stream: (directory) => serveLayer(layer, { readsAll, directory }),
    [Symbol.dispose]: () => layer[Symbol.dispose](),
  };
}

/** Keeps a stream by a lease; in a repository that cannot be written, by the lock. */
async function keeping(
  repository: Repository,
  {
    name,
    id,
    signal,
  }: { readonly name: string; readonly id: ObjectId; readonly signal: AbortSignal },
  work: () => Promise<void>,
): Promise<void> {
  if (!isWritable(repository)) {
    await repository.holding({ signal }, work);
    return;
  }
  await repository.leased({ signal }, async ({ begin, keep, locked }) => {
    await begin();
    keep(name);
    await locked(async () => requireStreams(repository, [id], { signal }));
    await work();
  });
}

function isWritable(repository: Repository): boolean {
  try {
    repository.ensureWritable();
    return true;
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return false;
  }
}

/** The records of a stored layer, chunk by chunk as composefs-rs serves them. @throws NotFoundError OBJECT_NOT_FOUND */
function* repositoryPieces(
  repository: Repository,
  id: ObjectId,
  objects: Dir,
  place: number,
): Generator<Uint8Array> {
  using opened = repository.streams.open({ id });
  const writer = new SplitdirfdWriter();
  let leftBytes = 0;
  let headBytes = 0;
  for (const part of opened.stream.parts()) {
    if (part.kind === 'external') {
      const path = objectPath(part.id) as ByteString;
      yield writer.file(sizeOf(objects, path, part.id), place, path);
      continue;
    }
    if (leftBytes === 0) leftBytes = part.bytes.length + part.moreBytes;
    for (let at = 0; at < part.bytes.length; ) {
      if (headBytes === 0) {
        headBytes = Math.min(leftBytes, LITERAL_BYTES_MAX);
        yield writer.structureHead(headBytes);
      }
      const piece = part.bytes.subarray(at, at + headBytes);
      yield piece;
      at += piece.length;
      headBytes -= piece.length;
      leftBytes -= piece.length;
    }
  }
}

function sizeOf(objects: Dir, path: ByteString, id: ObjectId): number {
  const stat = objects.lstat(path);
  if (stat?.type === 'file') return stat.sizeBytes;
  throw new NotFoundError('OBJECT_NOT_FOUND', `Cannot read object ${id}: it is missing`, { id });
}

/** Size of the pieces that are written at once, in bytes. */
const GATHER_BYTES = 65536;

/** Joins small pieces, which may be overwritten afterwards. */
async function* gathered(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const room = Buffer.allocUnsafe(GATHER_BYTES);
  let usedBytes = 0;
  for (const piece of pieces) {
    if (usedBytes + piece.length > room.length) {
      yield room.subarray(0, usedBytes);
      usedBytes = 0;
    }
    if (piece.length > room.length) yield piece;
    else {
      room.set(piece, usedBytes);
      usedBytes += piece.length;
    }
  }
  if (usedBytes > 0) yield room.subarray(0, usedBytes);
}
