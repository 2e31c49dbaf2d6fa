import { createHasherLike, type DiffId, type ObjectId } from '#base/digest';
import { IntegrityError, isOnecopyError } from '#base/errors';
import { CONTENT_TYPES } from '#formats/splitstream';
import { readTarBlockHead, TAR_BLOCK_BYTES } from '#formats/tar';
import { readPieces } from '#host';
import type { Repository } from '#stores/composefs';
import { storeDocument } from '#work/image';
import {
  LAYER_BYTES_MAX,
  type SplitFile,
  type SplitLayer,
  type SplitPart,
  tooLarge,
} from '#work/ingest';

/**
 * A layer whose beginning was read to find out whether it is a tar: a blob of an artifact need not be one. What was read comes again with
 * the parts.
 */
export class ExaminedLayer implements SplitLayer {
  readonly isTar: boolean;
  readonly #layer: SplitLayer;
  readonly #begin: readonly SplitPart[];
  readonly #rest: AsyncIterator<Iterable<SplitPart>>;

  private constructor(
    layer: SplitLayer,
    begin: readonly SplitPart[],
    rest: AsyncIterator<Iterable<SplitPart>>,
  ) {
    this.#layer = layer;
    this.#begin = begin;
    this.#rest = rest;
    this.isTar = isTarBegin(begin);
  }

  /** Reads at least the first block. @throws as `layer.parts` */
  static async open(layer: SplitLayer): Promise<ExaminedLayer> {
    const rest = layer.parts()[Symbol.asyncIterator]();
    const begin: SplitPart[] = [];
    for (let bytes = 0; bytes < TAR_BLOCK_BYTES; ) {
      const next = await rest.next();
      if (next.done === true) break;
      for (const part of next.value) {
        begin.push(part);
        bytes += part.kind === 'file' ? part.sizeBytes : part.bytes.length;
      }
    }
    return new ExaminedLayer(layer, begin, rest);
  }

  async *parts(): AsyncGenerator<Iterable<SplitPart>> {
    yield this.#begin;
    yield* { [Symbol.asyncIterator]: () => this.#rest };
  }

  open(file: SplitFile) {
    return this.#layer.open(file);
  }

  explain(error: unknown): unknown {
    return this.#layer.explain(error);
  }

  [Symbol.dispose](): void {
    this.#layer[Symbol.dispose]();
  }
}

/** A tar begins with a header, which is never the content of a file. Nothing at all is an empty tar. */
function isTarBegin(begin: readonly SplitPart[]): boolean {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  let length = 0;
  for (const part of begin) {
    if (length === block.length) break;
    if (part.kind !== 'segment') return false;
    const bytes = part.bytes.subarray(0, block.length - length);
    block.set(bytes, length);
    length += bytes.length;
  }
  if (length === 0) return true;
  if (length < block.length) return false;
  try {
    readTarBlockHead(block, 0);
    return true;
  } catch (error) {
    if (isOnecopyError(error)) return false;
    throw error;
  }
}

/** A blob to store. */
interface BlobOrder {
  readonly digest: DiffId;
  readonly layer: SplitLayer;
  readonly signal: AbortSignal;
}

/**
 * Stores what is no tar: one object, and a stream of nothing else. The stream gets no name.
 * @throws IntegrityError DIFF_ID_MISMATCH; FormatError LAYER_TOO_LARGE; as the layer
 */
export async function putBlob(
  repository: Repository,
  { digest, layer, signal }: BlobOrder,
): Promise<{ readonly id: ObjectId; readonly wasPresent: boolean }> {
  using staged = repository.objects.stage();
  const hasher = createHasherLike(digest);
  let sizeBytes = 0;
  const add = (bytes: Uint8Array) => {
    sizeBytes += bytes.length;
    if (sizeBytes > LAYER_BYTES_MAX) throw tooLarge(digest, LAYER_BYTES_MAX);
    hasher.update(bytes);
    staged.write(bytes);
  };
  for await (const parts of layer.parts()) {
    for (const part of parts) {
      signal.throwIfAborted();
      if (part.kind !== 'file') {
        add(part.bytes);
        continue;
      }
      using file = layer.open(part);
      for (const piece of readPieces(file)) {
        add(piece);
        await new Promise(setImmediate);
      }
    }
  }
  const found: string = hasher.finish();
  if (found !== digest) {
    throw new IntegrityError(
      'DIFF_ID_MISMATCH',
      `Cannot store blob ${digest}: its bytes are ${found}`,
      { expected: digest, found },
    );
  }
  const { id, method } = staged.publish();
  const streamId = await storeDocument(repository, { id, sizeBytes }, CONTENT_TYPES.ociBlob);
  return { id: streamId, wasPresent: method === 'present' };
}
