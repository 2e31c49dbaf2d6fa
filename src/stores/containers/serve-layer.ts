import { displayText } from '#base/bytes';
import { UnsupportedError } from '#base/errors';
import { NAME_BYTES_MAX, SplitdirfdWriter } from '#formats/splitdirfdstream';
import { type Dir, type FileStat, hasErrno, OPEN, openBeneath, readPieces, statFd } from '#host';
import type { LayerFile, LayerFiles } from './layer-files.ts';

/** Options of serving a layer. */
export interface ServeOptions {
  /** The receiver can open every file, whatever its mode (CAP_DAC_OVERRIDE); else files that others cannot read are sent as bytes. */
  readonly readsAll: boolean;
  /** Index of the content directory among the directories of the stream (default: 0). */
  readonly directory?: number | undefined;
}

/**
 * Encodes a layer as a splitdirfdstream with one directory, the content directory of the layer. A file is sent by name if it is a regular file of
 * the right size that the receiver can open, else as bytes. Nothing is verified here: the receiver verifies it.
 * @throws UnsupportedError LAYER_NOT_SERVABLE for a content that can be sent neither way; as `LayerFiles.parts` and `LayerFiles.open`
 */
export async function* serveLayer(
  layer: LayerFiles,
  { readsAll, directory = 0 }: ServeOptions,
): AsyncGenerator<Uint8Array> {
  const writer = new SplitdirfdWriter();
  const directories = new WorldReadable(layer.content);
  for await (const parts of layer.parts()) {
    for (const part of parts) {
      if (part.kind === 'segment') {
        const before = writer.structure(part.bytes);
        if (before.length > 0) yield before;
      } else if (part.kind === 'bytes') {
        yield writer.inlineHead(part.bytes.length);
        yield part.bytes;
      } else if (
        readsAll ? isThere(part, tryStat(part.directory, part.path)) : directories.canOpen(part)
      ) {
        yield writer.file(part.sizeBytes, directory, part.path);
      } else {
        yield* inline(layer, part, writer);
      }
    }
  }
  yield writer.end();
}

function* inline(
  layer: LayerFiles,
  file: LayerFile,
  writer: SplitdirfdWriter,
): Generator<Uint8Array> {
  using opened = layer.open(file);
  if (!SplitdirfdWriter.canInline(file.sizeBytes)) throw tooLarge(file);
  yield writer.inlineHead(file.sizeBytes);
  yield* readPieces(opened);
}

/** True for a regular file of this size whose name fits. */
function isThere({ path, sizeBytes }: LayerFile, stat: FileStat | undefined): boolean {
  return path.length <= NAME_BYTES_MAX && stat?.type === 'file' && stat.sizeBytes === sizeBytes;
}

function tryStat(directory: Dir, path: string): FileStat | undefined {
  try {
    // Opened with O_PATH only, so that neither modes nor devices matter. Receivers follow no links.
    using file = openBeneath(directory, path, OPEN.path | OPEN.noFollow, 'refuse');
    return statFd(file);
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR') || hasErrno(error, 'ELOOP')) {
      return undefined;
    }
    throw error;
  }
}

const OTHERS_READ = 0o004;
const OTHERS_SEARCH = 0o001;

/** Determines what users without privileges can open below a directory; caches directories. */
class WorldReadable {
  readonly #root: Dir;
  readonly #known = new Map<string, boolean>();

  constructor(root: Dir) {
    this.#root = root;
  }

  canOpen(file: LayerFile): boolean {
    const stat = tryStat(file.directory, file.path);
    const isReadable = stat !== undefined && (stat.mode & OTHERS_READ) !== 0;
    return isReadable && isThere(file, stat) && this.#canReach(parentOf(file.path));
  }

  #canReach(path: string): boolean {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const stat = path === '' ? this.#root.statSelf() : tryStat(this.#root, path);
    const canSearch = stat !== undefined && (stat.mode & OTHERS_SEARCH) !== 0;
    const can = canSearch && (path === '' || this.#canReach(parentOf(path)));
    this.#known.set(path, can);
    return can;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function tooLarge({ path, sizeBytes }: LayerFile): UnsupportedError {
  const name = displayText(path);
  return new UnsupportedError(
    'LAYER_NOT_SERVABLE',
    `Cannot hand out "${name}" of ${sizeBytes} bytes: its reader may not open it, and it is too large to be sent as bytes`,
    { name, sizeBytes },
    { hint: 'Run the reader as root, or in the user namespace of the store' },
  );
}
