import type { ByteString } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { FormatError, IntegrityError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import {
  computeFileChecksum,
  computeMetadataChecksum,
  type DirtreeDirectory,
  type DirtreeFile,
  encodeDirmeta,
  encodeDirtree,
  FileHasher,
  type OstreeXattr,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  type SizedFileHeader,
  sortXattrs,
  TREE_DEPTH_MAX,
  xattrsOnDisk,
} from '#formats/ostree';
import type { Labeler } from '#formats/selinux';
import {
  type ExternalLeaf,
  type ExternalNoVerityLeaf,
  isRegular,
  type Leaf,
  leafAt,
  type Stat,
  type Tree,
} from '#formats/tree';
import type { Repository } from '#stores/composefs';
import type { OstreeTransaction } from '#stores/ostree';
import { TYPE_LETTERS } from '#work/labels';
import { notCommittable, requireName, requireTarget } from '#work/make-commit';
import type { PlacedDirectory, PlacedLeaf } from './arrange.ts';

/** How objects are made. */
export interface TreeWriterOptions extends OperationOptions {
  readonly labeler: Labeler | undefined;
  /** False: xattrs stay as they are, which no `bare` repository can give back in every case. */
  readonly normaliseXattrs: boolean;
}

/** Name of the xattr that holds a label. */
const SELINUX = 'security.selinux' as ByteString;
/** Pieces in which content is hashed, in bytes. */
const PIECE_BYTES = 262_144;
/** Files between two progress events. */
const PROGRESS_EVERY = 256;
const PROGRESS_ID = 'synthesize';
const LINK_PERMISSIONS = 0o777;
/**
 * Looks at everything that an arranged tree names, so that what no commit can hold is refused before anything is written.
 * @throws FormatError OSTREE_NAME_INVALID, OSTREE_TREE_TOO_LARGE; UnsupportedError OSTREE_NOT_COMMITTABLE; ConflictError
 * OSTREE_OVERLAY_CONFLICT
 */
export function requireCommittable(tree: Tree, placed: PlacedDirectory, depth = 0): void {
  if (depth > TREE_DEPTH_MAX) failDepth(depth);
  for (const [name, child] of placed.children()) {
    requireName(name, placed.path);
    if (child.kind === 'directory') {
      requireCommittable(tree, child, depth + 1);
      continue;
    }
    const leaf = leafAt(tree, child.index);
    if (leaf.kind === 'symlink') requireTarget(leaf.target, child.path);
    else if (!isRegular(leaf)) throw notCommittable(child.path, leaf.kind);
  }
}

/** Writes the objects of an arranged tree into a repository, contents by reflink from the objects of the image where that can be. */
export class TreeWriter {
  readonly #repository: Repository;
  readonly #tree: Tree;
  readonly #transaction: OstreeTransaction;
  readonly #options: TreeWriterOptions;
  readonly #piece = new Uint8Array(PIECE_BYTES);
  /** Checksums of leaves by index and label: hard links are hashed once. */
  readonly #known = new Map<string, OstreeChecksum>();
  #files = 0;

  constructor(
    repository: Repository,
    tree: Tree,
    transaction: OstreeTransaction,
    options: TreeWriterOptions,
  ) {
    this.#repository = repository;
    this.#tree = tree;
    this.#transaction = transaction;
    this.#options = options;
  }

  /**
   * Writes everything below a directory, and its own two objects.
   * @throws FormatError SELINUX_POLICY_TOO_COSTLY; UnsupportedError OSTREE_NOT_COMMITTABLE; IntegrityError OBJECT_DIGEST_MISMATCH,
   * OBJECT_SIZE_MISMATCH; the reason of `signal`
   */
  async writeRoot(root: PlacedDirectory): Promise<Omit<DirtreeDirectory, 'name'>> {
    const { onProgress } = this.#options;
    onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items' });
    const ids = await this.#directory(root);
    onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: this.#files });
    return ids;
  }

  async #directory(placed: PlacedDirectory): Promise<Omit<DirtreeDirectory, 'name'>> {
    this.#options.signal?.throwIfAborted();
    const files: DirtreeFile[] = [];
    const directories: DirtreeDirectory[] = [];
    for (const [name, child] of placed.children()) {
      if (child.kind === 'directory') {
        directories.push({ name, ...(await this.#directory(child)) });
      } else files.push({ name, checksum: await this.#leaf(child) });
    }
    const { uid, gid, mode } = placed.stat;
    const label = this.#options.labeler?.labelOf(placed.labelName, 'd');
    const xattrs = this.#xattrs(placed.stat, label);
    const meta = this.#metadata(
      'dirmeta',
      encodeDirmeta({ uid, gid, mode: S_IFDIR | mode, xattrs }),
    );
    return { tree: this.#metadata('dirtree', encodeDirtree({ files, directories })), meta };
  }

  #metadata(kind: 'dirtree' | 'dirmeta', bytes: Uint8Array): OstreeChecksum {
    const checksum = computeMetadataChecksum(bytes);
    this.#transaction.writeMetadata(kind, checksum, bytes);
    return checksum;
  }

  async #leaf({ index, path, labelName }: PlacedLeaf): Promise<OstreeChecksum> {
    const leaf = leafAt(this.#tree, index);
    const label = this.#options.labeler?.labelOf(labelName, TYPE_LETTERS[leaf.kind]);
    const key = `${index} ${label ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const checksum = await this.#write(leaf, label, path);
    this.#known.set(key, checksum);
    this.#files += 1;
    if (this.#files % PROGRESS_EVERY === 0) {
      this.#options.signal?.throwIfAborted();
      this.#options.onProgress?.({ type: 'advanced', id: PROGRESS_ID, done: this.#files });
    }
    return checksum;
  }

  async #write(leaf: Leaf, label: string | undefined, path: string): Promise<OstreeChecksum> {
    const { uid, gid, mode } = leaf.stat;
    const owned = { uid, gid, xattrs: this.#xattrs(leaf.stat, label) };
    const target = '' as ByteString;
    switch (leaf.kind) {
      case 'symlink': {
        const link = { ...owned, mode: S_IFLNK | LINK_PERMISSIONS, target: leaf.target };
        return await this.#bytes({ ...link, sizeBytes: 0 }, new Uint8Array(0));
      }
      case 'inline': {
        const header = { ...owned, mode: S_IFREG | mode, target, sizeBytes: leaf.content.length };
        return await this.#bytes(header, leaf.content);
      }
      case 'external':
      case 'externalNoVerity': {
        const header = { ...owned, mode: S_IFREG | mode, target, sizeBytes: leaf.sizeBytes };
        return await this.#object(header, leaf);
      }
      default:
        // Layers give no other kind of file: sparse members come expanded.
        throw notCommittable(path, leaf.kind);
    }
  }

  async #bytes(header: SizedFileHeader, bytes: Uint8Array): Promise<OstreeChecksum> {
    const checksum = computeFileChecksum(header, bytes);
    await this.#transaction.writeFile(checksum, header, { bytes });
    return checksum;
  }

  async #object(
    header: SizedFileHeader,
    { id, sizeBytes }: ExternalLeaf | ExternalNoVerityLeaf,
  ): Promise<OstreeChecksum> {
    using object = this.#repository.objects.open(id, { verify: 'content' });
    const hasher = new FileHasher(header);
    let at = 0;
    for (let length = 1; length > 0 && at < sizeBytes; at += length) {
      length = object.read(at, this.#piece);
      hasher.update(this.#piece.subarray(0, length));
    }
    if (at !== sizeBytes || object.sizeBytes !== sizeBytes) {
      throw new IntegrityError(
        'OBJECT_SIZE_MISMATCH',
        `Cannot read object ${id}: expected ${sizeBytes} bytes, found ${object.sizeBytes}`,
        { id, expected: sizeBytes, found: object.sizeBytes },
      );
    }
    const checksum = hasher.finish();
    await this.#transaction.writeFile(checksum, header, { file: object }, true);
    return checksum;
  }

  /** The xattrs of an inode with its own label instead of one that the image brought; the kernel ends labels with a NUL. */
  #xattrs({ xattrs }: Stat, label: string | undefined): readonly OstreeXattr[] {
    const kept: OstreeXattr[] = [];
    for (const [name, value] of xattrs) if (name !== SELINUX) kept.push({ name, value });
    if (label !== undefined) {
      kept.push({ name: SELINUX, value: new Uint8Array(Buffer.from(`${label}\0`, 'latin1')) });
    }
    return this.#options.normaliseXattrs ? xattrsOnDisk(kept) : sortXattrs(kept);
  }
}

function failDepth(depth: number): never {
  throw new FormatError(
    'OSTREE_TREE_TOO_LARGE',
    `Cannot commit tree: expected directories at most ${TREE_DEPTH_MAX} deep, found ${depth}`,
    { offset: 0, what: 'tree', expected: TREE_DEPTH_MAX, found: depth },
  );
}
