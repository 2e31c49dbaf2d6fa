import { ALGORITHMS, DESCRIPTOR, VERITY_BLOCK_BITS, type VerityAlgorithm } from './layout.ts';

/** Writes all fields of a descriptor (256 zeroed bytes) except the root hash. */
export function writeDescriptor(into: Buffer, algorithm: VerityAlgorithm, sizeBytes: number): void {
  into[DESCRIPTOR.version] = 1;
  into[DESCRIPTOR.hashAlgorithm] = ALGORITHMS[algorithm].kernelId;
  into[DESCRIPTOR.blockBits] = VERITY_BLOCK_BITS;
  into.writeUInt32LE(sizeBytes % 2 ** 32, DESCRIPTOR.dataSize);
  into.writeUInt32LE(Math.floor(sizeBytes / 2 ** 32), DESCRIPTOR.dataSize + 4);
}
