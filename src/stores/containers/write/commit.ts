import type { ByteString } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import { bigDataFileName } from '#formats/containers-storage';
import { type Dir, fsync, readAll, removeTree } from '#host';
import { layerMissing } from '../layer-files.ts';
import { lockToWrite, type RecordsLock, type StoreLockOptions } from '../locks.ts';
import type { StorageRoot } from '../root.ts';
import { readSnapshot } from '../snapshot.ts';
import {
  type EditableRecord,
  readForWriting,
  removeLeftovers,
  stringsOf,
  type WrittenRecord,
  writeFile,
  writeRecords,
} from './records-file.ts';
import { fsyncFolders } from './staging.ts';
import type { LayerToWrite } from './store-writer.ts';

/** An image to write: its record and files. */
export interface ImageToWrite {
  readonly id: string;
  readonly name: string;
  /** Base first. */
  readonly layers: readonly LayerToWrite[];
  readonly manifest: { readonly digest: ContentDigest; readonly bytes: Uint8Array };
  readonly config: { readonly digest: ContentDigest; readonly bytes: Uint8Array };
  /** The index that the image was chosen from, if known. */
  readonly index: { readonly digest: ContentDigest; readonly bytes: Uint8Array } | undefined;
  readonly created: string | undefined;
}

/** Destination of an image. */
export interface CommitPlace {
  readonly target: StorageRoot;
  readonly primary: StorageRoot;
  /** Roots whose layers may be used, but that are not written. */
  readonly readOnly: readonly StorageRoot[];
  readonly isStaged: (id: string) => boolean;
  /** Folder of the staged layers, and folder of their tar-splits. */
  readonly files: Dir;
  readonly splits: Dir;
}

/**
 * Moves staged layers and the image into place, under podman's locks in podman's order.
 *
 *     layers.json: the new layers, incomplete ─▶ their files ─▶ layers.json: complete ─▶ files of the image ─▶ images.json
 *
 * After a crash before the layers are complete, podman removes all of them; after a later crash, they are layers without an image. At no time
 * does an image lack its manifest, or a directory lack its record.
 * @throws BusyError STORE_LAYER_GONE, STORE_LOCKED; FormatError CONTAINERS_RECORDS_INVALID; HostError
 */
export async function commitImage(
  place: CommitPlace,
  image: ImageToWrite,
  options: StoreLockOptions,
): Promise<void> {
  const { target, primary, readOnly } = place;
  const others = await readSnapshot(readOnly, options);
  using own = primary === target ? undefined : await lockToWrite(primary, 'layers', options);
  using lock = await lockToWrite(target, 'layers', options);
  using images = await lockToWrite(target, 'images', options);
  options.signal?.throwIfAborted();
  own?.stamp();
  placeLayers(place, image, lock, (id) => others.layers.has(id));
  placeImage(target, image, images);
}

function placeLayers(
  place: CommitPlace,
  { layers }: ImageToWrite,
  lock: RecordsLock,
  isElsewhere: (id: string) => boolean,
): void {
  const { target, isStaged } = place;
  removeLeftovers(target, 'layers');
  const wanted = new Set(layers.map(({ id }) => id));
  const isLeftover = ({ value }: EditableRecord) => isIncomplete(value) && wanted.has(idOf(value));
  const before = readForWriting(target, 'layers');
  // The creator of a layer holds the lock while the layer is incomplete: an incomplete layer was left by a crash.
  const kept = before.filter((record) => !isLeftover(record));
  const present = new Set(
    kept.filter(({ value }) => !isIncomplete(value)).map(({ value }) => idOf(value)),
  );
  const missing = layers.filter(({ id }) => !present.has(id) && !isElsewhere(id));
  const unstaged = missing.find(({ id }) => !isStaged(id));
  if (unstaged !== undefined) throw layerMissing(unstaged.id, target.dir.label);
  if (missing.length === 0) return;
  const texts: WrittenRecord[] = kept.map(({ text }) => text);
  const created = new Date().toISOString();
  const records = missing.map((layer) => layerRecord(layer, created));
  const begun = records.map((record) => ({ ...record, flags: { incomplete: true } }));
  writeRecords(target, 'layers', lock, [...texts, ...begun]);
  for (const layer of missing) placeLayer(place, layer);
  fsyncFolders(target.dir, ['overlay', 'overlay/l']);
  fsyncFolders(place.primary.dir, ['overlay-layers']);
  writeRecords(target, 'layers', lock, [...texts, ...records]);
}

