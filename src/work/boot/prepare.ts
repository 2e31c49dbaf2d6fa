import type { ObjectId } from '#base/digest';
import { ConflictError, FormatError, IntegrityError, NotFoundError } from '#base/errors';
import {
  type BlsEntry,
  createBlsEntry,
  editBlsEntry,
  encodeBlsEntry,
  findImageArgument,
  formatImageArgument,
  readPeSection,
} from '#formats/boot';
import type { Inode, Tree } from '#formats/tree';
import { Dir } from '#host';
import type { Repository } from '#stores/composefs';
import { publishTree } from '#work/encode';
import type { OciImage } from '#work/image';
import { BootFolder } from './boot-folder.ts';
import { buildBootTree } from './boot-image.ts';
import { type BootEntry, readRegular } from './resources.ts';

/** Where and how to write a boot entry. */
export interface PrepareBootOptions {
  /** The mounted boot partition. */
  readonly bootDirectory: string;
  /** Name for the entry; that of the image's own entry, or the version of its kernel, without one. */
  readonly entryId?: string | undefined;
  /** Arguments to add for the kernel. */
  readonly args: readonly string[];
  /** Directory that gets `state/deploy/ID` with the writable directories of the system. */
  readonly stateParent: string;
}

/** What an entry is written for. */
interface Prepared {
  readonly repository: Repository;
  readonly tree: Tree;
  readonly id: ObjectId;
  readonly options: PrepareBootOptions;
}

/**
 * Stores the bootable image of a stored image, and writes the first of its boot entries into a boot partition: its files first, the entry
 * itself last. Source: oci-and-cli section 4.9.
 * @returns the image that is booted
 * @throws NotFoundError BOOT_ENTRY_NOT_FOUND; IntegrityError BOOT_IMAGE_MISMATCH for a unified kernel image of another image;
 *   ConflictError BOOT_RESOURCES_CONFLICT; as `buildBootTree`; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function prepareBoot(
  repository: Repository,
  image: OciImage,
  options: PrepareBootOptions,
): Promise<ObjectId> {
  const { entries, tree, content } = await buildBootTree(repository, image);
  const [entry] = entries;
  if (entry === undefined) {
    throw new NotFoundError(
      'BOOT_ENTRY_NOT_FOUND',
      `Cannot prepare image ${image.manifestDigest} for booting: it has no boot entries`,
      { image: image.manifestDigest },
    );
  }
  requireWritable(entry, options);
  let id: ObjectId | undefined;
  for (const version of repository.versions) {
    const made = await publishTree(repository, tree, version);
    id ??= made;
  }
  const prepared = { repository, tree: content, id: id as ObjectId, options };
  using folder = BootFolder.open(options.bootDirectory);
  writeEntry(prepared, entry, folder);
  makeState(prepared);
  return prepared.id;
}

function requireWritable(entry: BootEntry, { args, entryId }: PrepareBootOptions): void {
  if (entryId !== undefined && /\/|^\.{1,2}$/.test(entryId))
    throw unusable(`"${entryId}" is no name of an entry`);
  if (entry.kind === 'aboot') throw unusable('Android boot images are not written');
  if (entry.kind === 'uki' && args.length > 0) {
    throw unusable('a unified kernel image takes no further arguments');
  }
  if (entry.kind === 'kernel' && entry.initramfs === undefined) {
    throw unusable(`kernel ${entry.version} has no initramfs.img beside it`);
  }
}

function unusable(reason: string): ConflictError {
  return new ConflictError('BOOT_RESOURCES_CONFLICT', `Cannot write the boot entry: ${reason}`, {
    reason,
  });
}

function writeEntry(prepared: Prepared, entry: BootEntry, folder: BootFolder): void {
  const { entryId } = prepared.options;
  if (entry.kind === 'uki') writeUki(prepared, entry, folder);
  else if (entry.kind === 'bls') {
    for (const [path, inode] of entry.files) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      folder.write(
        entryId === undefined ? path : `${entryId}/${name}`,
        contentOf(prepared, inode, path),
      );
    }
    writeBls(prepared, entry.entry, { name: entryId ?? entry.name, relocate: entryId }, folder);
  } else if (entry.kind === 'kernel') {
    const name = entryId ?? entry.version;
    folder.write(`${name}/vmlinuz`, contentOf(prepared, entry.kernel, 'vmlinuz'));
    const initramfs = entry.initramfs as Inode;
    folder.write(`${name}/initramfs.img`, contentOf(prepared, initramfs, 'initramfs.img'));
    writeBls(prepared, createBlsEntry(name), { name, relocate: undefined }, folder);
  }
}

function contentOf({ repository, tree }: Prepared, inode: Inode, path: string): Uint8Array {
  return readRegular(tree, repository.objects, inode, path);
}

function writeBls(
  { repository, id, options }: Prepared,
  entry: BlsEntry,
  place: { readonly name: string; readonly relocate: string | undefined },
  folder: BootFolder,
): void {
  const requiresVerity = !repository.insecure;
  const argument = formatImageArgument({ id, requiresVerity }, repository.formats.default);
  const edited = editBlsEntry(entry, { folder: place.relocate, args: [argument, ...options.args] });
  folder.write(`loader/entries/${place.name}.conf`, encodeBlsEntry(edited));
}

/** A unified kernel image names the image that it boots, and must name this one. */
function writeUki(
  prepared: Prepared,
  entry: Extract<BootEntry, { kind: 'uki' }>,
  folder: BootFolder,
): void {
  const { repository, id, options } = prepared;
  folder.makeDirectories('EFI/Linux');
  const what = `/boot/EFI/Linux/${entry.path}`;
  const bytes = contentOf(prepared, entry.inode, what);
  const section = readPeSection(bytes, '.cmdline', what);
  if (section === undefined) {
    const message = `Cannot read ${what}: it has no section .cmdline`;
    throw new FormatError('BOOT_FILE_INVALID', message, { offset: 0, what });
  }
  const found = findImageArgument(section.toString(), repository.algorithm)?.id;
  if (found !== id) {
    throw new IntegrityError(
      'BOOT_IMAGE_MISMATCH',
      `Cannot boot with ${what}: expected image ${id} in its command line, found ${found ?? 'none'}`,
      { expected: id, found: found ?? null },
    );
  }
  const folderOf = entry.path.slice(0, entry.path.lastIndexOf('/') + 1);
  const { entryId } = options;
  const path = entryId === undefined ? entry.path : `${folderOf}${entryId}.efi`;
  folder.write(`EFI/Linux/${path}`, bytes);
}

/** The directories that a deployment of this image keeps what it writes in. */
function makeState({ id, options }: Prepared): void {
  using parent = Dir.open(options.stateParent);
  for (const path of ['', '/var', '/etc', '/etc/upper', '/etc/work']) {
    for (const above of ['state', 'state/deploy']) parent.mkdir(above);
    parent.mkdir(`state/deploy/${id}${path}`);
  }
}
