import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a file with a name that is no object id beside the objects. */
export function junkObjectName(repository: string): void {
  mkdirSync(join(repository, 'objects/00'), { recursive: true });
  writeFileSync(join(repository, 'objects/00/junk'), 'junk');
}
