import type { ObjectId } from '#base/digest';
import { ALGORITHMS, type BlockHash, hashBlocks, VerityBatch } from '#formats/fsverity';
import { openBlockHash, writeAt } from '#host';
import { type ObjectWriter, type ObjectWriterSeed, openObjectWriter } from '#stores/composefs';
import { KIND, ROW, SLOT, type SlotViews } from './batch-layout.ts';
import { cloneLarge, importFiles, readSegment } from './import-work.ts';

/** Context of the work on batches, in a writer thread or in the thread of the splitter. */
export interface BatchTools {
  readonly writer: ObjectWriter;
  readonly hash: BlockHash;
  readonly verity: VerityBatch;
}

/** Tools for this thread. */
export function openBatchTools(seed: ObjectWriterSeed): BatchTools {
  const hash = openBlockHash(seed.algorithm);
  return { writer: openObjectWriter(seed), hash, verity: new VerityBatch(hash) };
}

/**
 * Processes one slot: hashes and publishes its files, imports files, or writes, reads and hashes a segment. Digests are stored in the slot.
 * @throws as `importFiles`; HostError SYSCALL_FAILED, NO_SPACE; IntegrityError OBJECT_DIGEST_MISMATCH
 */
export function runBatch(slot: SlotViews, tools: BatchTools): void {
  const kind = slot.header[SLOT.kind];
  if (kind === KIND.files) publishFiles(slot, tools);
  else if (kind === KIND.segment) writeSegment(slot, tools);
  else if (kind === KIND.imports) importFiles(slot, tools);
  else if (kind === KIND.clone) cloneLarge(slot);
  else readSegment(slot, tools);
}

function publishFiles({ header, table, digests, data }: SlotViews, tools: BatchTools): void {
  const { writer, hash, verity } = tools;
  const { digestBytes } = ALGORITHMS[hash.algorithm];
  const files = Array.from({ length: header[SLOT.count] ?? 0 }, (_, index) => {
    const row = index * ROW.words;
    const offset = table[row + ROW.offset] ?? 0;
    return data.subarray(offset, offset + (table[row + ROW.lengthBytes] ?? 0));
  });
  verity.compute(files, digests);
  for (const [index, bytes] of files.entries()) {
    const digestAt = index * digestBytes;
    const id = digests.toString('hex', digestAt, digestAt + digestBytes) as ObjectId;
    table[index * ROW.words + ROW.offset] = writer.publishBytes(id, bytes) === 'stored' ? 1 : 0;
  }
}

function writeSegment({ header, digests, data }: SlotViews, { hash }: BatchTools): void {
  const bytes = data.subarray(0, header[SLOT.lengthBytes]);
  writeAt(header[SLOT.fd] ?? -1, bytes, (header[SLOT.startBlock] ?? 0) * 4096);
  hashBlocks(bytes, hash, digests);
}
