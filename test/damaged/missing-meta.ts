import { rmSync } from 'node:fs';
import { join } from 'node:path';

/** Removes meta.json, which makes it a repository of the old format. */
export function missingMeta(repository: string): void {
  rmSync(join(repository, 'meta.json'));
}
