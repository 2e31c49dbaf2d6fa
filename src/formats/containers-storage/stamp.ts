import { randomBytes } from 'node:crypto';
import { STAMP } from './layout.ts';

let counter = 0n;

/**
 * Creates a last-writer stamp. Other processes compare it with the stamp from their last reading of the records, and read the records again when
 * it differs. Source: containers/storage, pkg/lockfile, lastwrite.go.
 */
export function makeStamp(nowNs: bigint, pid: number): Uint8Array {
  const bytes = Buffer.alloc(STAMP.bytes);
  counter += 1n;
  bytes.writeBigUInt64LE(nowNs, STAMP.timeAt);
  bytes.writeBigUInt64LE(counter, STAMP.counterAt);
  bytes.writeUInt32LE(pid, STAMP.pidAt);
  randomBytes(STAMP.bytes - STAMP.randomAt).copy(bytes, STAMP.randomAt);
  return bytes;
}
