import { type ContentDigest, type ObjectId, parseObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import type { OperationOptions, RemoteBlob } from '#base/flow';
import { type ChunkedFile, tarSplitRecords } from '#formats/chunked';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import {
  checkTarEntry,
  INLINE_BYTES_MAX,
  type SplitContent,
  type StoredContent,
  type TarEntry,
  type TarSink,
  TarSplitter,
} from '#formats/tar';
import type { Reading } from '#formats/tree';
import { requireLayerBytes } from '#work/ingest';
import type { PlannedLayer } from '#work/pull-image';
import {
  fetchFiles,
  type PullStrategy,
  type ReadMetadata,
  readLayerMetadata,
  termsOf,
  type WholeLayer,
} from '#work/pull-partial';
import type { ScratchObjects } from './scratch.ts';

const ZEROS = new Uint8Array(INLINE_BYTES_MAX);
/** Maximum number of chunks, over all layers of an image, that are kept in memory until contents are requested. */
export const CHUNKS_KEPT_MAX = 2_000_000;

/** How a layer is read by its TOC. */
export interface TocLayerOptions extends OperationOptions {
  readonly algorithm: VerityAlgorithm;
  /** Default: `standard`. */
  readonly reading?: Reading | undefined;
  readonly strategy: PullStrategy;
  /** Largest tar that is accepted, in bytes. */
  readonly layerBytesMax?: number | undefined;
}

/** Called for every entry of a layer. `number` is the index of the content among the contents of the layer. */
export type TocEntryListener = (entry: TarEntry, content: StoredContent, number: number) => void;

/**
 * A layer of a registry of which only TOC and tar-split were read. Entries come from the tar headers in the tar-split, which the TOC
 * authenticates and must agree with. Contents are named by values derived from their digests, which are not object ids.
 */
export class TocLayer {
  readonly #blob: RemoteBlob;
  readonly #metadata: ReadMetadata;
  readonly #options: TocLayerOptions;

  private constructor(blob: RemoteBlob, metadata: ReadMetadata, options: TocLayerOptions) {
    this.#blob = blob;
    this.#metadata = metadata;
    this.#options = options;
  }

  /** Reads TOC and tar-split, or returns why the layer is read whole. @throws as `readLayerMetadata`; FormatError LAYER_TOO_LARGE */
  static async open(
    { descriptor }: PlannedLayer,
    blob: RemoteBlob,
    options: TocLayerOptions,
  ): Promise<TocLayer | WholeLayer> {
    const { annotations, digest } = descriptor;
    const { signal, layerBytesMax, strategy } = options;
    const terms = termsOf(blob, strategy);
    const metadata = await readLayerMetadata({ blob, annotations, terms, signal });
    if (metadata.kind === 'whole') return metadata;
    const limits = { what: `layer ${digest}`, layerBytesMax };
    requireLayerBytes(metadata.layer.tarBytes, blob.sizeBytes, limits);
    return new TocLayer(blob, metadata, options);
  }

  /** Number of chunks of all contents. */
  get chunkCount(): number {
    return this.#metadata.layer.files.reduce((sum, { chunks }) => sum + chunks.length, 0);
  }

  /** Reports the entries of the layer in the order of its tar. @throws FormatError TAR_*; the signal's reason; what the listener throws */
  async survey(onEntry: TocEntryListener): Promise<void> {
    const { layer, location, tarSplit } = this.#metadata;
    const { algorithm, reading, signal } = this.#options;
    const entries = new TocEntries(onEntry, reading);
    let number = 0;
    for await (const records of tarSplitRecords(tarSplit, location)) {
      signal?.throwIfAborted();
      for (const record of records) {
        if (record.kind === 'segment') entries.segment(record.bytes);
        else if (record.sizeBytes > 0) {
          const file = layer.files[number];
          if (file === undefined) throw new Error('a tar-split was read with the TOC of another');
          entries.file(nameOfContent(file.digest, algorithm), record.sizeBytes, number);
          number += 1;
        }
      }
    }
    entries.end();
  }

  /**
   * Fetches contents by their numbers: only their ranges of the blob, or the whole blob from a server without ranges.
   * @throws as `fetchFiles`; HostError NO_SPACE
   */
  async bring(numbers: Iterable<number>, scratch: ScratchObjects): Promise<void> {
    const sorted = [...numbers].sort((a, b) => a - b);
    const files = sorted.flatMap((number) => this.#metadata.layer.files[number] ?? []);
    try {
      await this.#fetch(files, scratch, false);
    } catch (error) {
      if (!hasCode(error, 'RANGE_MISMATCH')) throw error;
      await this.#fetch(files, scratch, true);
    }
  }

  async #fetch(
    wanted: readonly ChunkedFile[],
    scratch: ScratchObjects,
    isWhole: boolean,
  ): Promise<void> {
    const { signal, algorithm } = this.#options;
    const blob = this.#blob;
    const files = wanted.filter(({ digest }) => !scratch.has(nameOfContent(digest, algorithm)));
    const terms = termsOf(blob, 'partial');
    for await (const { file, pieces } of fetchFiles({ blob, files, terms, isWhole, signal })) {
      using staged = scratch.stage();
      for await (const piece of pieces) staged.write(piece);
      staged.publish(nameOfContent(file.digest, algorithm));
    }
  }
}

/** Converts segments and external contents to entries. */
class TocEntries implements TarSink {
  readonly #splitter: TarSplitter;
  readonly #onEntry: TocEntryListener;
  /** The content being processed. */
  #passing:
    | (Extract<StoredContent, { kind: 'external' }> & { readonly number: number })
    | undefined;

  constructor(onEntry: TocEntryListener, reading: Reading | undefined) {
    this.#splitter = new TarSplitter(reading);
    this.#onEntry = onEntry;
  }

  segment(bytes: Uint8Array): void {
    this.#splitter.push(bytes, this);
  }

  /** Adds a content of the tar. Content that a pull would store inline is replaced by zeros, which are never read. */
  file(id: ObjectId, sizeBytes: number, number: number): void {
    const content = { kind: 'external' as const, id, sizeBytes };
    if (sizeBytes > INLINE_BYTES_MAX) {
      this.#tell(this.#splitter.placeObject(id), content, number);
      return;
    }
    this.#passing = { ...content, number };
    this.#splitter.push(ZEROS.subarray(0, sizeBytes), this);
    this.#passing = undefined;
  }

  end(): void {
    this.#splitter.end();
  }

  inline(): void {}
  externalStart(): void {}
  externalData(): void {}
  externalEnd(): void {}

  entry(entry: TarEntry, content: SplitContent): void {
    const passing = this.#passing;
    const found = content.kind === 'inline' ? content : undefined;
    if (passing !== undefined) this.#tell(entry, passing, passing.number);
    else if (found !== undefined) this.#tell(entry, found, 0);
  }

  #tell(entry: TarEntry, content: StoredContent, number: number): void {
    checkTarEntry(entry);
    this.#onEntry(entry, content, number);
  }
}

/** Encodes a content digest in the form of an object id. */
function nameOfContent(digest: ContentDigest, algorithm: VerityAlgorithm): ObjectId {
  const length = 2 * ALGORITHMS[algorithm].digestBytes;
  const hex = digest.slice(digest.indexOf(':') + 1);
  return parseObjectId(hex.repeat(4).slice(0, length));
}
