import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Puts a regular file where the name of a stream belongs. */
export function regularFileAsStream(repository: string): void {
  writeFileSync(join(repository, 'streams/not-a-link'), 'x');
}
