import type { ByteString } from '#base/bytes';
import type { ObjectId, OstreeChecksum } from '#base/digest';
import { FormatError, IntegrityError } from '#base/errors';
import type { OperationOptions, Steps } from '#base/flow';
import {
  type CommitStreamBuilder,
  computeFileChecksum,
  computeMetadataChecksum,
  type DirtreeDirectory,
  type DirtreeFile,
  encodeDirmeta,
  encodeDirtree,
  encodeZlibHeader,
  FileHasher,
  frameHeader,
  inlineMaxBytes,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  type SizedFileHeader,
  TREE_DEPTH_MAX,
} from '#formats/ostree';
import {
  Directory,
  type ExternalLeaf,
  type ExternalNoVerityLeaf,
  type Leaf,
  type LeafIndex,
  leafAt,
  sortedEntries,
  type Tree,
} from '#formats/tree';
import type { Repository, VerifyMode } from '#stores/composefs';
import { notCommittable, requireName, requireTarget } from './committable.ts';
import type { CommitStat, StatModifier } from './modifiers.ts';

/** The two ids of the root of a tree. */
export interface RootIds {
  readonly rootTree: OstreeChecksum;
  readonly rootMeta: OstreeChecksum;
}

/** Options for creating objects. */
export interface TreeObjectsOptions extends OperationOptions {
  /** How existing objects are verified before their content is hashed. */
  readonly verify: VerifyMode;
}

/** Files between two progress events. */
const PROGRESS_EVERY = 256;
const PROGRESS_ID = 'commit';
/** Pieces in which content is read, in bytes. */
const PIECE_BYTES = 262_144;
const ZEROS = new Uint8Array(1 << 20);

/** Creates the OSTree objects of a tree: dirtrees and dirmetas, file headers, and content as objects of the repository. */
export class TreeObjects {
  readonly #repository: Repository;
  readonly #builder: CommitStreamBuilder;
  readonly #modifier: StatModifier;
  readonly #options: TreeObjectsOptions;
  readonly #inlineMax: number;
  /** One buffer for all files: most are small, and a new buffer for each costs more than reading. */
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #files = 0;
  readonly #counts = { metadataObjects: 0, fileObjects: 0 };

  constructor(
    repository: Repository,
    builder: CommitStreamBuilder,
    modifier: StatModifier,
    options: TreeObjectsOptions,
  ) {
    this.#repository = repository;
    this.#builder = builder;
    this.#modifier = modifier;
    this.#options = options;
    this.#inlineMax = inlineMaxBytes(repository.algorithm);
  }

