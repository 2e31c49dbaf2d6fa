import type { ByteString } from '#base/bytes';
import { readAll, removeTree } from '#host';
import { lockToWrite, type RecordsLock, type StoreLockOptions } from '../locks.ts';
import type { StorageRoot } from '../root.ts';
import { type EditableRecord, readForWriting, stringsOf, writeRecords } from './records-file.ts';
import { fsyncFolders } from './staging.ts';

/** Result of removing names of an image. */
export interface StoreRemoval {
  /** `removed` with its layers; `untagged`: it has other names; `used`: a container or another layer depends on it; `absent`. */
  readonly outcome: 'removed' | 'untagged' | 'used' | 'absent';
  /** Names that the image keeps. */
  readonly names: readonly string[];
  /** Layers that were removed; layers of other images are kept. */
  readonly layers: readonly string[];
}

const LINK_FILE_BYTES_MAX = 4096;

/**
 * Removes names of an image, and the image with its layers if no name is left, under podman's locks. An image used by a container keeps its
 * names. The record of the image is removed first, then layers are marked incomplete, so that podman removes what a crash leaves.
 * @param isPlan removes nothing; the report lists what would be removed
 * @throws BusyError STORE_LOCKED; FormatError CONTAINERS_RECORDS_INVALID; HostError
 */
export async function removeNames(
  root: StorageRoot,
  imageId: string,
  isRemoved: (name: string) => boolean,
  options: StoreLockOptions & { readonly isPlan?: boolean | undefined } = {},
): Promise<StoreRemoval> {
  const { isPlan = false } = options;
  using layersLock = isPlan ? undefined : await lockToWrite(root, 'layers', options);
  using imagesLock = isPlan ? undefined : await lockToWrite(root, 'images', options);
  options.signal?.throwIfAborted();
  const images = readForWriting(root, 'images');
  const layers = readForWriting(root, 'layers');
  const image = images.find(({ value }) => value['id'] === imageId);
  if (image === undefined) return { outcome: 'absent', names: [], layers: [] };
  const before = stringsOf(image.value['names']);
  const names = before.filter((name) => !isRemoved(name));
  const others = images.filter((one) => one !== image);
  const doomed = layersOf(image, others, layers);
  if (doomed === undefined) return { outcome: 'used', names: before, layers: [] };
  if (names.length > 0) {
    const record = { ...image.value, names };
    if (imagesLock !== undefined && names.length < before.length) {
      const texts = images.map((one) => (one === image ? record : one.text));
      writeRecords(root, 'images', imagesLock, texts);
    }
    return { outcome: 'untagged', names, layers: [] };
  }
  if (imagesLock !== undefined && layersLock !== undefined) {
    writeRecords(
      root,
      'images',
      imagesLock,
      others.map(({ text }) => text),
    );
    removeTree(root.dir, root.pathOf('images', imageId) as ByteString);
    removeLayers(root, layersLock, layers, new Set(doomed));
  }
  return { outcome: 'removed', names: [], layers: doomed };
}

/** Layers that only this image needs, top first; undefined if something else depends on its top layer. */
function layersOf(
  image: EditableRecord,
  others: readonly EditableRecord[],
  layers: readonly EditableRecord[],
): string[] | undefined {
  const byId = new Map(layers.map(({ value }) => [String(value['id']), value]));
  const tops = new Set(
    others.flatMap(({ value }) => [value['layer'], ...stringsOf(value['mapped-layers'])]),
  );
  const chain: string[] = [];
  const start = image.value['layer'];
  for (
    let id = start;
    typeof id === 'string' && !chain.includes(id);
    id = byId.get(id)?.['parent']
  ) {
    chain.push(id);
  }
  const childrenOf = (id: string) =>
    layers.filter(({ value }) => value['parent'] === id).map(({ value }) => String(value['id']));
  const imageLayers = chainsOf(others, byId);
  const doomed: string[] = [];
  for (const id of chain) {
    const above = childrenOf(id).filter((child) => !doomed.includes(child));
    // A layer that belongs to no image belongs to a container.
    if (above.some((child) => !imageLayers.has(child))) return undefined;
    if (above.length > 0 || tops.has(id)) break;
    doomed.push(id);
  }
  return doomed.filter((id) => byId.has(id));
}

function chainsOf(
  images: readonly EditableRecord[],
  byId: ReadonlyMap<string, EditableRecord['value']>,
): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { value } of images) {
    for (
      let id = value['layer'];
      typeof id === 'string' && !found.has(id);
      id = byId.get(id)?.['parent']
    ) {
      found.add(id);
    }
  }
  return found;
}

function removeLayers(
  root: StorageRoot,
  lock: RecordsLock,
  layers: readonly EditableRecord[],
  doomed: ReadonlySet<string>,
): void {
  if (doomed.size === 0) return;
  const isDoomed = ({ value }: EditableRecord) => doomed.has(String(value['id']));
  const marked = layers.map((one) =>
    isDoomed(one) ? { ...one.value, flags: { incomplete: true } } : one.text,
  );
  writeRecords(root, 'layers', lock, marked);
  for (const id of doomed) {
    using link = root.dir.tryOpenFile(`overlay/${id}/link`);
    const name = link === undefined ? '' : readAll(link, LINK_FILE_BYTES_MAX).toString('latin1');
    if (/^[A-Z0-9]+$/i.test(name)) root.dir.unlink(`overlay/l/${name}`);
    removeTree(root.dir, `overlay/${id}` as ByteString);
    removeTree(root.dir, root.pathOf('layers', id) as ByteString);
    root.dir.unlink(root.pathOf('layers', `${id}.tar-split.gz`));
  }
  fsyncFolders(root.dir, ['overlay', 'overlay/l', 'overlay-layers']);
  writeRecords(
    root,
    'layers',
    lock,
    layers.filter((one) => !isDoomed(one)).map(({ text }) => text),
  );
}
