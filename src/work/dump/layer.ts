import type { DiffId, ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { dumpLayerEntry } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import { readTarEntries } from '#formats/tar';
import type { Repository } from '#stores/composefs';
import { layerStreamName, readLayer } from '#work/image';

/** What a stored layer holds. */
export interface LayerDescription {
  readonly diffId: DiffId;
  /** Its splitstream. */
  readonly streamId: ObjectId;
  /** Size of the tar. */
  readonly sizeBytes: number;
  readonly entries: number;
  readonly externalObjects: number;
  readonly externalBytes: number;
  readonly inlineBytes: number;
}

/** Counts what a layer holds. @throws NotFoundError STREAM_NOT_FOUND; as reading its stream */
export function describeLayer(repository: Repository, diffId: DiffId): LayerDescription {
  const id = requireLayer(repository, diffId);
  using opened = repository.streams.open({ id }, { contentType: CONTENT_TYPES.ociLayer });
  const { sizeBytes } = opened.stream;
  let externalObjects = 0;
  let inlineBytes = 0;
  const counted = function* () {
    for (const part of opened.stream.parts()) {
      if (part.kind === 'inline') inlineBytes += part.bytes.length;
      else externalObjects += 1;
      yield part;
    }
  };
  let entries = 0;
  for (const _entry of readTarEntries(counted(), 'cfsctl')) entries += 1;
  const externalBytes = sizeBytes - inlineBytes;
  return { diffId, streamId: id, sizeBytes, entries, externalObjects, externalBytes, inlineBytes };
}

/** The members of a layer as lines of a dumpfile, in their order. @throws as `describeLayer`, `dumpLayerEntry` */
export function* dumpLayer(repository: Repository, diffId: DiffId): Generator<string> {
  const id = requireLayer(repository, diffId);
  for (const { entry, content } of readLayer(repository, id, 'cfsctl')) {
    yield dumpLayerEntry(entry, content);
  }
}

/** The splitstream of a layer. @throws NotFoundError STREAM_NOT_FOUND */
export function requireLayer(repository: Repository, diffId: DiffId): ObjectId {
  const id = repository.streams.idOf(layerStreamName(diffId));
  if (id !== undefined) return id;
  throw new NotFoundError(
    'STREAM_NOT_FOUND',
    `Cannot open layer ${diffId}: the repository has no such layer`,
    { name: layerStreamName(diffId) },
  );
}
