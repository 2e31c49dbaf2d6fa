import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Leaves a staging file behind, as a writer does that is killed on a filesystem without O_TMPFILE. */
export function strayStagingFile(repository: string): void {
  writeFileSync(join(repository, 'objects/.tmp-object-abcdefghijkl'), 'half an object');
}
