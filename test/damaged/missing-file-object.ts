import { rmSync } from 'node:fs';
import { objectOfSize } from './paths.ts';

/** Removes a file object, the one of 300 bytes. */
export function missingFileObject(repository: string): void {
  rmSync(objectOfSize(repository, 300));
}
