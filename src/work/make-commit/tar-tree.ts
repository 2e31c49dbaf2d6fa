import { createGunzip, type Gunzip } from 'node:zlib';
import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError, hasCode, isOnecopyError, UnsupportedError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { VerityHasher } from '#formats/fsverity';
import { COMPRESSION_PROBE_BYTES, detectCompression, EntryBudget } from '#formats/oci';
import {
  checkTarEntry,
  type SplitContent,
  type TarEntry,
  type TarSink,
  TarSplitter,
} from '#formats/tar';
import {
  DEPTH_LIMIT,
  Directory,
  type Leaf,
  type LeafIndex,
  leafAt,
  type Stat,
  Tree,
  UNSET_STAT,
} from '#formats/tree';
import { inflateZstd } from '#formats/zstd';
import { Dir, openVerityHasher, readPieces } from '#host';
import type { Repository, StagedObject } from '#stores/composefs';

/** Metadata of directories that no member describes. */
const IMPLIED_STAT: Stat = { ...UNSET_STAT, mode: 0o755 };

/**
 * Reads a tar file, plain or compressed with gzip or zstd, into a tree; contents become objects of the repository. No names are special:
 * whiteouts of layers are plain files here. Missing parents are created.
 * @throws FormatError TAR_*, OSTREE_TAR_INVALID; UnsupportedError OSTREE_NOT_COMMITTABLE for sparse members; HostError
 */
export async function readTarTree(
  repository: Repository,
  path: string,
  options: OperationOptions = {},
): Promise<Tree> {
  const slash = path.lastIndexOf('/');
  using parent = Dir.open(slash < 0 ? '.' : path.slice(0, slash) || '/');
  using file = parent.openFile(Buffer.from(path.slice(slash + 1)).toString('latin1'), 0);
  using reader = new TarTreeReader(repository);
  for await (const piece of unpacked(readPieces(file), path)) {
    options.signal?.throwIfAborted();
    reader.push(piece);
  }
  return reader.finish();
}

async function* unpacked(source: Iterable<Uint8Array>, label: string): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.iterator]();
  const first = iterator.next();
  if (first.done === true) return;
  const compression = detectCompression(first.value.subarray(0, COMPRESSION_PROBE_BYTES), {
    what: `tar "${label}"`,
    hint: 'Decompress the archive with xz -dk or bunzip2 -k',
  });
  if (compression === 'none') {
    yield first.value;
    yield* { [Symbol.iterator]: () => iterator };
    return;
  }
  const packed = new Counted(first.value, iterator);
  try {
    if (compression === 'gzip') yield* gunzipped(packed);
    else yield* inflateZstd(packed);
  } catch (cause) {
    if (isOnecopyError(cause) && !hasCode(cause, 'ZSTD_FRAME_INVALID')) throw cause;
    throw new FormatError(
      'OSTREE_TAR_INVALID',
      `Cannot unpack tar: ${cause instanceof Error ? cause.message : 'unknown'}`,
      { offset: packed.bytes, what: 'tar', found: compression },
      { cause },
    );
  }
}

/** The pieces of a file whose first has been read, and how many bytes of them were taken. */
class Counted implements Iterable<Uint8Array> {
  bytes = 0;
  readonly #first: Uint8Array;
  readonly #rest: Iterator<Uint8Array>;

  constructor(first: Uint8Array, rest: Iterator<Uint8Array>) {
    this.#first = first;
    this.#rest = rest;
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    this.bytes += this.#first.length;
    yield this.#first;
    for (let next = this.#rest.next(); next.done !== true; next = this.#rest.next()) {
      this.bytes += next.value.length;
      yield next.value;
    }
  }
}

