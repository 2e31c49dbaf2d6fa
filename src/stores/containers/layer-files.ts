import { createGunzip } from 'node:zlib';
import { type ByteString, displayText } from '#base/bytes';
import type { DiffId } from '#base/digest';
import {
  BusyError,
  FormatError,
  hasCode,
  IntegrityError,
  quietly,
  UnsupportedError,
} from '#base/errors';
import { drained } from '#base/flow';
import { TarSplitReader, type TarSplitRecord } from '#formats/tar-split';
import {
  type Dir,
  type HostFile,
  hasErrno,
  OPEN,
  openBeneath,
  readAll,
  readPieces,
  statFd,
} from '#host';
import { type ComposefsContent, readComposefsNames } from './composefs-names.ts';
import {
  COMPOSEFS_BLOB_BYTES_MAX,
  COMPOSEFS_KEY,
  composefsBlob,
  diffFolder,
  TAR_SPLIT_BYTES_MAX,
} from './layout.ts';
import { findMetacopy, metacopyUnsupported } from './metacopy.ts';
import type { StorageRoot } from './root.ts';
import type { LayerRow } from './snapshot.ts';

/** A file of a layer. */
export interface LayerFile {
  /** The directory that the path is relative to. */
  readonly directory: Dir;
  /** Symbolic links in its parents stay inside the directory; the last part is not a link. */
  readonly path: ByteString;
  readonly sizeBytes: number;
}

/** The next part of the tar of a layer: headers and padding, or the content of a file, which is never empty. */
export type LayerPart =
  | { readonly kind: 'segment'; readonly bytes: Uint8Array }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | ({ readonly kind: 'file' } & LayerFile);

/**
 * The files of one layer and its tar-split, held open. The layer may be removed from the store meanwhile; open files stay readable. Nothing is
 * locked.
 */
export class LayerFiles implements Disposable {
  readonly row: LayerRow;
  /** The directory that paths of contents are relative to. */
  readonly content: Dir;
  readonly #tarSplit: HostFile;
  readonly #names: ReadonlyMap<ByteString, ComposefsContent> | undefined;

  constructor(
    row: LayerRow,
    content: Dir,
    tarSplit: HostFile,
    names: ReadonlyMap<ByteString, ComposefsContent> | undefined,
  ) {
    this.row = row;
    this.content = content;
    this.#tarSplit = tarSplit;
    this.#names = names;
  }

  get diffId(): DiffId | undefined {
    return this.row.record.diffId;
  }

  /**
   * Yields the parts of the tar, in batches. Nothing is verified.
   * @throws FormatError TAR_SPLIT_INVALID; IntegrityError TAR_SPLIT_CONTENT_MISMATCH; HostError
   */
  async *parts(): AsyncGenerator<Iterable<LayerPart>> {
    const reader = new TarSplitReader();
    for await (const piece of this.#tarSplitPieces()) yield this.#partsOf(reader.push(piece));
    yield this.#partsOf(reader.end());
  }

  *#partsOf(records: Iterable<TarSplitRecord>): Generator<LayerPart> {
    for (const record of records) {
      if (record.kind === 'segment') yield record;
      else if (record.sizeBytes > 0) yield this.#locate(record.name, record.sizeBytes);
    }
  }

  async *#tarSplitPieces(): AsyncGenerator<Uint8Array> {
    const inflate = createGunzip({ chunkSize: 1 << 18 });
    const feeding = this.#feed(inflate).catch((error: Error) => void inflate.destroy(error));
    let sizeBytes = 0;
    try {
      for await (const piece of inflate as AsyncIterable<Uint8Array>) {
        sizeBytes += piece.length;
        if (sizeBytes > TAR_SPLIT_BYTES_MAX) {
          throw invalidTarSplit(sizeBytes, `expected at most ${TAR_SPLIT_BYTES_MAX} bytes`);
        }
        yield piece;
      }
    } catch (error) {
      const isZlib = error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
      if (!isZlib) throw error;
      throw invalidTarSplit(sizeBytes, 'expected gzip, found other or fewer bytes', error);
    } finally {
      inflate.destroy();
      await feeding;
    }
  }

  async #feed(inflate: ReturnType<typeof createGunzip>): Promise<void> {
    for (const piece of readPieces(this.#tarSplit)) {
      if (inflate.destroyed) return;
      // Copied: the next piece overwrites it while it is inflated.
      if (!inflate.write(Uint8Array.prototype.slice.call(piece))) await drained(inflate);
    }
    inflate.end();
  }

  /** Locates the content of a file of the tar by its name in the tar. */
  #locate(name: ByteString, sizeBytes: number): LayerPart {
    const path = cleanPath(name);
    const file = { kind: 'file' as const, directory: this.content, sizeBytes };
    if (this.#names === undefined) return { ...file, path };
    const found = this.#names.get(path);
    if (found === undefined) throw contentMismatch(name, 'a file of this name', 'nothing');
    if (found.kind === 'object') return { ...file, path: found.path };
    if (found.bytes.length === sizeBytes) return { kind: 'bytes', bytes: found.bytes };
    throw contentMismatch(name, `${sizeBytes} bytes`, `${found.bytes.length}`);
  }

  /**
   * Opens the content of a file for reading.
   * @throws BusyError STORE_LAYER_GONE when the layer was removed meanwhile; IntegrityError TAR_SPLIT_CONTENT_MISMATCH; HostError
   */
  open({ path, sizeBytes }: LayerFile): HostFile {
    const file = this.#tryOpen(path);
    if (file === undefined) {
      if (!this.isThere()) throw layerGone(this.row);
      throw contentMismatch(path, `${sizeBytes} bytes`, 'no such file');
    }
    const stat = statFd(file);
    if (stat.type === 'file' && stat.sizeBytes === sizeBytes) return file;
    file[Symbol.dispose]();
    throw contentMismatch(path, `${sizeBytes} bytes`, `${stat.type} of ${stat.sizeBytes}`);
  }

  #tryOpen(path: ByteString): HostFile | undefined {
    try {
      return openLayerFile(this.content, path);
    } catch (error) {
      if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR') || hasErrno(error, 'ELOOP')) {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * Returns the error for a removed layer, if the layer was removed while it was read, or the error for files whose content is in a lower layer;
   * else the given error.
   */
  explain(error: unknown): unknown {
    const isMismatch = hasCode(error, 'TAR_SPLIT_CONTENT_MISMATCH');
    if (isMismatch && !this.isThere()) return layerGone(this.row, error);
    if (!isMismatch && !hasCode(error, 'DIFF_ID_MISMATCH')) return error;
    using content = this.content.openDir('.');
    const path = quietly(() => findMetacopy(content));
    return path === undefined
      ? error
      : metacopyUnsupported(this.row, displayText(path as ByteString), error);
  }

  /** False when the layer has been removed from the store. */
  isThere(): boolean {
    const { root, record } = this.row;
    const stat = root.dir.stat(diffFolder(root.driver, record.id));
    return stat?.ino === this.content.statSelf().ino;
  }

  [Symbol.dispose](): void {
    this.content[Symbol.dispose]();
    this.#tarSplit[Symbol.dispose]();
  }
}

