import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a file whose name is not an object id beside the objects. */
export function junkObjectName(repository: string): void {
  mkdirSync(join(repository, 'objects/00'), { recursive: true });
  writeFileSync(join(repository, 'objects/00/junk'), 'junk');
}
