import assert from 'node:assert';
import type { OperationOptions } from '#base/flow';
import type { Reading } from '#formats/tree';
import {
  type EntryListener,
  type ImportContext,
  type ImportedLayer,
  importSplitLayer,
  importTarLayer,
  type ReflinkPolicy,
  type SplitLayer,
} from '#work/ingest';
import type { PlannedLayer } from './plan.ts';

/** How a layer comes that a store on this host keeps as files. */
export const FROM_FILES = {
  route: 'whole',
  reason: 'its files are in a store on this host',
} as const;

/** How a layer comes that a delta makes of a stored image. */
const FROM_DELTA = {
  route: 'whole',
  reason: 'it is made of a delta and a stored image',
} as const;

/** What the import of a layer needs that is no blob; one of the two openers is there. */
export interface OtherLayerOptions extends OperationOptions {
  readonly openLayer: ((position: number) => SplitLayer) | undefined;
  readonly openTar: ((position: number) => AsyncIterable<Uint8Array>) | undefined;
  readonly reflink: ReflinkPolicy;
  readonly reading: Reading | undefined;
  readonly layerBytesMax: number | undefined;
  readonly onEntry: EntryListener;
}

/** A layer that was no blob. */
export interface ImportedOther extends ImportedLayer {
  readonly tarBytes: number;
  /** Bytes of files that were at hand. */
  readonly fileBytes: number;
  readonly way: typeof FROM_FILES | typeof FROM_DELTA;
}

/** Imports a layer from its tar, or from its tar-split and files. @throws as `importTarLayer`, `importSplitLayer` */
export async function importOther(
  context: ImportContext,
  { diffId, position }: PlannedLayer,
  options: OtherLayerOptions,
): Promise<ImportedOther> {
  assert(diffId !== undefined, 'a layer without a diff id is a blob');
  const { openLayer, openTar, onProgress, reading, layerBytesMax, onEntry } = options;
  onProgress?.({ type: 'started', id: diffId, unit: 'bytes' });
  let tarBytes = 0;
  const onAdvance = (done: number) => {
    tarBytes = done;
    onProgress?.({ type: 'advanced', id: diffId, done });
  };
  const order = { diffId, reading, layerBytesMax, onEntry, onAdvance };
  let imported: ImportedLayer;
  if (openTar !== undefined) {
    imported = await importTarLayer(context, { ...order, pieces: openTar(position) });
  } else {
    assert(openLayer !== undefined, 'a layer that is no blob has an opener');
    using layer = openLayer(position);
    imported = await importSplitLayer(context, { ...order, layer, policy: options.reflink });
  }
  onProgress?.({ type: 'done', id: diffId, transferred: tarBytes });
  const way = openTar === undefined ? FROM_FILES : FROM_DELTA;
  return { ...imported, tarBytes, fileBytes: openTar === undefined ? tarBytes : 0, way };
}