/** Opens a file of a layer; symbolic links never lead out of it. @throws HostError SYSCALL_FAILED */
export function openLayerFile(content: Dir, path: ByteString): HostFile {
  return openBeneath(content, path, OPEN.read | OPEN.noFollow | OPEN.nonBlock, 'in-root');
}

/**
 * Opens a layer for reading. Its tar-split is stored beside its record, or in another graph root of the same store.
 * @throws BusyError STORE_LAYER_GONE; UnsupportedError TAR_SPLIT_MISSING; FormatError EROFS_INVALID; HostError
 */
export function openLayerFiles(row: LayerRow, roots: readonly StorageRoot[]): LayerFiles {
  const { root, record } = row;
  const content = root.dir.tryOpenDir(diffFolder(root.driver, record.id));
  if (content === undefined) throw layerGone(row);
  let tarSplit: HostFile | undefined;
  try {
    tarSplit = openTarSplit(row, roots);
    return new LayerFiles(row, content, tarSplit, composefsNames(row));
  } catch (error) {
    content[Symbol.dispose]();
    tarSplit?.[Symbol.dispose]();
    throw error;
  }
}

function openTarSplit(row: LayerRow, roots: readonly StorageRoot[]): HostFile {
  const name = `${row.record.id}.tar-split.gz`;
  for (const root of [row.root, ...roots.filter((other) => other !== row.root)]) {
    const file = root.dir.tryOpenFile(root.pathOf('layers', name));
    if (file !== undefined) return file;
  }
  throw new UnsupportedError(
    'TAR_SPLIT_MISSING',
    `Cannot rebuild layer ${row.record.id} of "${row.root.dir.label}": expected "${name}" beside its records, found nothing`,
    { layer: row.record.id, path: row.root.dir.displayPath(row.root.pathOf('layers', name)) },
    {
      hint: 'Where images lie in a separate image store, name its graph root too: containers-storage:[overlay@GRAPHROOT:overlay.imagestore=IMAGESTORE]NAME',
    },
  );
}

function composefsNames({ root, record }: LayerRow) {
  if (root.driver !== 'overlay' || !record.bigDataNames.includes(COMPOSEFS_KEY)) return undefined;
  using blob = root.dir.tryOpenFile(composefsBlob(record.id));
  return blob === undefined
    ? undefined
    : readComposefsNames(readAll(blob, COMPOSEFS_BLOB_BYTES_MAX));
}

/** The path as podman unpacks it: without empty parts and `.`, and `..` never leads out of the layer. */
function cleanPath(name: ByteString): ByteString {
  if (!/(?:^|\/)(?:\.{0,2})(?:\/|$)/.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return (parts.length === 0 ? '.' : parts.join('/')) as ByteString;
}

/** The error for a layer that is missing in its store. */
export function layerGone({ root, record }: LayerRow, cause?: unknown): BusyError {
  return layerMissing(record.id, root.dir.label, cause);
}

/** The error for a layer by its id. */
export function layerMissing(id: string, path: string, cause?: unknown): BusyError {
  return new BusyError(
    'STORE_LAYER_GONE',
    `Cannot read layer ${id} of "${path}": expected its files, found that it was removed`,
    { layer: id, path, retryable: true },
    {
      hint: 'Another process removed the image, or has not finished it: try again, or pull it again',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function contentMismatch(name: ByteString, expected: string, found: string): IntegrityError {
  const text = displayText(name);
  return new IntegrityError(
    'TAR_SPLIT_CONTENT_MISMATCH',
    `Cannot rebuild tar: content of ${JSON.stringify(text)}: expected ${expected}, found ${found}`,
    { expected, found, name: text },
  );
}

function invalidTarSplit(offset: number, reason: string, cause?: unknown): FormatError {
  return new FormatError(
    'TAR_SPLIT_INVALID',
    `Cannot read tar-split: data at ${offset}: ${reason}`,
    { offset, what: 'tar-split', reason },
    cause === undefined ? {} : { cause },
  );
}
