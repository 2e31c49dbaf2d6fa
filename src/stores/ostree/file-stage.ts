import type { OstreeChecksum } from '#base/digest';
import { OBJECT_KINDS, ostreeObjectPath, type SizedFileHeader } from '#formats/ostree';
import { Dir } from '#host';
import type { OstreeMode } from './config.ts';
import {
  type FileContent,
  type ReflinkPolicy,
  type WriteMethod,
  wouldCopy,
  writeFileObject,
  writeFileObjectNow,
} from './write-file.ts';

/** What a thread needs to stage file objects; the transaction that gave it must stay open. */
export interface StageSeed {
  /** Number of the stage in its transaction. */
  readonly stage: number;
  readonly stagingFd: number;
  readonly rootFd: number;
  readonly label: string;
  readonly mode: OstreeMode;
  readonly zlibLevel: number;
}

/** What became of a file: written here, or present in the repository or in this stage. */
export type StagedMethod = WriteMethod | 'present';

/**
 * Stages file objects for a transaction in a directory of its own, so that threads do not wait for each other. What it staged is
 * published by the transaction, which is told of it by `OstreeTransaction.addStaged`.
 */
export class FileStage {
  readonly #seed: StageSeed;
  readonly #staging: Dir;
  readonly #root: Dir;
  readonly #staged = new Set<OstreeChecksum>();

  constructor(seed: StageSeed) {
    this.#seed = seed;
    this.#staging = new Dir(seed.stagingFd, seed.label);
    this.#root = new Dir(seed.rootFd, seed.label);
  }

  /** True where only `storeLater` can write: objects are compressed. */
  get isPacking(): boolean {
    return this.#seed.mode === 'archive';
  }

  /**
   * Stages a file whose content has just been hashed.
   * @throws IntegrityError OSTREE_CHECKSUM_MISMATCH, OBJECT_SIZE_MISMATCH; UnsupportedError OSTREE_FILE_UNFIT, IMPORT_WOULD_COPY; HostError
   */
  store(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    content: FileContent,
    reflink?: ReflinkPolicy,
  ): StagedMethod {
    if (this.#has(checksum)) return 'present';
    const write = this.#writeOf(checksum, header, content);
    const method = writeFileObjectNow({ ...write, reflink, isHashed: true });
    this.#staged.add(checksum);
    return method;
  }

  /** As `store`, in every mode. */
  async storeLater(
    checksum: OstreeChecksum,
    header: SizedFileHeader,
    content: FileContent,
    reflink?: ReflinkPolicy,
  ): Promise<StagedMethod> {
    if (this.#has(checksum)) return 'present';
    if (reflink === 'always' && !('bytes' in content)) throw wouldCopy(checksum);
    const method = await writeFileObject(this.#writeOf(checksum, header, content));
    this.#staged.add(checksum);
    return method;
  }

  #has(checksum: OstreeChecksum): boolean {
    if (this.#staged.has(checksum)) return true;
    const path = ostreeObjectPath(checksum, 'file', this.isPacking);
    return this.#root.lstat(path) !== undefined;
  }

  #writeOf(checksum: OstreeChecksum, header: SizedFileHeader, content: FileContent) {
    const { mode, zlibLevel } = this.#seed;
    // Without a temporary name: an error ends the transaction.
    const name = stagedName(checksum);
    return { staging: this.#staging, name, mode, zlibLevel, checksum, header, content };
  }
}

/** Name of a staged file object. */
export function stagedName(checksum: OstreeChecksum): string {
  return `${checksum}.${OBJECT_KINDS.file.extension}`;
}
