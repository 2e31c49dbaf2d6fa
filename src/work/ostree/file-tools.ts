import type { ObjectId } from '#base/digest';
import { ALGORITHMS, type VerityAlgorithm, VerityBatch } from '#formats/fsverity';
import { openBlockHash } from '#host';
import { type ObjectWriter, type ObjectWriterSeed, openObjectWriter } from '#stores/composefs';

/** What the work on file objects needs, in any thread. */
export class FileTools {
  readonly writer: ObjectWriter;
  readonly algorithm: VerityAlgorithm;
  /** Descriptor that records are appended to before their objects are made visible; undefined without a journal. */
  readonly journalFd: number | undefined;
  #verity: VerityBatch | undefined;

  constructor(seed: ObjectWriterSeed, journalFd: number | undefined) {
    this.writer = openObjectWriter(seed);
    this.algorithm = seed.algorithm;
    this.journalFd = journalFd;
  }

  /** The object ids of contents. */
  idsOf(contents: readonly Uint8Array[]): ObjectId[] {
    const { digestBytes } = ALGORITHMS[this.algorithm];
    const digests = Buffer.alloc(contents.length * digestBytes);
    this.#verity ??= new VerityBatch(openBlockHash(this.algorithm));
    this.#verity.compute(contents, digests);
    return contents.map((_, index) => {
      const at = index * digestBytes;
      return digests.toString('hex', at, at + digestBytes) as ObjectId;
    });
  }
}
