import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { firstName } from './paths.ts';

/** Removes the name of the manifest that the tag points at; its object stays. */
export function missingManifestLink(repository: string): void {
  const streams = join(repository, 'streams');
  rmSync(join(streams, firstName(streams, 'oci-manifest-')));
}
