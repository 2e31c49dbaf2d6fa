import { createContentHasher, type ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import type { Reading } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { type ContentPlace, indexNameOf, LayerIndexer } from '#work/contents';
import {
  type BatchPool,
  type EntryListener,
  type ImportedLayer,
  importParts,
  type TarPart,
} from '#work/ingest';
import type { LayerParts, PartialPlan } from '#work/pull-partial';
import type { PlannedLayer } from '../plan.ts';

const PIECE_BYTES = 2 ** 20;

/** Where an assembled layer goes. */
export interface Assembly {
  readonly repository: Repository;
  readonly pool: BatchPool;
  readonly signal: AbortSignal | undefined;
  readonly reading: Reading | undefined;
  readonly onEntry: EntryListener | undefined;
}

/**
 * Imports a layer from its parts, and keeps what contents it has. Objects that were named and not written are there at the end.
 * @throws as `importParts`; NotFoundError OBJECT_NOT_FOUND when one was removed meanwhile
 */
export async function importAssembled(
  assembly: Assembly,
  { descriptor, diffId }: PlannedLayer,
  { layer, parts }: Extract<LayerParts<ContentPlace>, { kind: 'parts' }>,
  onAdvance: (readBytes: number) => void,
): Promise<ImportedLayer> {
  const { repository, pool, signal, reading } = assembly;
  const indexer = new LayerIndexer(repository.algorithm, layer.files);
  const placed = new Set<ObjectId>();
  const onEntry: EntryListener = (entry, content) => {
    indexer.entry(entry, content);
    assembly.onEntry?.(entry, content);
  };
  const scale = descriptor.sizeBytes / Math.max(layer.tarBytes, 1);
  const watched = watch(parts, placed, (tarBytes) => onAdvance(Math.floor(tarBytes * scale)));
  const order = { digest: descriptor.digest, parts: watched, onEntry, reading };
  const imported = await importParts({ repository, pool, signal }, order);
  requireObjects(repository, placed);
  const index = indexer.finish();
  if (diffId !== undefined && index !== undefined) {
    repository.kept.contents.write(indexNameOf(diffId), index);
  }
  return imported;
}

async function* watch(
  parts: AsyncIterable<readonly TarPart[]>,
  placed: Set<ObjectId>,
  onTar: (tarBytes: number) => void,
): AsyncGenerator<readonly TarPart[]> {
  let tarBytes = 0;
  let told = 0;
  for await (const some of parts) {
    for (const part of some) {
      if (part.kind === 'object') placed.add(part.id);
      tarBytes += part.kind === 'object' ? part.sizeBytes : part.bytes.length;
    }
    if (tarBytes - told >= PIECE_BYTES) {
      told = tarBytes;
      onTar(tarBytes);
    }
    yield some;
  }
}

/** Objects that were there when they were read may have been removed since by another program. */
function requireObjects({ objects }: Repository, ids: ReadonlySet<ObjectId>): void {
  const found = objects.findPresent(Buffer.from([...ids].join(''), 'hex'));
  const gone = [...ids].find((_, at) => found[at] === 0);
  if (gone === undefined) return;
  throw new NotFoundError(
    'OBJECT_NOT_FOUND',
    `Cannot use object ${gone}: it was removed while the layer was put together`,
    { id: gone },
    { hint: 'Pull again' },
  );
}

/** Objects of a plan whose content is not that of the files they were taken for. */
export function findChanged({ files }: PartialPlan<ContentPlace>): ObjectId[] {
  const changed = new Set<ObjectId>();
  for (const { file, segments } of files) {
    const [segment] = segments;
    if (segment?.kind !== 'local' || segments.length > 1) continue;
    const { objectId } = segment.source;
    if (objectId === undefined || changed.has(objectId)) continue;
    using reader = segment.source.open();
    const hasher = createContentHasher();
    const piece = new Uint8Array(PIECE_BYTES);
    for (let at = 0; reader !== undefined && at < reader.sizeBytes; ) {
      const count = reader.read(at, piece);
      if (count === 0) break;
      hasher.update(piece.subarray(0, count));
      at += count;
    }
    if (reader === undefined || segment.sourceOffset > 0) continue;
    if (segment.sizeBytes !== segment.source.sizeBytes) continue;
    if (reader.sizeBytes !== segment.sizeBytes || hasher.finish() !== file.digest) {
      changed.add(objectId);
    }
  }
  return [...changed];
}
