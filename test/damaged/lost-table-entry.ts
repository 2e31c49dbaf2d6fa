import { readFileSync, writeFileSync } from 'node:fs';
import { objectOfStream } from './paths.ts';

/** Offset of the end of the object refs in the info section of a splitstream. Source: core formats section 3.2. */
const OBJECT_REFS_END = 32 + 24;

/** Makes the object table of the first layer's splitstream look empty, as flipped bits in one length can. */
export function lostTableEntry(repository: string): void {
  const path = objectOfStream(repository, 'oci-layer-');
  const bytes = readFileSync(path);
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(OBJECT_REFS_END - 8), OBJECT_REFS_END);
  writeFileSync(path, bytes);
}