async function* gunzipped(packed: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip();
  feed(stream, packed).catch((error: unknown) => {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } finally {
    stream.destroy();
  }
}

async function feed(stream: Gunzip, packed: Iterable<Uint8Array>): Promise<void> {
  for (const piece of packed) {
    if (stream.destroyed) return;
    // zlib reads the piece in another thread after this returns, and the next piece reuses the memory.
    if (!stream.write(piece.slice())) {
      await new Promise((resolve) => stream.once('drain', resolve).once('close', resolve));
    }
  }
  stream.end();
}

class TarTreeReader implements TarSink, Disposable {
  readonly #repository: Repository;
  readonly #splitter = new TarSplitter();
  readonly #tree = new Tree(IMPLIED_STAT);
  readonly #budget = new EntryBudget();
  #staged: StagedObject | undefined;
  #hasher: VerityHasher | undefined;
  #id: ObjectId | undefined;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  push(piece: Uint8Array): void {
    this.#splitter.push(piece, this);
  }

  finish(): Tree {
    this.#splitter.end();
    return this.#tree;
  }

  inline(): void {}

  externalStart(): void {
    this.#staged = this.#repository.objects.stage();
    const { algorithm } = this.#repository;
    this.#hasher = openVerityHasher(algorithm);
  }

  externalData(bytes: Uint8Array): void {
    this.#hasher?.update(bytes);
    this.#staged?.write(bytes);
  }

  externalEnd(): void {
    this.#id = this.#staged?.publish(this.#hasher?.finish()).id;
    this[Symbol.dispose]();
  }

  entry(entry: TarEntry, content: SplitContent): void {
    checkTarEntry(entry);
    this.#budget.take(
      entry,
      entry.path.length + (content.kind === 'inline' ? content.bytes.length : 0),
    );
    if (entry.path === '/') {
      if (entry.type === 'directory') this.#tree.root.stat = statOf(entry);
      return;
    }
    const cut = entry.path.lastIndexOf('/');
    const parent = this.#parent(entry, entry.path.slice(0, cut));
    const name = entry.path.slice(cut + 1) as ByteString;
    const known = parent.entries.get(name);
    if (entry.type === 'directory') {
      if (known instanceof Directory) known.stat = statOf(entry);
      else if (known === undefined) parent.entries.set(name, new Directory(statOf(entry)));
      else throw invalid(entry, 'a directory where an earlier member is a file');
    } else if (known instanceof Directory) {
      throw invalid(entry, 'a file where an earlier member is a directory');
    } else {
      parent.entries.set(name, this.#leaf(entry, content));
    }
  }

  [Symbol.dispose](): void {
    this.#staged?.[Symbol.dispose]();
    this.#staged = undefined;
    this.#hasher = undefined;
  }

  #leaf(entry: TarEntry, content: SplitContent): LeafIndex {
    if (entry.type !== 'hardlink') return this.#tree.addLeaf(this.#leafOf(entry, content));
    const cut = entry.linkTarget.lastIndexOf('/');
    const target = this.#parent(entry, entry.linkTarget.slice(0, cut)).entries.get(
      entry.linkTarget.slice(cut + 1) as ByteString,
    );
    if (typeof target !== 'number') throw invalid(entry, 'a hard link to no earlier file');
    return target;
  }

  #leafOf(entry: TarEntry, content: SplitContent): Leaf {
    const stat = statOf(entry);
    switch (entry.type) {
      case 'file':
        if (entry.sparse !== undefined) throw unsupported(entry, 'a sparse member');
        if (content.kind === 'inline') return { kind: 'inline', stat, content: content.bytes };
        return {
          kind: 'external',
          stat,
          id: this.#id as ObjectId,
          sizeBytes: content.sizeBytes,
        };
      case 'symlink':
        return { kind: 'symlink', stat, target: entry.linkTarget };
      default:
        throw unsupported(entry, entry.type);
    }
  }

  #parent(entry: TarEntry, path: string): Directory {
    let at = this.#tree.root;
    let depth = 0;
    for (const part of path.split('/')) {
      if (part === '') continue;
      const next = at.entries.get(part as ByteString);
      if (next !== undefined && !(next instanceof Directory)) {
        const leaf = leafAt(this.#tree, next);
        throw invalid(
          entry,
          leaf.kind === 'symlink'
            ? `a symlink to "${displayText(leaf.target)}" as its parent, which is not followed`
            : 'a file as its parent',
        );
      }
      depth += 1;
      if (depth >= DEPTH_LIMIT - 1) throw invalid(entry, `more than ${DEPTH_LIMIT - 1} levels`);
      if (next === undefined) this.#budget.takeParent(entry);
      const below = next ?? new Directory(IMPLIED_STAT);
      if (next === undefined) at.entries.set(part as ByteString, below);
      at = below;
    }
    return at;
  }
}

function statOf({ mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: TarEntry): Stat {
  return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs };
}

function invalid(entry: TarEntry, found: string): FormatError {
  return new FormatError(
    'OSTREE_TAR_INVALID',
    `Cannot commit "${displayText(entry.path)}" of tar: found ${found}`,
    { offset: entry.offset, what: 'tar', found },
  );
}

function unsupported(entry: TarEntry, found: string): UnsupportedError {
  const path = displayText(entry.path);
  return new UnsupportedError(
    'OSTREE_NOT_COMMITTABLE',
    `Cannot commit "${path}": OSTree holds regular files, links and directories, found ${found}`,
    { path, found },
  );
}
