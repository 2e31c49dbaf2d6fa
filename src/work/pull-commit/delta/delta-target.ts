import { concatBytes } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { type RandomReader, readerOf } from '#base/flow';
import {
  type CommitStream,
  type DeltaFileSink,
  type DeltaTarget,
  encodeZlibHeader,
  frameHeader,
  type MetadataKind,
  type SizedFileHeader,
} from '#formats/ostree';
import { openVerityHasher, writeAll } from '#host';
import type { OpenObject, Repository } from '#stores/composefs';
import type { FileTools } from '../files/file-tools.ts';
import { absorbContent, storeAbsorbed, WHOLE_MAX_BYTES } from '../files/file-work.ts';
import type { KnownObjects } from '../gather/known.ts';
import { encodeRecord, type ObjectRecord } from '../gather/records.ts';

/**
 * Receives what the parts of a delta produce: content goes to objects, everything becomes known to the pull. Reads the
 * content of the commit that the delta starts from.
 */
export class DeltaReceiver implements DeltaTarget, Disposable {
  readonly #repository: Repository;
  readonly #from: CommitStream | undefined;
  readonly #known: KnownObjects;
  readonly #tools: FileTools;
  readonly #open: OpenObject[] = [];
  /** Objects received. */
  metadataMade = 0;
  filesMade = 0;

  constructor(
    repository: Repository,
    from: CommitStream | undefined,
    known: KnownObjects,
    tools: FileTools,
  ) {
    this.#repository = repository;
    this.#from = from;
    this.#known = known;
    this.#tools = tools;
  }

  openSource(checksum: OstreeChecksum): RandomReader {
    if (this.#from === undefined) {
      throw new NotFoundError(
        'OSTREE_OBJECT_MISSING',
        `Cannot read file ${checksum} for a delta: it starts from nothing`,
        { checksum, kind: 'file' },
      );
    }
    const { inline, external } = this.#from.file(checksum);
    if (external === undefined) return readerOf(inline);
    const object = this.#repository.objects.open(external);
    this.#open.push(object);
    return object;
  }

  beginFile(checksum: OstreeChecksum, header: SizedFileHeader): DeltaFileSink {
    const rawHeader = frameHeader(encodeZlibHeader(header));
    return header.sizeBytes <= WHOLE_MAX_BYTES
      ? this.#wholeFile(checksum, header, rawHeader)
      : this.#largeFile(checksum, header, rawHeader);
  }

  putMetadata(kind: MetadataKind, checksum: OstreeChecksum, bytes: Uint8Array): void {
    this.metadataMade++;
    this.#add({ kind, checksum, bytes: new Uint8Array(bytes) }, true);
  }

  /** Closes the source objects of a part. */
  closeSources(): void {
    for (const object of this.#open.splice(0)) object[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.closeSources();
  }

  #wholeFile(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    rawHeader: Uint8Array,
  ): DeltaFileSink {
    const pieces: Uint8Array[] = [];
    return {
      write: (piece) => void pieces.push(new Uint8Array(piece)),
      commit: () => {
        const content = concatBytes(pieces);
        const absorbed = absorbContent({ checksum, header, rawHeader }, content, this.#tools);
        for (const { record } of storeAbsorbed([absorbed], this.#tools)) {
          this.filesMade++;
          this.#add(record, false);
        }
      },
      discard: () => {},
    };
  }

  #largeFile(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    rawHeader: Uint8Array,
  ): DeltaFileSink {
    const staged = this.#tools.writer.stage();
    const { algorithm } = this.#tools;
    const verity = openVerityHasher(algorithm);
    return {
      write: (piece) => {
        verity.update(piece);
        staged.write(piece);
      },
      commit: () => {
        using _staged = staged;
        const id = verity.finish();
        const { sizeBytes } = header;
        this.filesMade++;
        this.#add({ kind: 'external', checksum, rawHeader, id, sizeBytes }, true);
        staged.publish(id);
      },
      discard: () => staged[Symbol.dispose](),
    };
  }

  #add(record: ObjectRecord, isToBeRecorded: boolean): void {
    const { journalFd } = this.#tools;
    if (isToBeRecorded && journalFd !== undefined) writeAll(journalFd, encodeRecord(record));
    this.#known.add(record);
  }
}
