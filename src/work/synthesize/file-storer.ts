import type { ObjectId, OstreeChecksum } from '#base/digest';
import { IntegrityError } from '#base/errors';
import {
  computeFileChecksum,
  computeMetadataChecksum,
  encodeFileHeader,
  FileHasher,
  frameHeader,
  type SizedFileHeader,
} from '#formats/ostree';
import type { ObjectBatch, Repository } from '#stores/composefs';
import type { FileContent, FileStage, ReflinkPolicy, StagedMethod } from '#stores/ostree';
import type { PlannedFile } from './plan.ts';

/** Result of a planned file. */
export interface StoredFile {
  readonly checksum: OstreeChecksum;
  readonly method: StagedMethod;
}

/** Size of the pieces in which content is hashed, in bytes. */
const PIECE_BYTES = 262_144;

/** Stores the objects of planned files in one thread: verifies content, hashes it with its header, and stages it. */
export class FileStorer implements Disposable {
  readonly #repository: Repository;
  readonly #stage: FileStage;
  readonly #reflink: ReflinkPolicy;
  readonly #piece = new Uint8Array(PIECE_BYTES);
  /** Undefined if the kernel verifies objects, or objects are compressed. */
  readonly #batch: ObjectBatch | undefined;
  #lastHeader: SizedFileHeader | undefined;
  #lastFramed = new Uint8Array(0);

  constructor(repository: Repository, stage: FileStage, reflink: ReflinkPolicy) {
    this.#repository = repository;
    this.#stage = stage;
    this.#reflink = reflink;
    const isBatched = repository.insecure && !stage.isPacking;
    this.#batch = isBatched ? repository.objects.batch() : undefined;
  }

  /**
   * Stores files in order, small ones in batches. Undefined results mean that the work was cancelled.
   * @throws as `store`
   */
  async storeAll(
    files: readonly PlannedFile[],
    isCancelled: () => boolean,
  ): Promise<readonly StoredFile[] | undefined> {
    const stored: StoredFile[] = [];
    const waiting: number[] = [];
    const flush = (): void => {
      if (this.#batch === undefined || waiting.length === 0) return;
      for (const [at, { fd, framed }] of this.#batch.verified().entries()) {
        const index = waiting[at] as number;
        const { header } = files[index] as PlannedFile;
        const checksum = computeMetadataChecksum(framed);
        const method = this.#stage.store(checksum, header, { file: fd }, this.#reflink);
        stored[index] = { checksum, method };
      }
      this.#batch.clear();
      waiting.length = 0;
    };
    for (const [index, file] of files.entries()) {
      if (isCancelled()) return undefined;
      if (this.#batch?.isFull === true) flush();
      if (this.#add(file)) {
        waiting.push(index);
        continue;
      }
      const one = this.store(file);
      stored[index] = one instanceof Promise ? await one : one;
    }
    flush();
    return stored;
  }

  [Symbol.dispose](): void {
    this.#batch?.[Symbol.dispose]();
  }

  /** False for a file that is stored individually. */
  #add({ header, content }: PlannedFile): boolean {
    if (this.#batch === undefined || typeof content !== 'string') return false;
    return this.#batch.add(content, header.sizeBytes, this.#frame(header));
  }

  /** The encoded header for hashing; most files have the same header as the previous file. */
  #frame(header: SizedFileHeader): Uint8Array {
    const last = this.#lastHeader;
    const { uid, gid, mode, xattrs } = header;
    const isSame =
      last?.uid === uid && last.gid === gid && last.mode === mode && last.xattrs === xattrs;
    if (!isSame) this.#lastFramed = new Uint8Array(frameHeader(encodeFileHeader(header)));
    this.#lastHeader = header;
    return this.#lastFramed;
  }

  /**
   * Stores a file; waits only if objects are compressed.
   * @throws IntegrityError OBJECT_DIGEST_MISMATCH, OBJECT_SIZE_MISMATCH; NotFoundError OBJECT_NOT_FOUND; as `FileStage.store`
   */
  store({ header, content }: PlannedFile): StoredFile | Promise<StoredFile> {
    if (typeof content !== 'string') {
      return this.#put(computeFileChecksum(header, content), header, { bytes: content });
    }
    const object = this.#repository.objects.open(content, { verify: 'content' });
    try {
      const stored = this.#put(this.#checksumOf(content, object, header), header, { file: object });
      if (!(stored instanceof Promise)) return stored;
      return stored.finally(() => object[Symbol.dispose]());
    } finally {
      if (!this.#stage.isPacking) object[Symbol.dispose]();
    }
  }

  #put(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    content: FileContent,
  ): StoredFile | Promise<StoredFile> {
    if (!this.#stage.isPacking) {
      return { checksum, method: this.#stage.store(checksum, header, content, this.#reflink) };
    }
    const written = this.#stage.storeLater(checksum, header, content, this.#reflink);
    return written.then((method) => ({ checksum, method }));
  }

  #checksumOf(
    id: ObjectId,
    object: ReturnType<Repository['objects']['open']>,
    header: SizedFileHeader,
  ): OstreeChecksum {
    const { sizeBytes } = header;
    if (object.sizeBytes !== sizeBytes) throw wrongSize(id, sizeBytes, object.sizeBytes);
    if (sizeBytes <= PIECE_BYTES) {
      const length = object.read(0, this.#piece.subarray(0, sizeBytes));
      if (length !== sizeBytes) throw wrongSize(id, sizeBytes, length);
      return computeFileChecksum(header, this.#piece.subarray(0, length));
    }
    const hasher = new FileHasher(header);
    let at = 0;
    for (let length = 1; length > 0 && at < sizeBytes; at += length) {
      length = object.read(at, this.#piece);
      hasher.update(this.#piece.subarray(0, length));
    }
    if (at !== sizeBytes) throw wrongSize(id, sizeBytes, at);
    return hasher.finish();
  }
}

function wrongSize(id: ObjectId, expected: number, found: number): IntegrityError {
  return new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot read object ${id}: expected ${expected} bytes, found ${found}`,
    { id, expected, found },
  );
}
