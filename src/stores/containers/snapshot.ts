import {
  type ContainerRecord,
  type ImageRecord,
  type LayerRecord,
  type Parsed,
  parseContainerRecord,
  parseImageRecord,
  parseLayerRecord,
  type RawRecord,
} from '#formats/containers-storage';
import {
  RECORDS,
  type RecordKind,
  VOLATILE_CONTAINERS_FILE,
  VOLATILE_LAYERS_FILE,
} from './layout.ts';
import { lockToRead, type StoreLockOptions } from './locks.ts';
import type { StorageRoot } from './root.ts';

/** A layer, and the graph root with its record. */
export interface LayerRow {
  readonly record: LayerRecord;
  readonly root: StorageRoot;
}

/** An image, and the graph root with its record. */
export interface ImageRow {
  readonly record: ImageRecord;
  readonly root: StorageRoot;
}

/** An unreadable record, for reports. */
export interface DamagedRecord {
  readonly path: string;
  readonly problem: string;
}

/** The records of a store at one time. */
export interface StoreSnapshot {
  /** In the order of the graph roots and their records. */
  readonly images: readonly ImageRow[];
  /** Complete layers by id; the first of equal ids counts. */
  readonly layers: ReadonlyMap<string, LayerRow>;
  readonly damaged: readonly DamagedRecord[];
}

/**
 * Reads the records of all graph roots; layers and images each under their own lock. Damaged records are reported, and do not hide the others.
 * @throws BusyError STORE_LOCKED; FormatError CONTAINERS_RECORDS_INVALID; HostError
 */
export async function readSnapshot(
  roots: readonly StorageRoot[],
  options: StoreLockOptions = {},
): Promise<StoreSnapshot> {
  const images = new Map<string, ImageRow>();
  const layers = new Map<string, LayerRow>();
  const damaged: DamagedRecord[] = [];
  for (const root of roots) {
    // Images first: podman removes an image's record before its layers.
    using _images = await lockToRead(root, 'images', options);
    const files = [RECORDS.images.file];
    for (const record of readAll(root, 'images', files, { parse: parseImageRecord, damaged })) {
      if (!images.has(record.id)) images.set(record.id, { record, root });
    }
  }
  for (const root of roots) {
    using _layers = await lockToRead(root, 'layers', options);
    const files = [RECORDS.layers.file, VOLATILE_LAYERS_FILE];
    for (const record of readAll(root, 'layers', files, { parse: parseLayerRecord, damaged })) {
      if (!record.isIncomplete && !layers.has(record.id)) layers.set(record.id, { record, root });
    }
  }
  return { images: [...images.values()], layers, damaged };
}

/**
 * Reads the records of containers, which are no part of a snapshot. Damaged records are reported.
 * @throws as `readSnapshot`
 */
export async function readContainers(
  roots: readonly StorageRoot[],
  options: StoreLockOptions = {},
): Promise<{
  readonly containers: readonly ContainerRecord[];
  readonly damaged: readonly DamagedRecord[];
}> {
  const containers: ContainerRecord[] = [];
  const damaged: DamagedRecord[] = [];
  const files = [RECORDS.containers.file, VOLATILE_CONTAINERS_FILE];
  for (const root of roots) {
    using _containers = await lockToRead(root, 'containers', options);
    const how = { parse: parseContainerRecord, damaged };
    containers.push(...readAll(root, 'containers', files, how));
  }
  return { containers, damaged };
}

function readAll<T>(
  root: StorageRoot,
  kind: RecordKind,
  files: readonly string[],
  { parse, damaged }: { parse: (raw: RawRecord) => Parsed<T>; damaged: DamagedRecord[] },
): T[] {
  const found: T[] = [];
  for (const name of files) {
    const path = root.dir.displayPath(root.pathOf(kind, name));
    const { records, problem } = root.readRecords(kind, name);
    if (problem !== undefined) damaged.push({ path, problem });
    for (const [at, raw] of records.entries()) {
      const { record, problem: fault } = parse(raw);
      if (record !== undefined) found.push(record);
      else damaged.push({ path, problem: `record ${at}: ${fault}` });
    }
  }
  return found;
}