  /** Distinct objects made so far. */
  get counts(): { readonly metadataObjects: number; readonly fileObjects: number } {
    return { ...this.#counts };
  }

  /**
   * Adds everything in the tree to the builder. A step is one file, or one piece of a large one.
   * @throws UnsupportedError OSTREE_NOT_COMMITTABLE for what OSTree has no form for; FormatError OSTREE_NAME_INVALID,
   * OSTREE_TREE_TOO_LARGE; as `ObjectStore.open`
   */
  *add(tree: Tree): Steps<RootIds> {
    const { onProgress } = this.#options;
    onProgress?.({ type: 'started', id: PROGRESS_ID, unit: 'items' });
    const known = new Map<LeafIndex, Map<string, OstreeChecksum>>();
    const ids = yield* this.#directory(tree, tree.root, '/', 0, known);
    onProgress?.({ type: 'done', id: PROGRESS_ID, transferred: this.#files });
    return { rootTree: ids.tree, rootMeta: ids.meta };
  }

  *#directory(
    tree: Tree,
    directory: Directory,
    path: string,
    depth: number,
    known: Map<LeafIndex, Map<string, OstreeChecksum>>,
  ): Steps<Omit<DirtreeDirectory, 'name'>> {
    if (depth > TREE_DEPTH_MAX) failDepth(depth);
    const stat = this.#modifier.apply(path, directory, { kind: 'directory', stat: directory.stat });
    const files: DirtreeFile[] = [];
    const directories: DirtreeDirectory[] = [];
    const base = path === '/' ? '' : path;
    for (const [name, inode] of sortedEntries(directory)) {
      const below = `${base}/${name}`;
      if (this.#modifier.isSkipped(below, inode)) continue;
      requireName(name, path);
      if (inode instanceof Directory) {
        const ids = yield* this.#directory(tree, inode, below, depth + 1, known);
        directories.push({ name, ...ids });
      } else files.push({ name, checksum: yield* this.#leaf(tree, inode, below, known) });
    }
    const meta = this.#metadata(encodeDirmeta({ ...stat, mode: S_IFDIR | stat.mode }));
    return { tree: this.#metadata(encodeDirtree({ files, directories })), meta };
  }

  #metadata(bytes: Uint8Array): OstreeChecksum {
    const checksum = computeMetadataChecksum(bytes);
    if (!this.#builder.has(checksum)) this.#counts.metadataObjects += 1;
    this.#builder.addMetadata(checksum, bytes);
    return checksum;
  }

  /** Names of one inode may get different metadata from overrides by path, so they are one file only when that is equal. */
  *#leaf(
    tree: Tree,
    index: LeafIndex,
    path: string,
    known: Map<LeafIndex, Map<string, OstreeChecksum>>,
  ): Steps<OstreeChecksum> {
    const leaf = leafAt(tree, index);
    const kind = leaf.kind === 'symlink' ? 'symlink' : 'file';
    const stat = this.#modifier.apply(path, index, { kind, stat: leaf.stat });
    const ofLeaf = known.get(index) ?? new Map<string, OstreeChecksum>();
    known.set(index, ofLeaf);
    const found = ofLeaf.get(String(stat.mode));
    if (found !== undefined) return found;
    const checksum = yield* this.#file(leaf, stat, path);
    ofLeaf.set(String(stat.mode), checksum);
    this.#files += 1;
    if (this.#files % PROGRESS_EVERY === 0) {
      this.#options.onProgress?.({ type: 'advanced', id: PROGRESS_ID, done: this.#files });
    }
    yield;
    return checksum;
  }

  *#file(leaf: Leaf, stat: CommitStat, path: string): Steps<OstreeChecksum> {
    const regular = (sizeBytes: number): SizedFileHeader => ({
      ...stat,
      mode: S_IFREG | stat.mode,
      target: '' as ByteString,
      sizeBytes,
    });
    switch (leaf.kind) {
      case 'symlink': {
        requireTarget(leaf.target, path);
        const header = { ...stat, mode: S_IFLNK | stat.mode, target: leaf.target, sizeBytes: 0 };
        return this.#addInline(header, new Uint8Array(0));
      }
      case 'inline':
        return this.#addBytes(regular(leaf.content.length), leaf.content);
      case 'sparse':
        return leaf.sizeBytes <= this.#inlineMax
          ? this.#addInline(regular(leaf.sizeBytes), new Uint8Array(leaf.sizeBytes))
          : yield* this.#addZeros(regular(leaf.sizeBytes));
      case 'external':
      case 'externalNoVerity':
        return yield* this.#addObject(regular(leaf.sizeBytes), leaf);
      default:
        throw notCommittable(path, leaf.kind);
    }
  }

  #addBytes(header: SizedFileHeader, content: Uint8Array): OstreeChecksum {
    if (content.length <= this.#inlineMax) return this.#addInline(header, content);
    const { id } = this.#repository.objects.ensureBytes(content);
    return this.#addExternal(header, computeFileChecksum(header, content), id);
  }

  *#addObject(
    header: SizedFileHeader,
    leaf: ExternalLeaf | ExternalNoVerityLeaf,
  ): Steps<OstreeChecksum> {
    const { objects } = this.#repository;
    if (leaf.sizeBytes <= this.#inlineMax) {
      return this.#addInline(header, objects.read(leaf.id, this.#inlineMax));
    }
    using object = objects.open(leaf.id, { verify: this.#options.verify });
    const { sizeBytes } = object;
    const hasher = new FileHasher(header);
    for (let at = 0; at < sizeBytes; ) {
      const length = object.read(at, this.#piece);
      if (length === 0) throw shrunk(leaf.id, sizeBytes, at);
      hasher.update(this.#piece.subarray(0, length));
      at += length;
      yield;
    }
    return this.#addExternal({ ...header, sizeBytes }, hasher.finish(), leaf.id);
  }

  *#addZeros(header: SizedFileHeader): Steps<OstreeChecksum> {
    const hasher = new FileHasher(header);
    using staged = this.#repository.objects.stage();
    for (let left = header.sizeBytes; left > 0; left -= ZEROS.length) {
      const piece = ZEROS.subarray(0, Math.min(left, ZEROS.length));
      hasher.update(piece);
      staged.write(piece);
      yield;
    }
    return this.#addExternal(header, hasher.finish(), staged.publish().id);
  }

  #addInline(header: SizedFileHeader, content: Uint8Array): OstreeChecksum {
    const checksum = computeFileChecksum(header, content);
    if (!this.#builder.has(checksum)) this.#counts.fileObjects += 1;
    this.#builder.addInlineFile(checksum, frameHeader(encodeZlibHeader(header)), content);
    return checksum;
  }

  #addExternal(header: SizedFileHeader, checksum: OstreeChecksum, id: ObjectId): OstreeChecksum {
    if (!this.#builder.has(checksum)) this.#counts.fileObjects += 1;
    this.#builder.addExternalFile(checksum, frameHeader(encodeZlibHeader(header)), id);
    return checksum;
  }
}

function shrunk(id: ObjectId, expected: number, found: number): IntegrityError {
  return new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot read object ${id}: expected ${expected} bytes, found ${found}`,
    { id, expected, found },
  );
}

function failDepth(depth: number): never {
  throw new FormatError(
    'OSTREE_TREE_TOO_LARGE',
    `Cannot commit tree: expected directories at most ${TREE_DEPTH_MAX} deep, found ${depth}`,
    { offset: 0, what: 'tree', expected: TREE_DEPTH_MAX, found: depth },
  );
}
