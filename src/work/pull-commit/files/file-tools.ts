import type { ObjectId } from '#base/digest';
import { type VerityAlgorithm, VerityBatch } from '#formats/fsverity';
import { computeMetadataChecksum, type FilezWarning } from '#formats/ostree';
import { openBlockHash, tryOpenInflater } from '#host';
import { type ObjectWriter, type ObjectWriterSeed, openObjectWriter } from '#stores/composefs';

const NOTHING = new Uint8Array(0);

/** What the work on file objects needs, in any thread. */
export class FileTools {
  readonly writer: ObjectWriter;
  readonly algorithm: VerityAlgorithm;
  /** Descriptor that records are appended to before their objects are made visible; undefined without a journal. */
  readonly journalFd: number | undefined;
  #verity: VerityBatch | undefined;
  #warnings: FilezWarning[] = [];

  constructor(seed: ObjectWriterSeed, journalFd: number | undefined) {
    this.writer = openObjectWriter(seed);
    this.algorithm = seed.algorithm;
    this.journalFd = journalFd;
  }

  /** Notes what is odd about a file object that was accepted. */
  readonly warn = (warning: FilezWarning): void => {
    this.#warnings.push(warning);
  };

  /** What was noted since the last call. */
  takeWarnings(): FilezWarning[] {
    const taken = this.#warnings;
    this.#warnings = [];
    return taken;
  }

  /** Opens what inflates and what hashes, so that the first file need not wait for it. */
  prepare(): void {
    tryOpenInflater()?.[Symbol.dispose]();
    computeMetadataChecksum(NOTHING);
    this.#batch().idsOf([NOTHING]);
  }

  /** The object ids of contents. */
  idsOf(contents: readonly Uint8Array[]): ObjectId[] {
    // Nothing to hash: no reason to open what hashes.
    return contents.length === 0 ? [] : this.#batch().idsOf(contents);
  }

  #batch(): VerityBatch {
    this.#verity ??= new VerityBatch(openBlockHash(this.algorithm));
    return this.#verity;
  }
}
