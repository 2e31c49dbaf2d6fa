import { setImmediate as immediate } from 'node:timers/promises';
import type { DiffId, ObjectId } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { RandomReader, RemoteBlob } from '#base/flow';
import { type ChunkedLocation, tarSplitRecords } from '#formats/chunked';
import { replayTarSplit } from '#formats/tar-split';
import type { Dir } from '#host';
import type { ObjectReaderSeed, ObjectWriter } from '#stores/composefs';
import { FileContent } from './file-content.ts';
import { openTarHash } from './hash/open-tar-hash.ts';
import type { PartialPlan } from './plan.ts';
import { RemoteChunks } from './remote-chunk.ts';
import { RemoteParts } from './remote-parts.ts';

/** An open source of local content. */
export interface LocalReader extends RandomReader, Disposable {
  /** A descriptor of the same bytes, for sharing extents; undefined when the source has none. */
  readonly fd?: number | undefined;
}

/** Why local content was not used. */
export type LocalMiss = 'gone' | 'changed';

/** The parts of a layer. */
export interface AssembleOptions<S> {
  readonly blob: RemoteBlob;
  readonly plan: PartialPlan<S>;
  readonly location: ChunkedLocation;
  /** The tar-split as stored in the blob, read before. */
  readonly tarSplit: Uint8Array;
  readonly diffId: DiffId;
  /** Opens a local source; undefined if it no longer exists. */
  readonly open: (source: S) => LocalReader | undefined;
  /** Whole files that are objects of the target repository, and are passed on by id; absent: all content is verified and passed on as bytes. */
  readonly placed?: PlacedObjects<S> | undefined;
  /** Called once for each chunk that could not be read from its local source; it is fetched instead. */
  readonly onMiss?: ((source: S, miss: LocalMiss) => void) | undefined;
  /** Temporary store of content that occurs several times in the layer. */
  readonly scratch: Dir;
  /** Writer of the target repository: new files that are partly available locally become objects that share those extents. */
  readonly objects?: ObjectWriter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Objects of the target repository as contents of files: trusted until the diff id is verified. */
export interface PlacedObjects<S> {
  /** The object behind a source, if its whole content has this size. */
  idOf(source: S, sizeBytes: number): ObjectId | undefined;
  /** How they are read for the diff id. */
  readonly seed: ObjectReaderSeed;
}

/** Bytes by source; final at the end of the tar. */
export interface AssembledBytes {
  /** Compressed bytes that arrived and were used. */
  fetchedBytes: number;
  /** Number of additional requests, for missing or changed local content. */
  extraRequests: number;
  localBytes: number;
  /** Part of the bytes above: content of whole objects, verified by the diff id only. */
  placedBytes: number;
  /** Part of the bytes above: bytes of new objects that share their extents with local content. */
  sharedBytes: number;
}

/** A part of the tar of a layer. */
export type LayerPart =
  /** Valid until the next parts are requested. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** The whole content of a file is the content of an object. */
  | {
      readonly kind: 'object';
      readonly id: ObjectId;
      readonly sizeBytes: number;
      readonly pieces: () => Iterable<Uint8Array>;
    };

/** An assembled layer. */
export type AssembledLayer =
  /** The parts of the layer, some at a time. Each chunk and each file is verified before it ends, the layer against its diff id. Can be read once. */
  | {
      readonly kind: 'parts';
      readonly parts: AsyncIterable<readonly LayerPart[]>;
      readonly bytes: AssembledBytes;
    }
  /** The server sends the complete blob instead: the download, from its first byte. */
  | { readonly kind: 'whole'; readonly blob: AsyncIterable<Uint8Array> };

/**
 * Assembles a layer from local and fetched content. Local sources may disappear or change at any time: content that cannot be read or has another
 * digest is fetched instead. Every chunk is verified before it is passed on (a fetched chunk of more than 8 MiB, meanwhile), every file at its
 * end, and the tar at its end.
 * @throws TransportError; while the tar is read also IntegrityError CHUNK_CONTENT_MISMATCH, BLOB_DIGEST_MISMATCH,
 * TAR_SPLIT_CONTENT_MISMATCH, DIFF_ID_MISMATCH; HostError NO_SPACE
 */
export async function assembleLayer<S>(options: AssembleOptions<S>): Promise<AssembledLayer> {
  const { blob, plan, signal } = options;
  const bytes: AssembledBytes = {
    fetchedBytes: 0,
    extraRequests: 0,
    localBytes: 0,
    placedBytes: 0,
    sharedBytes: 0,
  };
  if (plan.ranges.length === 0) {
    return { kind: 'parts', parts: partsOf(options, new RemoteParts(NO_PIECES), bytes), bytes };
  }
  const found = await blob.readRanges(plan.ranges, { signal });
  if (found.kind === 'whole') return { kind: 'whole', blob: found.bytes };
  return { kind: 'parts', parts: partsOf(options, new RemoteParts(found.pieces), bytes), bytes };
}

/** The parts of a layer as the bytes of its tar. */
export async function* tarOf(
  parts: AsyncIterable<readonly LayerPart[]>,
): AsyncGenerator<Uint8Array> {
  for await (const some of parts) {
    for (const part of some) {
      if (part.kind === 'bytes') yield part.bytes;
      else yield* part.pieces();
    }
  }
}

const NO_PIECES = { async *[Symbol.asyncIterator]() {} };

async function* partsOf<S>(
  options: AssembleOptions<S>,
  remoteParts: RemoteParts,
  bytes: AssembledBytes,
): AsyncGenerator<readonly LayerPart[]> {
  const { blob, location, tarSplit, diffId, signal } = options;
  await using remote = new RemoteChunks(blob, remoteParts, signal);
  using content = new FileContent(options, remote, bytes);
  await using hash = openTarHash(options);
  for await (const records of tarSplitRecords(tarSplit, location)) {
    let some: LayerPart[] = [];
    for (const record of records) {
      if (record.kind === 'segment') {
        hash.bytes(record.bytes);
        some.push({ kind: 'bytes', bytes: record.bytes });
        continue;
      }
      if (record.sizeBytes === 0) continue;
      const placed = content.place(record);
      if (placed !== undefined) {
        hash.object(placed.id);
        some.push(placed);
        continue;
      }
      const small = content.small(record);
      if (small !== undefined) {
        hash.bytes(small);
        some.push({ kind: 'bytes', bytes: small });
        continue;
      }
      yield some;
      some = [];
      for await (const piece of replayTarSplit([record], (file) => content.next(file))) {
        hash.bytes(piece);
        yield [{ kind: 'bytes', bytes: piece }];
      }
    }
    yield some;
    // One turn of the event loop for each piece of the tar-split, so that signals are handled.
    await immediate(undefined, { signal });
    await hash.ready();
  }
  Object.assign(bytes, remote.counts);
  const found = await hash.finish();
  if (found === (diffId as string)) return;
  throw new IntegrityError(
    'DIFF_ID_MISMATCH',
    `Cannot accept layer put together from parts: expected diff id ${diffId}, found ${found}`,
    { expected: diffId, found },
  );
}
