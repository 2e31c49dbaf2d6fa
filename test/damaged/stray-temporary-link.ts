import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { firstName } from './paths.ts';

/** Leaves the temporary link of a replaced tag behind, as a process does that is killed between symlink and rename. */
export function strayTemporaryLink(repository: string): void {
  const manifest = firstName(join(repository, 'streams'), 'oci-manifest-');
  symlinkSync(`../../${manifest}`, join(repository, 'streams/refs/oci/.symlink-abcdefghijkl'));
}
