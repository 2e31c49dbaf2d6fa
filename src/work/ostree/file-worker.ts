import type { OstreeChecksum } from '#base/digest';
import { type CarriedError, carryError, serveWorker } from '#host';
import { type ObjectWriterSeed, openObjectWriter } from '#stores/composefs';
import { type OstreeRepo, openOstreeRepo } from '#stores/ostree';
import {
  type Absorbed,
  absorbFilez,
  absorbLocal,
  absorbLocalFilez,
  absorbStream,
  type FileTools,
  storeAbsorbed,
  WHOLE_MAX_BYTES,
} from './file-work.ts';
import { encodeRecord } from './records.ts';

/** What a worker is started with. */
export interface FileWorkerData {
  readonly seed: ObjectWriterSeed;
  readonly journalFd: number | undefined;
  /** Path of the local repository that files come from. */
  readonly localPath: string | undefined;
}

/** A batch of file objects: `.filez` bytes one after the other, or names in the local repository. */
export interface FileBatch {
  readonly checksums: readonly OstreeChecksum[];
  /** Ends of the `.filez` in `bytes`; undefined for local files. */
  readonly ends: readonly number[] | undefined;
  readonly bytes: Uint8Array | undefined;
}

/** The fate of each file of a batch, in its order. */
export interface FileBatchResult {
  /** Records one after the other, with their ends; an empty record means that the file failed or is missing. */
  readonly records: Uint8Array;
  readonly ends: readonly number[];
  readonly failures: readonly { readonly index: number; readonly error: CarriedError }[];
}

/** What a worker says: that it is there, or what became of a batch. */
export type FileWorkerMessage = { readonly ready: true } | { readonly result: FileBatchResult };

serveWorker<FileWorkerData, FileBatch, FileWorkerMessage, void>(async (data, context) => {
  const { seed, journalFd, localPath } = data;
  const tools = { writer: openObjectWriter(seed), algorithm: seed.algorithm, journalFd };
  using repo = localPath === undefined ? undefined : openOstreeRepo(localPath);
  context.post({ ready: true });
  for await (const batch of context.messages()) {
    const results = new BatchResults(batch.checksums.length, tools);
    for (const [index, checksum] of batch.checksums.entries()) {
      if (context.isCancelled()) return;
      try {
        if (batch.bytes !== undefined && batch.ends !== undefined) {
          const start = index === 0 ? 0 : (batch.ends[index - 1] ?? 0);
          const filez = batch.bytes.subarray(start, batch.ends[index]);
          const absorbed = absorbFilez(checksum, filez, tools.algorithm);
          if (absorbed !== undefined) results.hold(index, absorbed);
          else results.set(index, encodeRecord(await absorbStream(checksum, once(filez), tools)));
        } else if (repo !== undefined) {
          const absorbed = absorbLocalFilez(repo, checksum, tools.algorithm);
          if (absorbed !== undefined) results.hold(index, absorbed);
          else await absorbOpened(results, index, repo, checksum, tools);
        }
      } catch (error) {
        results.fail(index, error);
      }
    }
    const result = results.finish();
    context.post({ result }, [result.records.buffer as ArrayBuffer]);
  }
});

async function absorbOpened(
  results: BatchResults,
  index: number,
  repo: OstreeRepo,
  checksum: OstreeChecksum,
  tools: FileTools,
): Promise<void> {
  using file = repo.openFile(checksum);
  if (file !== undefined) results.set(index, encodeRecord(await absorbLocal(file, tools)));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Collects results, and stores verified files a few megabytes at a time with one journal write. */
class BatchResults {
  readonly #tools: FileTools;
  readonly #records: (Uint8Array | undefined)[];
  readonly #failures: { index: number; error: CarriedError }[] = [];
  #held: Absorbed[] = [];
  #heldBytes = 0;

  constructor(count: number, tools: FileTools) {
    this.#records = Array.from({ length: count });
    this.#tools = tools;
  }

  set(index: number, encoded: Uint8Array): void {
    this.#records[index] = encoded;
  }

  hold(index: number, absorbed: Absorbed): void {
    this.set(index, absorbed.encoded);
    this.#held.push(absorbed);
    this.#heldBytes += absorbed.content?.length ?? 0;
    if (this.#heldBytes > WHOLE_MAX_BYTES) this.#store();
  }

  fail(index: number, error: unknown): void {
    this.#failures.push({ index, error: carryError(error) });
  }

  finish(): FileBatchResult {
    this.#store();
    const ends: number[] = [];
    let length = 0;
    for (const record of this.#records) {
      length += record?.length ?? 0;
      ends.push(length);
    }
    const records = new Uint8Array(length);
    let at = 0;
    for (const record of this.#records) {
      if (record === undefined) continue;
      records.set(record, at);
      at += record.length;
    }
    return { records, ends, failures: this.#failures };
  }

  #store(): void {
    storeAbsorbed(this.#held, this.#tools);
    this.#held = [];
    this.#heldBytes = 0;
  }
}
