import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { firstName } from './paths.ts';

/** Removes the name of the first layer, by name; its object stays. */
export function missingLayerLink(repository: string): void {
  const streams = join(repository, 'streams');
  rmSync(join(streams, firstName(streams, 'oci-layer-')));
}
