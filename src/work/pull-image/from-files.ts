import assert from 'node:assert';
import type { OperationOptions } from '#base/flow';
import type { Reading } from '#formats/tree';
import {
  type EntryListener,
  type ImportContext,
  type ImportedLayer,
  importSplitLayer,
  type ReflinkPolicy,
  type SplitLayer,
} from '#work/ingest';
import type { PlannedLayer } from './plan.ts';

/** How a layer comes that a store on this host keeps as files. */
export const FROM_FILES = {
  route: 'whole',
  reason: 'its files are in a store on this host',
} as const;

/** What the import of such a layer needs. */
export interface FromFilesOptions extends OperationOptions {
  readonly openLayer: (position: number) => SplitLayer;
  readonly reflink: ReflinkPolicy;
  readonly reading: Reading | undefined;
  readonly layerBytesMax: number | undefined;
  readonly onEntry: EntryListener;
}

/** Imports a layer from its tar-split and files; `tarBytes` is the size of its tar. @throws as `importSplitLayer` */
export async function importFromFiles(
  context: ImportContext,
  { diffId, position }: PlannedLayer,
  { openLayer, reflink, onProgress, ...rest }: FromFilesOptions,
): Promise<ImportedLayer & { readonly tarBytes: number }> {
  assert(diffId !== undefined, 'a layer without a diff id is a blob');
  onProgress?.({ type: 'started', id: diffId, unit: 'bytes' });
  using layer = openLayer(position);
  let tarBytes = 0;
  const onAdvance = (done: number) => {
    tarBytes = done;
    onProgress?.({ type: 'advanced', id: diffId, done });
  };
  const { reading, layerBytesMax, onEntry } = rest;
  const order = { diffId, layer, policy: reflink, reading, layerBytesMax, onEntry, onAdvance };
  const imported = await importSplitLayer(context, order);
  onProgress?.({ type: 'done', id: diffId, transferred: tarBytes });
  return { ...imported, tarBytes };
}