function placeLayer({ target, primary, files, splits }: CommitPlace, { id }: LayerToWrite): void {
  using staged = files.openDir(id);
  using linkFile = staged.openFile('link');
  const link = readAll(linkFile, 4096).toString('latin1');
  removeTree(target.dir, `overlay/${id}` as ByteString);
  files.rename(id, `overlay/${id}`, target.dir);
  target.dir.replaceSymlink(`../${id}/diff`, `overlay/l/${link}`);
  const split = `${id}.tar-split.gz`;
  splits.rename(split, primary.pathOf('layers', split), primary.dir);
}

function layerRecord(layer: LayerToWrite, created: string): Record<string, unknown> {
  const { id, parent, diffId, diffSizeBytes, blob, compression, uids, gids } = layer;
  return {
    id,
    ...(parent === undefined ? {} : { parent }),
    created,
    'compressed-diff-digest': blob.digest,
    'compressed-size': blob.sizeBytes,
    'diff-digest': diffId,
    'diff-size': diffSizeBytes,
    ...(compression === 0 ? {} : { compression }),
    ...(uids.length === 0 ? {} : { uidset: uids }),
    ...(gids.length === 0 ? {} : { gidset: gids }),
  };
}

/** Writes the files of an image, then its record; moves a name that another image has. */
function placeImage(target: StorageRoot, image: ImageToWrite, lock: RecordsLock): void {
  removeLeftovers(target, 'images');
  const before = readForWriting(target, 'images');
  const { index, manifest, config } = image;
  const items = [
    [config.digest, config],
    ...(index === undefined ? [] : [[`manifest-${index.digest}`, index] as const]),
    [`manifest-${manifest.digest}`, manifest],
    ['manifest', manifest],
  ] as const;
  const folder = target.pathOf('images', `${image.id}/`);
  target.dir.mkdir(folder, 0o700);
  removeTemporary(target.dir, folder);
  for (const [key, { bytes }] of items)
    writeFile(target, folder, bigDataFileName(key) ?? key, bytes);
  fsync(target.dir);
  const known = before.find(({ value }) => idOf(value) === image.id);
  const others = before
    .filter((record) => record !== known)
    .map((record) => withoutName(record, image.name));
  const names = [...new Set([...stringsOf(known?.value['names']), image.name])];
  const history = [...new Set([...stringsOf(known?.value['names-history']), image.name])];
  const keys = [
    ...new Set([...stringsOf(known?.value['big-data-names']), ...items.map(([key]) => key)]),
  ];
  const written = {
    id: image.id,
    digest: index?.digest ?? manifest.digest,
    names,
    'names-history': history,
    layer: image.layers.at(-1)?.id ?? known?.value['layer'],
    metadata: known?.value['metadata'] ?? '{}',
    'big-data-names': keys,
    'big-data-sizes': {
      ...objectOf(known?.value['big-data-sizes']),
      ...Object.fromEntries(items.map(([key, { bytes }]) => [key, bytes.length])),
    },
    'big-data-digests': {
      ...objectOf(known?.value['big-data-digests']),
      ...Object.fromEntries(items.map(([key, { digest }]) => [key, digest])),
    },
    created: known?.value['created'] ?? image.created ?? new Date().toISOString(),
  };
  // Other members of an existing record are kept.
  const record = { ...known?.value, ...written };
  writeRecords(target, 'images', lock, [...others, record]);
}

/** Removes temporary files that a killed writer left among the files of an image. */
function removeTemporary(root: Dir, folder: string): void {
  using directory = root.openDir(folder.replace(/\/$/, ''));
  for (const { name } of directory.readEntries())
    if (name.startsWith('.tmp-')) directory.unlink(name);
}

/** Removes this name from a record; returns the unchanged text if the record never had it. */
function withoutName({ text, value }: EditableRecord, name: string): WrittenRecord {
  const names = stringsOf(value['names']);
  return names.includes(name) ? { ...value, names: names.filter((one) => one !== name) } : text;
}

function idOf(value: Readonly<Record<string, unknown>>): string {
  return String(value['id'] ?? '');
}

function isIncomplete(value: Readonly<Record<string, unknown>>): boolean {
  return objectOf(value['flags'])['incomplete'] === true;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : {};
}
