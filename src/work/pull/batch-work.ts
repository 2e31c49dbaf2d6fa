import { ALGORITHMS, computeVerity, hashBlocks, type VerityAlgorithm } from '#formats/fsverity';
import { writeAt } from '#host';
import type { ObjectWriter } from '#stores/composefs';
import { KIND, ROW, SLOT, type SlotViews } from './batch-layout.ts';

/** What the work on batches needs, in a writer thread or in the splitter's own. */
export interface BatchTools {
  readonly writer: ObjectWriter;
  readonly algorithm: VerityAlgorithm;
}

/**
 * Does the work of one slot: hashes and publishes its files, or writes and hashes its segment. Digests stay in the slot.
 * @throws HostError SYSCALL_FAILED, NO_SPACE; IntegrityError OBJECT_DIGEST_MISMATCH
 */
export function runBatch(slot: SlotViews, tools: BatchTools): void {
  if (slot.header[SLOT.kind] === KIND.files) publishFiles(slot, tools);
  else writeSegment(slot, tools);
}

function publishFiles({ header, table, digests, data }: SlotViews, tools: BatchTools): void {
  const { writer, algorithm } = tools;
  const { digestBytes } = ALGORITHMS[algorithm];
  const count = header[SLOT.count] ?? 0;
  for (let index = 0; index < count; index += 1) {
    const row = index * ROW.words;
    const offset = table[row + ROW.offset] ?? 0;
    const bytes = data.subarray(offset, offset + (table[row + ROW.lengthBytes] ?? 0));
    const id = computeVerity(bytes, algorithm);
    table[row + ROW.offset] = writer.publishBytes(id, bytes) === 'stored' ? 1 : 0;
    digests.write(id, index * digestBytes, 'hex');
  }
}

function writeSegment({ header, digests, data }: SlotViews, { algorithm }: BatchTools): void {
  const bytes = data.subarray(0, header[SLOT.lengthBytes]);
  writeAt(header[SLOT.fd] ?? -1, bytes, (header[SLOT.startBlock] ?? 0) * 4096);
  hashBlocks(bytes, algorithm, digests);
}
