import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a regular file where only links belong. */
export function fileAmongRefs(repository: string): void {
  writeFileSync(join(repository, 'streams/refs/file'), 'x');
}
