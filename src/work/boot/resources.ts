import type { ByteString } from '#base/bytes';
import { ConflictError, FormatError, NotFoundError } from '#base/errors';
import {
  type BlsEntry,
  filesOfBlsEntry,
  isPe,
  parseBlsEntry,
  requireAndroidKernel,
} from '#formats/boot';
import {
  Directory,
  findPath,
  type Inode,
  isRegular,
  leafAt,
  sortedEntries,
  type Tree,
} from '#formats/tree';
import type { TreeContents } from '#work/labels';

/** What can be booted of a tree, in the order in which it is looked for; the first is the one that is prepared. */
export type BootEntry =
  | {
      readonly kind: 'bls';
      /** Without `.conf`. */
      readonly name: string;
      readonly entry: BlsEntry;
      /** The files that the entry names. */
      readonly files: ReadonlyMap<string, Inode>;
    }
  | {
      readonly kind: 'uki';
      /** Path below `EFI/Linux`. */
      readonly path: string;
      readonly isAddon: boolean;
      readonly inode: Inode;
    }
  | {
      readonly kind: 'kernel';
      readonly version: string;
      readonly kernel: Inode;
      readonly initramfs: Inode | undefined;
    }
  | { readonly kind: 'aboot'; readonly version: string };

/** Most bytes of a file that is looked into: an entry, a unified kernel image, an Android boot image. */
export const BOOT_FILE_BYTES_MAX = 512 << 20;

/**
 * Finds what can be booted, before `/boot` is emptied. Source: oci-and-cli section 4.4.
 * @throws FormatError BOOT_FILE_INVALID; NotFoundError TREE_PATH_NOT_FOUND for a file that an entry names; ConflictError
 * BOOT_RESOURCES_CONFLICT
 */
export function findBootEntries(tree: Tree, contents: TreeContents): BootEntry[] {
  const scan = new Scan(tree, contents);
  const entries = [
    ...scan.blsEntries(),
    ...scan.ukis('boot/EFI/Linux', ''),
    ...scan.ukis('boot/loader/addons', ''),
    ...scan.modules(),
  ];
  const payloads = scan.androidPayloads();
  if (payloads.length > 1) throw conflict('it has several Android boot images');
  const isOther = entries.some((one) => one.kind !== 'uki' || !one.isAddon);
  if (payloads.length > 0 && isOther) {
    throw conflict('it has an Android boot image beside other boot entries');
  }
  return [...entries, ...payloads];
}

class Scan {
  readonly #tree: Tree;
  readonly #contents: TreeContents;

  constructor(tree: Tree, contents: TreeContents) {
    this.#tree = tree;
    this.#contents = contents;
  }

  *blsEntries(): Generator<BootEntry> {
    for (const [file, inode] of this.#childrenOf('boot/loader/entries')) {
      if (!file.endsWith('.conf') || inode instanceof Directory) continue;
      const path = `/boot/loader/entries/${file}`;
      const entry = parseBlsEntry(readRegular(this.#tree, this.#contents, inode, path), path);
      const files = new Map<string, Inode>();
      for (const name of filesOfBlsEntry(entry)) files.set(name, this.#require(name));
      yield { kind: 'bls', name: file.slice(0, -'.conf'.length), entry, files };
    }
  }

  *ukis(folder: string, below: string): Generator<BootEntry> {
    for (const [name, inode] of this.#childrenOf(folder)) {
      if (inode instanceof Directory) yield* this.ukis(`${folder}/${name}`, `${below}${name}/`);
      else if (name.endsWith('.efi')) {
        if (!isRegular(leafAt(this.#tree, inode))) {
          throw invalid(`/${folder}/${name}`, 'expected a regular file');
        }
        const isAddon = name.endsWith('.addon.efi');
        yield { kind: 'uki', path: below + name, isAddon, inode };
      }
    }
  }

  *modules(): Generator<BootEntry> {
    for (const [version, inode] of this.#childrenOf('usr/lib/modules')) {
      if (!(inode instanceof Directory)) continue;
      const folder = `usr/lib/modules/${version}`;
      yield* this.ukis(folder, '');
      const kernel = findPath(this.#tree, `${folder}/vmlinuz`);
      if (kernel === undefined || kernel instanceof Directory) continue;
      const initramfs = findPath(this.#tree, `${folder}/initramfs.img`);
      yield { kind: 'kernel', version, kernel, initramfs };
    }
  }

  androidPayloads(): BootEntry[] {
    const files = new Map(this.#childrenOf('boot'));
    const payloads: BootEntry[] = [];
    for (const [name, inode] of files) {
      const [, version] = /^aboot-(.+)\.img$/.exec(name) ?? [];
      if (version === undefined || inode instanceof Directory) continue;
      const path = `/boot/${name}`;
      const bytes = readRegular(this.#tree, this.#contents, inode, path);
      const hasVbmeta = files.delete(`vbmeta-${version}.img` as ByteString);
      if (isPe(requireAndroidKernel(bytes, path)) && hasVbmeta) {
        throw conflict(`${path} holds a unified kernel image, which must not have a vbmeta image`);
      }
      payloads.push({ kind: 'aboot', version });
    }
    const orphan = [...files.keys()].find((name) => /^vbmeta-.+\.img$/.test(name));
    if (orphan !== undefined) throw conflict(`/boot/${orphan} has no Android boot image`);
    return payloads;
  }

  /** The children of a directory in byte order; none where there is no such directory. */
  #childrenOf(path: string): readonly (readonly [ByteString, Inode])[] {
    const found = findPath(this.#tree, path);
    return found instanceof Directory ? sortedEntries(found) : [];
  }

  #require(path: string): Inode {
    const found = findPath(this.#tree, path);
    if (found !== undefined) return found;
    throw new NotFoundError(
      'TREE_PATH_NOT_FOUND',
      `Cannot find "${path}", which a boot entry of the image names`,
      { path },
    );
  }
}

/** The content of a regular file of a tree. @throws FormatError BOOT_FILE_INVALID; as `TreeContents.read` */
export function readRegular(
  tree: Tree,
  contents: TreeContents,
  inode: Inode,
  path: string,
): Uint8Array {
  if (inode instanceof Directory) throw invalid(path, 'expected a file, found a directory');
  const leaf = leafAt(tree, inode);
  if (leaf.kind === 'inline') return leaf.content;
  if (leaf.kind === 'external' || leaf.kind === 'externalNoVerity') {
    return contents.read(leaf.id, BOOT_FILE_BYTES_MAX);
  }
  throw invalid(path, 'expected a regular file');
}

function invalid(what: string, reason: string): FormatError {
  return new FormatError('BOOT_FILE_INVALID', `Cannot read ${what}: ${reason}`, {
    offset: 0,
    what,
  });
}

function conflict(reason: string): ConflictError {
  return new ConflictError(
    'BOOT_RESOURCES_CONFLICT',
    `Cannot tell how to boot the image: ${reason}`,
    { reason },
  );
}
