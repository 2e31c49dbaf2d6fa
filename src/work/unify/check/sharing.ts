import type { ByteString } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type OperationOptions, turnTaker } from '#base/flow';
import { parseCommit, parseDirtree } from '#formats/ostree';
import { type Descriptor, type Dir, type Extent, readExactExtents } from '#host';
import type { Repository } from '#stores/composefs';
import { diffFolder, type LayerRow, openLayerFile } from '#stores/containers';
import type { OstreeRepo } from '#stores/ostree';
import { type OciImage, readLayer } from '#work/image';

/** How far the files of an image share their extents. Only files that have an object are counted. */
export interface SharingReport {
  readonly files: number;
  /** Files whose extents are the same in all stores that have them. */
  readonly sharedFiles: number;
  readonly sharedBytes: number;
  /** Files that some store has as a copy, and their total size in bytes. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  /** Files that containers-storage has more than once: another file of the same content there shares with the object. */
  readonly repeatedFiles: number;
  readonly repeatedBytes: number;
  /** Files without an extent to compare: the filesystem stores them inline in its metadata, or reports no extents. */
  readonly uncomparedFiles: number;
}

/** The stores to compare. */
export interface SharingPlaces {
  readonly composefs: Repository;
  readonly image: OciImage;
  readonly ostree: OstreeRepo | undefined;
  readonly commit: OstreeChecksum | undefined;
  /** Layers in containers-storage, base first. */
  readonly chain: readonly LayerRow[] | undefined;
}

/** Compares the extents of every file on the device, in the stores that have the image. @throws HostError */
export async function compareExtents(
  places: SharingPlaces,
  options: OperationOptions,
): Promise<SharingReport> {
  const report = {
    files: 0,
    sharedFiles: 0,
    sharedBytes: 0,
    copiedFiles: 0,
    copiedBytes: 0,
    repeatedFiles: 0,
    repeatedBytes: 0,
    uncomparedFiles: 0,
  };
  // An object shares with one file. Where podman wrote a content twice, the other file is podman's own.
  const held = new Set<ObjectId>();
  const apart: SharedFile[] = [];
  const takeTurn = turnTaker(options);
  const folders = openFolders(places.chain);
  try {
    for (const file of filesOf(places)) {
      await takeTurn();
      report.files += 1;
      const found = compareFile(places, file, folders[file.layer]);
      if (found === 'unknown') report.uncomparedFiles += 1;
      else if (found === 'copied') {
        report.copiedFiles += 1;
        report.copiedBytes += file.sizeBytes;
      } else if (found === 'apart') apart.push(file);
      else {
        held.add(file.id);
        report.sharedFiles += 1;
        report.sharedBytes += file.sizeBytes;
      }
    }
    for (const { id, sizeBytes } of apart) {
      const kind = held.has(id) ? 'repeated' : 'copied';
      report[`${kind}Files`] += 1;
      report[`${kind}Bytes`] += sizeBytes;
    }
    return report;
  } finally {
    for (const folder of folders) folder?.[Symbol.dispose]();
  }
}

/** Opens the layer folders of containers-storage, base first. */
function openFolders(chain: readonly LayerRow[] = []): (Dir | undefined)[] {
  return chain.map(({ root, record }) => root.dir.tryOpenDir(diffFolder(root.driver, record.id)));
}

/** A file of the image that has an object. */
interface SharedFile {
  readonly path: ByteString;
  readonly id: ObjectId;
  readonly sizeBytes: number;
  readonly layer: number;
  readonly checksum: OstreeChecksum | undefined;
}

/** Files that the top layers leave visible in the commit; without a commit, files that later whiteouts hide are included. */
function* filesOf(places: SharingPlaces): Generator<SharedFile> {
  const { composefs, image, ostree, commit } = places;
  const committed =
    ostree === undefined || commit === undefined ? undefined : committedFiles(ostree, commit);
  const visible = new Map<ByteString, number>();
  for (const [layer, { id }] of image.layers.entries()) {
    for (const { entry } of readLayer(composefs, id)) visible.set(plainPath(entry.path), layer);
  }
  for (const [layer, { id }] of image.layers.entries()) {
    for (const { entry, content } of readLayer(composefs, id)) {
      const path = plainPath(entry.path);
      if (content?.kind !== 'external' || visible.get(path) !== layer) continue;
      const checksum = committed?.get(path);
      if (committed !== undefined && checksum === undefined) continue;
      yield { path, id: content.id, sizeBytes: content.sizeBytes, layer, checksum };
    }
  }
}

/** `copied`: the commit has other extents; `apart`: only containers-storage has. */
type Sharing = 'shared' | 'copied' | 'apart' | 'unknown';

function compareFile(
  { composefs, ostree }: SharingPlaces,
  file: SharedFile,
  folder: Dir | undefined,
): Sharing {
  using object = composefs.objects.open(file.id);
  const extents = readExactExtents(object);
  if (extents === undefined) return 'unknown';
  let compared = 0;
  const isSame = (other: Descriptor | undefined): boolean => {
    const found = other === undefined ? [] : readExactExtents(other);
    if (found === undefined) return true;
    compared += 1;
    return areSame(extents, found);
  };
  if (file.checksum !== undefined) {
    using one = ostree?.openFile(file.checksum);
    if (!isSame(one?.plain)) return 'copied';
  }
  if (folder !== undefined) {
    using one = tryOpenStored(folder, file.path);
    if (!isSame(one)) return 'apart';
  }
  return compared === 0 ? 'unknown' : 'shared';
}

function tryOpenStored(folder: Dir, path: ByteString) {
  try {
    return openLayerFile(folder, path);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}

function areSame(one: readonly Extent[], other: readonly Extent[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ logicalOffset, physicalOffset, sizeBytes }, at) => {
      const found = other[at];
      return (
        found?.logicalOffset === logicalOffset &&
        found.physicalOffset === physicalOffset &&
        found.sizeBytes === sizeBytes
      );
    })
  );
}

/** File checksums of a commit by path in the image: `/usr/etc` of a commit is `/etc` of its image. */
function committedFiles(
  ostree: OstreeRepo,
  commit: OstreeChecksum,
): ReadonlyMap<ByteString, OstreeChecksum> {
  const found = new Map<ByteString, OstreeChecksum>();
  const read = (kind: 'commit' | 'dirtree', checksum: OstreeChecksum) =>
    ostree.readMetadata(kind, checksum);
  const root = read('commit', commit);
  const pending: { tree: OstreeChecksum; path: string }[] =
    root === undefined ? [] : [{ tree: parseCommit(root).rootTree, path: '' }];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const bytes = read('dirtree', at.tree);
    if (bytes === undefined) continue;
    const { files, directories } = parseDirtree(bytes);
    const place = (name: ByteString) => `${at?.path}${name}`;
    for (const { name, checksum } of files) {
      found.set(place(name).replace(/^usr\/etc\//, 'etc/') as ByteString, checksum);
    }
    for (const { name, tree } of directories) pending.push({ tree, path: `${place(name)}/` });
  }
  return found;
}

function plainPath(path: ByteString): ByteString {
  return path.replace(/^(?:\.?\/)+/, '') as ByteString;
}
